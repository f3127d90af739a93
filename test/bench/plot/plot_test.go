package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// wellFormed fails for what no XML parser reads.
func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}

func TestFigure(t *testing.T) {
	f := Figure{
		Title: "a < b & c", About: `"what"`, Series: []string{"one", "two", strings.Repeat("long ", 20), "four"},
		Panels: []Panel{
			Bars{Title: "bars", Axis: "µs", Log: true, Groups: []Group{
				{"first", []Bar{{"x", 0, []float64{0.3}, "0.30"}, {"y", 1, []float64{120}, "120"}, {"z", 2, []float64{0}, "0"}}},
			}},
			Bars{Title: "parts", Axis: "µs", Groups: []Group{{"g", []Bar{{"x", 0, []float64{3, 0, 4}, "7"}}}}},
			Lines{Title: "lines", X: "s", Y: "MB", Curves: []Curve{{0, [][2]float64{{-30, 5}, {0, 7}, {130, 6}}}, {1, nil}}, Moments: []Moment{{0, "now"}}},
			Lines{Title: "percentiles", X: "percentile", Y: "ms", LogY: true, Percentile: true, Curves: []Curve{{2, [][2]float64{{50, 0.2}, {99, 20}, {100, 0}}}}},
			Lines{Title: "nothing"}, Lines{Title: "nothing", LogY: true, Percentile: true}, Bars{Title: "nothing", Log: true}, Bars{},
		},
	}
	text := f.SVG()
	wellFormed(t, text)
	if again := f.SVG(); !bytes.Equal(text, again) {
		t.Error("the same figure twice is not the same")
	}
	for _, want := range []string{"a &lt; b &amp; c", "prefers-color-scheme:dark", ">µs<", ">MB<", ">now<", ">99.9<", ">percentile<", `role="img"`, ">-20<"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, bad := range []string{"NaN", "Inf", "%!", `="-0"`} {
		if bytes.Contains(text, []byte(bad)) {
			t.Errorf("%s in\n%s", bad, text)
		}
	}
}

func TestLegend(t *testing.T) {
	if l := (Figure{Series: []string{"alone"}}).legend(); l.drawn != "" || l.height != 0 {
		t.Error("a single series has a legend")
	}
	one := Figure{Legend: []Entry{{"a", 0}, {"b", 3}}}.legend()
	two := Figure{Series: []string{strings.Repeat("a", 70), strings.Repeat("b", 70)}}.legend()
	if one.height != perEntry || two.height != 2*perEntry || !strings.Contains(one.drawn, "line s3") {
		t.Errorf("%+v, %+v", one, two)
	}
}

func TestScales(t *testing.T) {
	labels := func(s scale) string {
		var all []string
		for _, tick := range s.ticks {
			all = append(all, tick.label)
		}
		return strings.Join(all, " ")
	}
	tests := []struct {
		name  string
		s     scale
		ticks string
		at    map[float64]float64
	}{
		{"from zero", linear(3, 47), "0 10 20 30 40 50", map[float64]float64{0: 0, 25: 0.5, 50: 1}},
		{"thousands", linear(0, 4100), "0 1,000 2,000 3,000 4,000 5,000", map[float64]float64{5000: 1}},
		{"fractions", linear(0, 0.4), "0 0.1 0.2 0.3 0.4", map[float64]float64{0.1: 0.25}},
		{"below zero", linear(-3, 8), "-5 0 5 10", map[float64]float64{-5: 0, 10: 1}},
		{"nothing", linear(0, 0), "0 0.2 0.4 0.6 0.8 1", map[float64]float64{1: 1}},
		{"decades", logarithmic(0.3, 120), "0.1 1 10 100 1,000", map[float64]float64{0.1: 0, 10: 0.5, 1000: 1}},
		{"one decade", logarithmic(10, 10), "10 100", map[float64]float64{10: 0}},
		{"no logarithm", logarithmic(math.Inf(1), 0), "0.1 1", nil},
		{"exact", exact(-30, 130), "-20 0 20 40 60 80 100 120", map[float64]float64{-30: 0, 50: 0.5, 130: 1}},
		{"a point", exact(4, 4), "4 4.2 4.4 4.6 4.8 5", map[float64]float64{5: 1}},
		{"percentiles", percentiles(), "0 50 90 99 99.9 99.99", map[float64]float64{0: 0, 90: 0.25, 99: 0.5, 99.99: 1, 100: 1}},
	}
	for _, tt := range tests {
		if got := labels(tt.s); got != tt.ticks {
			t.Errorf("%s: %s", tt.name, got)
		}
		for v, want := range tt.at {
			if got := tt.s.of(v); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s: %v is at %v, want %v", tt.name, v, got, want)
			}
		}
	}
}
