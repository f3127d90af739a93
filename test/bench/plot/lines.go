package plot

import (
	"math"
	"strings"
)

// Lines are curves over a common axis.
type Lines struct {
	Title      string
	X, Y       string // what the axes say, with their units
	LogY       bool   // values that are not positive are left out
	Percentile bool   // X are percentiles
	Curves     []Curve
	Moments    []Moment
}

// Curve is one series. Points stand in the order of their x.
type Curve struct {
	Series int
	Points [][2]float64
}

// Moment is a place on the X axis with a name.
type Moment struct {
	At   float64
	Name string
}

const (
	linesLeft   = 76.0
	linesRight  = 28.0
	linesHeight = 210.0
	// markedPoints is how many points a curve may have and still carry marks.
	markedPoints = 20
)

func (l Lines) height() float64 { return l.head() + linesHeight + axisRoom + 6 }

// head is the room above the curves, for the title and the names of moments.
func (l Lines) head() float64 {
	if len(l.Moments) > 0 {
		return titleRoom + 12
	}
	return titleRoom
}

func (l Lines) scales() (x, y scale) {
	lowX, highX, lowY, highY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, c := range l.Curves {
		for _, p := range c.Points {
			lowX, highX = min(lowX, p[0]), max(highX, p[0])
			if p[1] > 0 || !l.LogY {
				lowY, highY = min(lowY, p[1]), max(highY, p[1])
			}
		}
	}
	if math.IsInf(lowX, 0) {
		lowX, highX = 0, 1
	}
	if math.IsInf(lowY, 0) {
		lowY, highY = 1, 10
	}
	if x = exact(lowX, highX); l.Percentile {
		x = percentiles()
	}
	if y = linear(lowY, highY); l.LogY {
		y = logarithmic(lowY, highY)
	}
	return x, y
}

func (l Lines) draw(s *svg, top float64) {
	s.text(margin, top+14, "head", "start", l.Title)
	top += l.head()
	bottom, area := top+linesHeight, width-linesLeft-linesRight
	x, y := l.scales()
	atX := func(v float64) float64 { return linesLeft + area*x.of(v) }
	atY := func(v float64) float64 { return bottom - linesHeight*y.of(v) }
	for _, t := range y.ticks {
		s.line(linesLeft, atY(t.at), linesLeft+area, atY(t.at), "grid")
		s.text(linesLeft-6, atY(t.at)+4, "soft", "end", t.label)
	}
	for _, t := range x.ticks {
		s.line(atX(t.at), top, atX(t.at), bottom, "grid")
		s.text(atX(t.at), bottom+16, "soft", "middle", t.label)
	}
	s.line(linesLeft, bottom, linesLeft+area, bottom, "axis")
	s.line(linesLeft, top, linesLeft, bottom, "axis")
	s.text(linesLeft+area/2, bottom+34, "soft", "middle", l.X)
	s.upright(margin+2, top+linesHeight/2, "soft", l.Y)
	for _, m := range l.Moments {
		s.line(atX(m.At), top-8, atX(m.At), bottom, "axis")
		s.text(atX(m.At)+4, top-3, "soft", "start", m.Name)
	}
	for _, c := range l.Curves {
		var points []string
		var marks [][2]float64
		for _, p := range c.Points {
			if l.LogY && p[1] <= 0 {
				continue
			}
			points = append(points, n(atX(p[0]))+","+n(atY(p[1])))
			marks = append(marks, [2]float64{atX(p[0]), atY(p[1])})
		}
		if len(points) == 0 {
			continue
		}
		s.printf(`<polyline points="%s" class="%s"/>`, strings.Join(points, " "), lineClass(c.Series))
		if len(marks) <= markedPoints {
			for _, m := range marks {
				s.mark(m[0], m[1], c.Series)
			}
		}
	}
}
