package console

import (
	"context"
	"time"
)

// Figures are those of a namespace, or of all together, for one minute: who is
// online at its end and what has happened in it.
type Figures struct{ Clients, Users, Rooms, Pushes, Deliveries, Acks int64 }

func (f *Figures) add(g Figures) {
	f.Clients += g.Clients
	f.Users += g.Users
	f.Rooms += g.Rooms
	f.Pushes += g.Pushes
	f.Deliveries += g.Deliveries
	f.Acks += g.Acks
}

// Total stands for all namespaces together; no namespace is called so.
const Total = "*"

// SeriesStore keeps figures by the minute.
type SeriesStore interface {
	// Figures reads who is online now, and what happened in the minute that
	// begins at minute, in each of the namespaces.
	Figures(ctx context.Context, namespaces []string, minute time.Time) ([]Figures, error)
	// KeepFigures keeps the samples of a minute for SeriesKept at least.
	KeepFigures(ctx context.Context, minute time.Time, samples map[string]Figures) error
	// KeptFigures reads the samples of so many minutes, nil where there is
	// none.
	KeptFigures(ctx context.Context, ns string, from time.Time, minutes int) ([]*Figures, error)
}

// SeriesKept is how long samples can be asked for.
const SeriesKept = 48 * time.Hour

// Series is what a chart shows: Points values of each kind, the first of the
// Step minutes from From on, null where there is no sample. The first three
// are the average of a step, the others the sum.
type Series struct {
	From   int64      `json:"from"` // ms
	Step   int        `json:"step"` // minutes
	Points int        `json:"points"`
	Series SeriesSets `json:"series"`
}

// SeriesSets are the values of a Series.
type SeriesSets struct {
	Clients    []*int64 `json:"clients"`
	Users      []*int64 `json:"users"`
	Rooms      []*int64 `json:"rooms"`
	Pushes     []*int64 `json:"pushes"`
	Deliveries []*int64 `json:"deliveries"`
	Acks       []*int64 `json:"acks"`
}

// SeriesSteps are the steps that can be asked for, in minutes.
var SeriesSteps = []int{1, 5, 15, 60}

// ReadSeries reads the last hours of a namespace, or of Total, in steps of
// that many minutes; the last step may have only just begun.
func ReadSeries(ctx context.Context, store SeriesStore, ns string, now time.Time, hours, step int) (Series, error) {
	width := time.Duration(step) * time.Minute
	end := now.Truncate(time.Minute)
	if rest := end.Sub(end.Truncate(width)); rest > 0 {
		end = end.Add(width - rest)
	}
	from := end.Add(-time.Duration(hours) * time.Hour)
	samples, err := store.KeptFigures(ctx, ns, from, hours*60)
	if err != nil {
		return Series{}, err
	}
	s := Series{From: from.UnixMilli(), Step: step, Points: hours * 60 / step}
	sets := &s.Series
	for at := 0; at+step <= len(samples); at += step {
		var sum Figures
		n := int64(0)
		for _, f := range samples[at : at+step] {
			if f != nil {
				sum.add(*f)
				n++
			}
		}
		for _, set := range []struct {
			values  *[]*int64
			value   int64
			average bool
		}{
			{&sets.Clients, sum.Clients, true}, {&sets.Users, sum.Users, true}, {&sets.Rooms, sum.Rooms, true},
			{&sets.Pushes, sum.Pushes, false}, {&sets.Deliveries, sum.Deliveries, false}, {&sets.Acks, sum.Acks, false},
		} {
			*set.values = append(*set.values, point(set.value, n, set.average))
		}
	}
	return s, nil
}

func point(sum, n int64, average bool) *int64 {
	if n == 0 {
		return nil
	}
	if average {
		sum = (sum + n/2) / n
	}
	return &sum
}
