// Package stats counts durations and tells their percentiles, over several processes too. It is pure; a Histogram is
// used by one goroutine at a time.
package stats

import (
	"encoding/json"
	"errors"
	"math"
	"math/bits"
	"time"
)

// subBits is the precision: a bucket is at most 1/64 of its value wide.
const subBits = 6

// buckets is how many there can be.
const buckets = (65 - subBits) << subBits

// Histogram counts durations in buckets that are exact below 128 ns and at most 1.6 % wide above. The zero value is
// ready for use.
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

// Record counts one duration; negative ones, which two clocks can produce, count as zero.
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

// Percentile returns the smallest bucket bound that at least p percent (0 to 100) of the durations do not exceed; 0 when
// nothing was recorded.
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

// Clone is a copy that shares nothing.
func (h *Histogram) Clone() Histogram {
	c := *h
	c.counts = append([]uint64(nil), h.counts...)
	return c
}

// wireForm is a Histogram between processes: index and count of the buckets that are not empty.
type wireForm struct {
	Buckets [][2]uint64   `json:"buckets,omitempty"`
	Sum     float64       `json:"sum"`
	Max     time.Duration `json:"max"`
}

// MarshalJSON implements json.Marshaler.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	w := wireForm{Sum: h.sum, Max: h.max}
	for i, c := range h.counts {
		if c > 0 {
			w.Buckets = append(w.Buckets, [2]uint64{uint64(i), c})
		}
	}
	return json.Marshal(w)
}

var errBucket = errors.New("stats: no such bucket")

// UnmarshalJSON implements json.Unmarshaler.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var w wireForm
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*h = Histogram{sum: w.Sum, max: w.Max}
	for _, b := range w.Buckets {
		if b[0] >= buckets {
			return errBucket
		}
		if need := int(b[0]) + 1; need > len(h.counts) {
			h.counts = append(h.counts, make([]uint64, need-len(h.counts))...)
		}
		h.counts[b[0]] += b[1]
		h.n += b[1]
	}
	return nil
}

// Summary is a Histogram in a few figures, in milliseconds.
type Summary struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// Summary of what was recorded; all zero when nothing was.
func (h *Histogram) Summary() Summary {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	s := Summary{
		Count: h.n, Max: ms(h.max),
		P50: ms(h.Percentile(50)), P90: ms(h.Percentile(90)), P99: ms(h.Percentile(99)), P999: ms(h.Percentile(99.9)),
	}
	if h.n > 0 {
		s.Mean = ms(time.Duration(h.sum / float64(h.n)))
	}
	return s
}
