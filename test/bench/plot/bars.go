package plot

import "math"

// Bars are bars from left to right, in groups.
type Bars struct {
	Title  string
	Axis   string // what the length says, with its unit
	Log    bool   // bars of one part only
	Groups []Group
}

// Group is bars below one heading.
type Group struct {
	Name string
	Bars []Bar
}

// Bar has its name at its foot. One part has the colour of Series, several have
// those of series 0, 1, 2 …
type Bar struct {
	Label  string
	Series int
	Parts  []float64
	Text   string // behind its end
}

func (b Bar) total() (sum float64) {
	for _, v := range b.Parts {
		sum += v
	}
	return sum
}

const (
	barHeight = 13.0
	barStep   = 17.0
	groupHead = 20.0
	groupGap  = 8.0
	titleRoom = 26.0
	axisRoom  = 46.0
)

func (b Bars) bodyHeight() (h float64) {
	for _, g := range b.Groups {
		h += groupHead + barStep*float64(len(g.Bars)) + groupGap
	}
	return h
}

func (b Bars) height() float64 { return titleRoom + b.bodyHeight() + axisRoom }

func (b Bars) scale() scale {
	low, high := math.Inf(1), 0.0
	for _, g := range b.Groups {
		for _, bar := range g.Bars {
			if v := bar.total(); v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if b.Log {
		return logarithmic(low, high)
	}
	return linear(0, high)
}

func (b Bars) draw(s *svg, top float64) {
	s.text(margin, top+14, "head", "start", b.Title)
	top += titleRoom
	bottom := top + b.bodyHeight()
	area := width - left - right
	scale := b.scale()
	for _, t := range scale.ticks {
		s.text(left+area*scale.of(t.at), bottom+16, "soft", "middle", t.label)
	}
	s.text(left+area/2, bottom+34, "soft", "middle", b.Axis)
	y := top
	for _, g := range b.Groups {
		s.text(margin, y+15, "", "start", g.Name)
		y += groupHead
		end := y + barStep*float64(len(g.Bars))
		for _, t := range scale.ticks { // beside the bars only: headings stay free
			x := left + area*scale.of(t.at)
			s.line(x, y-2, x, end, "grid")
		}
		s.line(left, y-2, left, end, "axis")
		for _, bar := range g.Bars {
			b.drawBar(s, scale, bar, y, area)
			y += barStep
		}
		y += groupGap
	}
}

func (b Bars) drawBar(s *svg, scale scale, bar Bar, y, area float64) {
	s.text(left-8, y+11, "soft", "end", bar.Label)
	x, sum := left, 0.0
	for i, v := range bar.Parts {
		series := i
		if len(bar.Parts) == 1 {
			series = bar.Series
		}
		sum += v
		if sum <= 0 {
			continue
		}
		end := left + area*max(0, scale.of(sum))
		s.rect(x, y, max(end-x, 0.5), barHeight, fillClass(series))
		x = max(end, x+0.5)
	}
	s.text(x+6, y+11, "", "start", bar.Text)
}
