package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsCoverEverything(t *testing.T) {
	values := []uint64{0, 1, 127, 128, 255, 256, 257, 511, 512, 1000, 1e6, 1e9, math.MaxInt64, math.MaxUint64}
	for v := uint64(1); v < 1<<62; v = v*3/2 + 1 {
		values = append(values, v)
	}
	slices.Sort(values)
	last := -1
	for _, v := range values {
		i := bucket(v)
		if i < last {
			t.Errorf("bucket(%d) = %d, below that of a smaller value", v, i)
		}
		last = i
		if up := upper(i); up < v {
			t.Errorf("upper(bucket(%d)) = %d", v, up)
		} else if float64(up-v) > float64(v)/128 {
			t.Errorf("bucket of %d reaches up to %d", v, up)
		}
		if i > 0 && upper(i-1) >= v {
			t.Errorf("bucket %d below that of %d reaches up to %d", i-1, v, upper(i-1))
		}
	}
}

func TestPercentiles(t *testing.T) {
	us := time.Microsecond
	tests := []struct {
		name   string
		values []time.Duration
		p      float64
		want   time.Duration
	}{
		{"nothing", nil, 99, 0},
		{"one value", []time.Duration{7 * us}, 50, 7 * us},
		{"one value, 0th", []time.Duration{7 * us}, 0, 7 * us},
		{"below zero counts as zero", []time.Duration{-5, -1}, 100, 0},
		{"median of an even number is the lower", []time.Duration{1, 2, 3, 4}, 50, 2},
		{"the greatest", []time.Duration{1, 2, 3, 4}, 100, 4},
		{"just above the rank", []time.Duration{1, 2, 3, 4}, 75.1, 4},
		{"order does not matter", []time.Duration{4, 1, 3, 2}, 25, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Histogram
			for _, v := range tt.values {
				h.Record(v)
			}
			if got := h.Percentile(tt.p); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Percentiles of many values agree with those of the sorted list.
func TestPercentilesAgainstSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var all, left, right Histogram
	values := make([]time.Duration, 50_000)
	for i := range values {
		values[i] = time.Duration(math.Exp(random.Float64()*20 + 3))
		all.Record(values[i])
		if i%2 == 0 {
			left.Record(values[i])
		} else {
			right.Record(values[i])
		}
	}
	left.Merge(&right)
	slices.Sort(values)
	for _, p := range []float64{1, 10, 50, 90, 99, 99.9, 99.99, 100} {
		want := values[max(0, int(math.Ceil(p/100*float64(len(values))))-1)]
		for name, h := range map[string]*Histogram{"recorded": &all, "merged": &left} {
			if got := h.Percentile(p); got < want || float64(got-want) > float64(want)/100 {
				t.Errorf("%s: p%g is %v, want %v", name, p, got, want)
			}
		}
	}
	if all.Count() != left.Count() || all.Max() != left.Max() || all.Mean()-left.Mean() > 1 {
		t.Errorf("merged: %+v, recorded: %+v", left.Summary(), all.Summary())
	}
}

func TestSummary(t *testing.T) {
	var h Histogram
	for i := 1; i <= 1000; i++ {
		h.Record(time.Duration(i) * time.Millisecond)
	}
	s := h.Summary()
	near := func(got, want float64) bool { return got >= want && got <= want*1.01 }
	if s.Count != 1000 || !near(s.P50, 500e3) || !near(s.P99, 990e3) || !near(s.P999, 999e3) || s.Max != 1e6 || s.Mean != 500500 {
		t.Errorf("%+v", s)
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	var h Histogram
	h.Record(time.Hour)
	if n := testing.AllocsPerRun(100, func() { h.Record(time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
