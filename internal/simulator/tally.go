package simulator

import (
	"github.com/lightpush/lightpush/internal/simulator/stats"
)

// tally is what clients have lived through. It belongs to one goroutine; tallies of several add up.
type tally struct {
	Attempts  int64            `json:"attempts"`
	Connects  int64            `json:"connects"`
	Failures  map[string]int64 `json:"failures"` // attempts by reason
	Drops     map[string]int64 `json:"drops"`    // connections the server ended, by reason
	Left      int64            `json:"left"`     // churn
	Cut       int64            `json:"cut"`      // storms
	GivenUp   int64            `json:"given_up"`
	Delivered int64            `json:"delivered"`
	Slow      int64            `json:"slow"` // of these, to slow readers
	Repeated  int64            `json:"repeated"`
	Reordered int64            `json:"reordered"`
	Stray     int64            `json:"stray"`
	Foreign   int64            `json:"foreign"` // pushes of somebody else
	Offline   int64            `json:"offline"` // offlineMessage events
	Acks      int64            `json:"acks"`
	Bytes     int64            `json:"bytes"`
	Uncounted int64            `json:"uncounted"` // gaps beyond what is remembered

	Connect stats.Histogram `json:"connect"`
	Latency stats.Histogram `json:"latency"`

	FirstRepeated  *loss          `json:"first_repeated"`
	FirstReordered *loss          `json:"first_reordered"`
	Sampled        map[mark]heard `json:"-"`
	Samples        []sample       `json:"samples"` // Sampled between processes
}

// mark names a message.
type mark struct{ Stream, Seq int32 }

// heard is how many devices have got, and have acknowledged, a message.
type heard struct{ Got, Acked int64 }

// sample is both.
type sample struct {
	Stream, Seq int32
	Got, Acked  int64
}

// maxReasons bounds the kinds of failures a server can invent.
const maxReasons = 64

func count(m *map[string]int64, reason string, n int64) {
	if *m == nil {
		*m = map[string]int64{}
	}
	if _, known := (*m)[reason]; !known && len(*m) >= maxReasons {
		reason = "other reasons"
	}
	(*m)[reason] += n
}

func sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

func (t *tally) merge(o *tally) {
	t.Attempts += o.Attempts
	t.Connects += o.Connects
	for reason, n := range o.Failures {
		count(&t.Failures, reason, n)
	}
	for reason, n := range o.Drops {
		count(&t.Drops, reason, n)
	}
	t.Left += o.Left
	t.Cut += o.Cut
	t.GivenUp += o.GivenUp
	t.Delivered += o.Delivered
	t.Slow += o.Slow
	t.Repeated += o.Repeated
	t.Reordered += o.Reordered
	t.Stray += o.Stray
	t.Foreign += o.Foreign
	t.Offline += o.Offline
	t.Acks += o.Acks
	t.Bytes += o.Bytes
	t.Uncounted += o.Uncounted
	t.Connect.Merge(&o.Connect)
	t.Latency.Merge(&o.Latency)
	t.FirstRepeated = first(t.FirstRepeated, o.FirstRepeated)
	t.FirstReordered = first(t.FirstReordered, o.FirstReordered)
	for m, h := range o.Sampled {
		t.sample(m, h)
	}
	for _, s := range o.Samples {
		t.sample(mark{s.Stream, s.Seq}, heard{s.Got, s.Acked})
	}
}

// maxSamples bounds Sampled; sampleEvery aims at far fewer.
const maxSamples = 10_000

func (t *tally) sample(m mark, h heard) {
	if t.Sampled == nil {
		t.Sampled = map[mark]heard{}
	}
	had, known := t.Sampled[m]
	if !known && len(t.Sampled) >= maxSamples {
		return
	}
	t.Sampled[m] = heard{had.Got + h.Got, had.Acked + h.Acked}
}

// first is the earlier of two in the order of the pushes; either may be nil.
func first(a, b *loss) *loss {
	if a == nil || b != nil && b.Position > 0 && b.Position < a.Position {
		return b
	}
	return a
}
