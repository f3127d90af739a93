package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// svg is a file as it grows.
type svg struct{ b strings.Builder }

func (s *svg) printf(format string, args ...any) { fmt.Fprintf(&s.b, format+"\n", args...) }

// n writes a coordinate with a tenth of a pixel.
func n(v float64) string {
	v = math.Round(v*10) / 10
	if v == 0 {
		v = 0 // no -0
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escape(text string) string { return escaper.Replace(text) }

func (s *svg) text(x, y float64, class, anchor, text string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	if anchor != "start" {
		class += ` text-anchor="` + anchor + `"`
	}
	s.printf(`<text x="%s" y="%s"%s>%s</text>`, n(x), n(y), class, escape(text))
}

// upright is text that reads from below, around its middle.
func (s *svg) upright(x, y float64, class, text string) {
	s.printf(`<text x="%s" y="%s" class="%s" text-anchor="middle" transform="rotate(-90 %s %s)">%s</text>`, n(x), n(y), class, n(x), n(y), escape(text))
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	s.printf(`<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>`, n(x1), n(y1), n(x2), n(y2), class)
}

func (s *svg) rect(x, y, w, h float64, class string) {
	s.printf(`<rect x="%s" y="%s" width="%s" height="%s" class="%s"/>`, n(x), n(y), n(w), n(h), class)
}

// mark is the sign of a series around a point.
func (s *svg) mark(x, y float64, series int) {
	class := fillClass(series)
	switch series % 4 {
	case 0:
		s.printf(`<circle cx="%s" cy="%s" r="3.5" class="%s"/>`, n(x), n(y), class)
	case 1:
		s.rect(x-3, y-3, 6, 6, class)
	case 2:
		s.printf(`<path d="M%s %sl4 7h-8z" class="%s"/>`, n(x), n(y-4.5), class)
	default:
		s.printf(`<path d="M%s %sl4.5 4.5l-4.5 4.5l-4.5 -4.5z" class="%s"/>`, n(x), n(y-4.5), class)
	}
}
