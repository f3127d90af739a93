package ring

import (
	"fmt"
	"html"
	"os"
	"strings"
	"time"

	"github.com/lightpush/lightpush/test/chaos/ledger"
	"github.com/lightpush/lightpush/test/chaos/plan"
)

// Size of the picture, in pixels.
const (
	svgWidth  = 1000
	svgLeft   = 150 // names
	svgRight  = 60  // scales
	svgPanel  = 90
	svgLane   = 15
	svgGap    = 26
	svgPoints = 250 // at most, of a curve
)

// curve is a line of a panel: counter differences per second, or the counter itself.
type curve struct {
	name, color string
	value       func(Sample) int
	absolute    bool
}

type panel struct {
	title  string
	curves []curve
}

func receipts(via ledger.Via) func(Sample) int { return func(s Sample) int { return s.Receipts[via] } }

var panels = []panel{
	{"pushes per second", []curve{
		{"accepted", "#2b8a3e", func(s Sample) int { return s.Accepted }, false},
		{"not taken or unanswered", "#e03131", func(s Sample) int { return s.Nothing + s.Unknown }, false},
	}},
	{"arrivals per second", []curve{
		{"live", "#1971c2", receipts(ledger.Live), false},
		{"replayed", "#9c36b5", receipts(ledger.Replay), false},
		{"offline", "#e8590c", receipts(ledger.Offline), false},
		{"APNs", "#868e96", receipts(ledger.APNs), false},
	}},
	{"sessions per second", []curve{
		{"continued", "#9c36b5", func(s Sample) int { return s.Recovered }, false},
		{"new", "#1971c2", func(s Sample) int { return s.NewSessions }, false},
	}},
	{"devices online", []curve{{"online", "#2b8a3e", func(s Sample) int { return s.Online }, true}}},
}

// WriteSVG draws faults, pushes, arrivals and sessions over time.
func (r *Result) WriteSVG(file string) error {
	return os.WriteFile(file, []byte(r.svg()), 0o644)
}

func (r *Result) svg() string {
	var b strings.Builder
	height := svgGap + len(plan.Kinds)*svgLane + len(panels)*(svgPanel+svgGap) + 30
	out := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	text := func(x, y float64, style, s string) {
		out(`<text x="%.1f" y="%.1f" %s>%s</text>`, x, y, style, html.EscapeString(s))
	}
	out(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#343a40">`, svgWidth, height)
	out(`<rect width="%d" height="%d" fill="#ffffff"/>`, svgWidth, height)
	total := max(r.Took.Seconds(), 1)
	x := func(t time.Duration) float64 {
		return svgLeft + min(t.Seconds(), total)/total*(svgWidth-svgLeft-svgRight)
	}
	top := float64(svgGap)
	text(svgLeft, top-10, `font-weight="bold"`, fmt.Sprintf("seed %d, %d devices, %.0f pushes/s", r.Options.Seed, r.Options.Clients, r.Options.Rate))
	for i, kind := range plan.Kinds {
		y := top + float64(i*svgLane)
		text(svgLeft-8, y+10, `text-anchor="end"`, string(kind))
		out(`<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e9ecef"/>`, svgLeft, svgWidth-svgRight, y+13, y+13)
		for _, f := range r.Options.Plan {
			if f.Kind == kind {
				out(`<rect x="%.1f" y="%.1f" width="%.1f" height="10" fill="#e03131" opacity="0.7"/>`, x(f.At), y+2, max(2, x(f.End())-x(f.At)))
			}
		}
	}
	top += float64(len(plan.Kinds)*svgLane + svgGap)
	for _, p := range panels {
		r.drawPanel(p, top, x, out, text)
		top += svgPanel + svgGap
	}
	for i := range 11 {
		at := time.Duration(float64(i) / 10 * total * float64(time.Second))
		text(x(at), top, `text-anchor="middle"`, fmt.Sprintf("%.0f s", at.Seconds()))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (r *Result) drawPanel(p panel, top float64, x func(time.Duration) float64, out func(string, ...any), text func(x, y float64, style, s string)) {
	text(svgLeft-8, top+12, `text-anchor="end" font-weight="bold"`, p.title)
	bottom := top + svgPanel
	out(`<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#adb5bd"/>`, svgLeft, svgWidth-svgRight, bottom, bottom)
	peak := 1.0
	lines := make([][]point, len(p.curves))
	for i, c := range p.curves {
		lines[i] = r.points(c)
		for _, q := range lines[i] {
			peak = max(peak, q.y)
		}
	}
	text(svgWidth-svgRight+4, top+8, "", fmt.Sprintf("%.0f", peak))
	for i, c := range p.curves {
		text(svgLeft-8, top+26+float64(i*13), fmt.Sprintf(`text-anchor="end" fill="%s"`, c.color), c.name)
		var d strings.Builder
		for _, q := range lines[i] {
			fmt.Fprintf(&d, "%.1f,%.1f ", x(q.at), bottom-q.y/peak*svgPanel)
		}
		out(`<polyline points="%s" fill="none" stroke="%s" stroke-width="1.2"/>`, strings.TrimSpace(d.String()), c.color)
	}
}

type point struct {
	at time.Duration
	y  float64
}

// points are the values of a curve, with several samples in one where there are many.
func (r *Result) points(c curve) []point {
	step := max(1, len(r.Samples)/svgPoints)
	var points []point
	for i := step; i < len(r.Samples); i += step {
		a, b := r.Samples[i-step], r.Samples[i]
		y := float64(c.value(b))
		if !c.absolute {
			y = (y - float64(c.value(a))) / max((b.At-a.At).Seconds(), 0.001)
		}
		points = append(points, point{b.At, y})
	}
	return points
}
