package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsCoverEverything(t *testing.T) {
	values := []uint64{0, 1, 63, 64, 127, 128, 129, 255, 256, 1000, 1e6, 1e9, math.MaxInt64, math.MaxUint64}
	for v := uint64(1); v < 1<<62; v = v*3/2 + 1 {
		values = append(values, v)
	}
	slices.Sort(values)
	last := -1
	for _, v := range values {
		i := bucket(v)
		if i < last || i >= buckets {
			t.Errorf("bucket(%d) = %d after %d", v, i, last)
		}
		last = i
		if up := upper(i); up < v || float64(up-v) > float64(v)/64 {
			t.Errorf("upper(bucket(%d)) = %d", v, up)
		}
		if i > 0 && upper(i-1) >= v {
			t.Errorf("bucket %d below that of %d reaches up to %d", i-1, v, upper(i-1))
		}
	}
}

// Percentiles of many values, of merged parts and of copies sent as JSON agree with those of the sorted list.
func TestPercentilesAgainstSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var all, left, right Histogram
	values := make([]time.Duration, 50_000)
	for i := range values {
		values[i] = time.Duration(math.Exp(random.Float64()*20 + 3))
		all.Record(values[i])
		if i%3 == 0 {
			left.Record(values[i])
		} else {
			right.Record(values[i])
		}
	}
	text, err := json.Marshal(&right)
	if err != nil {
		t.Fatal(err)
	}
	var sent Histogram
	if err := json.Unmarshal(text, &sent); err != nil {
		t.Fatal(err)
	}
	merged := left.Clone()
	merged.Merge(&sent)
	if left.Count() == merged.Count() {
		t.Error("a clone shares its counts")
	}
	slices.Sort(values)
	for _, p := range []float64{0, 1, 10, 50, 90, 99, 99.9, 99.99, 100} {
		want := values[max(0, int(math.Ceil(p/100*float64(len(values))))-1)]
		for name, h := range map[string]*Histogram{"recorded": &all, "merged": &merged} {
			if got := h.Percentile(p); got < want || float64(got-want) > float64(want)/60 {
				t.Errorf("%s: p%g is %v, want %v", name, p, got, want)
			}
		}
	}
	if a, b := all.Summary(), merged.Summary(); a.Count != b.Count || a.P99 != b.P99 || a.Max != b.Max || math.Abs(a.Mean-b.Mean) > 0.001*a.Mean {
		t.Errorf("%+v, %+v", a, b)
	}
}

func TestEdges(t *testing.T) {
	var h Histogram
	if h.Percentile(99) != 0 || h.Summary() != (Summary{}) {
		t.Error("an empty histogram tells something")
	}
	h.Record(-5)
	if h.Percentile(100) != 0 || h.Count() != 1 {
		t.Error("below zero")
	}
	h.Record(7)
	if h.Percentile(50) != 0 || h.Percentile(50.1) != 7 {
		t.Error("the median of two is the lower")
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"buckets":[[5,1]],"sum":1,"max":2}`))
	f.Add([]byte(`{"buckets":[[99999999,1]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var h Histogram
		if json.Unmarshal(text, &h) == nil && len(h.counts) > buckets {
			t.Error("too many buckets")
		}
		h.Percentile(99)
	})
}
