// Package stats counts durations and tells their percentiles. It is pure; a
// Histogram is used by one goroutine at a time.
package stats

import (
	"math"
	"math/bits"
	"time"
)

// subBits is the precision: a bucket is at most 1/128 of its value wide.
const subBits = 7

// Histogram counts durations in buckets that are exact below 256 ns and at
// most 0.8 % wide above. The zero value is ready for use.
type Histogram struct {
	counts []uint64 // by bucket; grows to the greatest that is used
	n      uint64
	sum    float64
	max    time.Duration
}

func bucket(v uint64) int {
	shift := max(0, bits.Len64(v)-subBits-1)
	return shift<<subBits + int(v>>shift)
}

// upper is the greatest value that falls into bucket i.
func upper(i int) uint64 {
	if i < 1<<(subBits+1) {
		return uint64(i)
	}
	shift := i>>subBits - 1
	sub := uint64(i - shift<<subBits)
	return (sub+1)<<shift - 1
}

// Record counts one duration; negative ones, which two clocks can produce,
// count as zero.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	i := bucket(uint64(d))
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]uint64, i+1-len(h.counts))...)
	}
	h.counts[i]++
	h.n++
	h.sum += float64(d)
	h.max = max(h.max, d)
}

// Count is the number of recorded durations.
func (h *Histogram) Count() uint64 { return h.n }

// Max is the greatest recorded duration, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Mean is 0 when nothing was recorded.
func (h *Histogram) Mean() time.Duration {
	if h.n == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.n))
}

// Percentile returns the smallest bucket bound that at least p percent (0 to
// 100) of the durations do not exceed; 0 when nothing was recorded.
func (h *Histogram) Percentile(p float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := min(max(uint64(math.Ceil(float64(h.n)*p/100)), 1), h.n)
	var seen uint64
	for i, c := range h.counts {
		if seen += c; seen >= rank {
			return min(time.Duration(upper(i)), h.max)
		}
	}
	return h.max
}

// Merge adds what o has counted.
func (h *Histogram) Merge(o *Histogram) {
	if len(o.counts) > len(h.counts) {
		h.counts = append(h.counts, make([]uint64, len(o.counts)-len(h.counts))...)
	}
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

// Summary is a Histogram in a few figures, in microseconds.
type Summary struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean_us"`
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
	P999  float64 `json:"p999_us"`
	Max   float64 `json:"max_us"`
}

// Summary of what was recorded.
func (h *Histogram) Summary() Summary {
	us := func(d time.Duration) float64 { return float64(d) / 1e3 }
	return Summary{
		Count: h.n, Mean: us(h.Mean()), Max: us(h.max),
		P50: us(h.Percentile(50)), P99: us(h.Percentile(99)), P999: us(h.Percentile(99.9)),
	}
}
