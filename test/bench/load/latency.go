package load

import "github.com/lightpush/lightpush/internal/simulator/stats"

// Points are the percentiles of a curve.
var Points = []float64{10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100}

// Latency is a histogram in a few figures, in milliseconds, and with as many
// points as a plot needs.
type Latency struct {
	stats.Summary
	Curve []float64 `json:"curve_ms,omitempty"` // at Points; nil when nothing was recorded
}

func latency(h *stats.Histogram) Latency {
	l := Latency{Summary: h.Summary()}
	if h.Count() == 0 {
		return l
	}
	for _, p := range Points {
		l.Curve = append(l.Curve, float64(h.Percentile(p).Microseconds())/1e3)
	}
	return l
}
