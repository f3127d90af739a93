package plot

import (
	"math"
	"strconv"
)

// tick is a place on an axis with its label.
type tick struct {
	at    float64
	label string
}

// scale maps values to 0 … 1.
type scale struct {
	of    func(v float64) float64
	ticks []tick
}

// linear is a scale from 0, or from a negative value, to a round number.
func linear(low, high float64) scale {
	if low > 0 {
		low = 0
	}
	if high <= low {
		high = low + 1
	}
	step := roundStep((high - low) / 5)
	low, high = math.Floor(low/step+1e-9)*step, math.Ceil(high/step-1e-9)*step
	s := scale{of: func(v float64) float64 { return (v - low) / (high - low) }}
	for i := 0; ; i++ {
		v := low + float64(i)*step
		if v > high+step/2 {
			return s
		}
		s.ticks = append(s.ticks, tick{v, label(v)})
	}
}

// exact is a linear scale from the first value to the last.
func exact(low, high float64) scale {
	if high <= low {
		high = low + 1
	}
	step := roundStep((high - low) / 9)
	s := scale{of: func(v float64) float64 { return (v - low) / (high - low) }}
	for i := math.Ceil(low/step - 1e-9); i*step <= high+step*1e-9; i++ {
		s.ticks = append(s.ticks, tick{i * step, label(i * step)})
	}
	return s
}

// roundStep is 1, 2 or 5 times a power of ten, and at least v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logarithmic is a scale of whole decades around positive values.
func logarithmic(low, high float64) scale {
	if low <= 0 || math.IsInf(low, 0) {
		low, high = 0.1, 1
	}
	from, to := math.Floor(math.Log10(low)+1e-9), math.Ceil(math.Log10(high)-1e-9)
	if to <= from {
		to = from + 1
	}
	s := scale{of: func(v float64) float64 { return (math.Log10(v) - from) / (to - from) }}
	for e := from; e <= to; e++ {
		s.ticks = append(s.ticks, tick{math.Pow(10, e), label(math.Pow(10, e))})
	}
	return s
}

// percentiles is a scale on which each further nine is as far as the one
// before.
func percentiles() scale {
	nines := func(p float64) float64 { return -math.Log10(1 - p/100) }
	const last = 99.99
	s := scale{of: func(p float64) float64 { return nines(min(p, last)) / nines(last) }}
	for _, p := range []float64{0, 50, 90, 99, 99.9, last} {
		s.ticks = append(s.ticks, tick{p, strconv.FormatFloat(p, 'f', -1, 64)})
	}
	return s
}

// label writes a tick without the noise of floats, with commas from a thousand.
func label(v float64) string {
	if v == 0 {
		return "0" // and not -0
	}
	text := strconv.FormatFloat(v, 'g', 10, 64)
	if math.Abs(v) < 1000 || math.Abs(v) >= 1e10 {
		return text
	}
	text = strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
