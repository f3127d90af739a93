package plot

import "fmt"

// Figure is one SVG: panels below each other.
type Figure struct {
	Title  string
	About  string   // what it shows, for readers who cannot see it
	Series []string // names of series 0, 1, 2 … for the legend
	Legend []Entry  // instead of Series, when numbers are left out
	Blocks bool     // the legend shows colours only, for bars
	Panels []Panel
}

// Entry of a legend.
type Entry struct {
	Name   string
	Series int
}

// Panel is one drawing with its axes.
type Panel interface {
	height() float64
	draw(s *svg, top float64)
}

const (
	width    = 860.0
	margin   = 20.0
	left     = 170.0 // of the drawing area of bars, and 64 of that of lines
	right    = 84.0
	perEntry = 20.0
)

// SVG is the figure as a file.
func (f Figure) SVG() []byte {
	s := &svg{}
	top := margin + 22.0
	legend := f.legend()
	top += legend.height
	body := &svg{}
	for _, p := range f.Panels {
		p.draw(body, top)
		top += p.height()
	}
	height := top + margin/2
	s.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" aria-labelledby="t d">`,
		n(width), n(height), n(width), n(height))
	s.printf(`<title id="t">%s</title><desc id="d">%s</desc>`, escape(f.Title), escape(f.About))
	s.b.WriteString(style)
	s.printf(`<rect class="page" x="0.5" y="0.5" width="%s" height="%s" rx="6"/>`, n(width-1), n(height-1))
	s.text(margin, margin+6, "title", "start", f.Title)
	s.b.WriteString(legend.drawn)
	s.b.WriteString(body.b.String())
	s.b.WriteString("</svg>\n")
	return []byte(s.b.String())
}

type drawnLegend struct {
	drawn  string
	height float64
}

// legend is a line or two of marks and names; none for a single series.
func (f Figure) legend() drawnLegend {
	list := f.Legend
	for i, name := range f.Series {
		list = append(list, Entry{name, i})
	}
	if len(list) < 2 {
		return drawnLegend{}
	}
	s := &svg{}
	x, y := margin, margin+30.0
	for _, e := range list {
		w := 44 + 7.2*float64(len([]rune(e.Name)))
		if x+w > width-margin {
			x, y = margin, y+perEntry
		}
		if f.Blocks {
			s.rect(x+8, y-10, 20, 12, fillClass(e.Series))
		} else {
			s.line(x, y-4, x+28, y-4, lineClass(e.Series))
			s.mark(x+14, y-4, e.Series)
		}
		s.text(x+34, y, "", "start", e.Name)
		x += w
	}
	return drawnLegend{s.b.String(), y - margin - 30 + perEntry}
}

// colours is how many series a figure can tell apart.
const colours = 6

func lineClass(series int) string { return fmt.Sprintf("line s%d", series%colours) }
func fillClass(series int) string { return fmt.Sprintf("f%d", series%colours) }

// style is the same in every figure. Colours are those of GitHub's palettes of
// which each has enough contrast to its background.
const style = `<style>
text{font:12px -apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#24292f}
.title{font-size:15px;font-weight:600}
.head{font-weight:600}
.soft{fill:#57606a}
.page{fill:#ffffff;stroke:#d0d7de}
.grid{stroke:#d8dee4;stroke-width:1}
.axis{stroke:#8c959f;stroke-width:1}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.s0{stroke:#0969da}.s1{stroke:#8250df;stroke-dasharray:7 3}.s2{stroke:#1a7f37;stroke-dasharray:2 3}.s3{stroke:#bc4c00;stroke-dasharray:9 3 2 3}.s4{stroke:#6e7781;stroke-dasharray:4 4}.s5{stroke:#bf3989}
.f0{fill:#0969da}.f1{fill:#8250df}.f2{fill:#1a7f37}.f3{fill:#bc4c00}.f4{fill:#6e7781}.f5{fill:#bf3989}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.soft{fill:#9da7b1}
.page{fill:#0d1117;stroke:#30363d}
.grid{stroke:#262c34}
.axis{stroke:#6e7681}
.s0{stroke:#58a6ff}.s1{stroke:#bc8cff}.s2{stroke:#3fb950}.s3{stroke:#f0883e}.s4{stroke:#9da7b1}.s5{stroke:#f778ba}
.f0{fill:#58a6ff}.f1{fill:#bc8cff}.f2{fill:#3fb950}.f3{fill:#f0883e}.f4{fill:#9da7b1}.f5{fill:#f778ba}
}
</style>`
