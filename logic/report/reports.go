package report

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// ErrNoMessage is the answer to an id that never existed, has expired or is
// another namespace's: the three are not told apart (B32).
var ErrNoMessage = errors.New("this id not exists")

// Options are the limits of the reports; zero values take the defaults named.
type Options struct {
	HistoryMax    int // ids of a namespace's history that are looked at; 1000 (push_message_list_max_limit)
	PageMax       int // messages of one answer; 500
	OnlineListMax int // entries of an online list, longer ones are left out; 1000 (report_online_list_max_limit)
	AckDetailMax  int // devices of an ack list, as many or more read "$$"; 1000 (report_push_ack_detail_max_limit)
	Concurrency   int // store operations of one answer at the same time; 8
	// OfflinePlatforms are the platforms whose devices have an inbox.
	OfflinePlatforms []string
}

// Reports reads reports from a Store. Safe for concurrent use.
type Reports struct {
	store   Store
	limits  Options
	counted *counted
}

// New returns Reports over store.
func New(store Store, o Options) *Reports {
	for _, limit := range []struct {
		value *int
		unset int
	}{
		{&o.HistoryMax, 1000},
		{&o.PageMax, 500},
		{&o.OnlineListMax, 1000},
		{&o.AckDetailMax, 1000},
		{&o.Concurrency, 8},
	} {
		if *limit.value <= 0 {
			*limit.value = limit.unset
		}
	}
	return &Reports{store: store, limits: o, counted: newCounted()}
}

// each calls f for 0 … n-1, at most Concurrency at a time, and returns the
// first error; the others' contexts are cancelled then.
func (r *Reports) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.limits.Concurrency)
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(ctx, i)
		})
	}
	return group.Wait()
}
