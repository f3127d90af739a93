package store

import (
	"context"
	"fmt"
	"sync"
	"time"
)

var nsTally = newScript("ns_tally")

// tallies count deliveries and acks per namespace. What Record has written is
// added up in memory and leaves once a second, one command per namespace that
// had any, so that counting costs the hot path no command.
//
// A process that dies loses the figures of its last second, which nothing but
// charts are made of.
type tallies struct {
	store *Store

	mu   sync.Mutex
	sums map[string]tally // by namespace, not yet written; bound: the namespaces

	closing sync.Once
	wake    chan struct{} // capacity 1
	stop    chan struct{}
	done    chan struct{}
}

// tally is what has happened in a namespace.
type tally struct{ deliveries, acks int64 }

// tallyEvery is the pause between writes.
const tallyEvery = time.Second

func newTallies(s *Store) *tallies {
	t := &tallies{
		store: s, sums: map[string]tally{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go t.run()
	return t
}

// add never blocks for long.
func (t *tallies) add(ns string, deliveries, acks int64) {
	if ns == "" || deliveries+acks <= 0 {
		return
	}
	t.mu.Lock()
	sum := t.sums[ns]
	t.sums[ns] = tally{sum.deliveries + deliveries, sum.acks + acks}
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *tallies) run() {
	defer close(t.done)
	pause := time.NewTimer(0)
	<-pause.C
	defer pause.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-t.wake:
		}
		pause.Reset(tallyEvery)
		select {
		case <-t.stop:
			return
		case <-pause.C:
		}
		if err := t.flush(context.Background()); err != nil {
			t.store.opt.OnError(err)
		}
	}
}

// flush writes what there is. What was refused comes back with the next
// figures; where only the reply was lost it may count twice.
func (t *tallies) flush(ctx context.Context) error {
	t.mu.Lock()
	sums := t.sums
	if len(sums) == 0 {
		t.mu.Unlock()
		return nil
	}
	t.sums = map[string]tally{}
	t.mu.Unlock()
	now := t.store.opt.Now()
	ops, of := make([]*op, 0, len(sums)), make([]string, 0, len(sums))
	for ns, sum := range sums {
		b := t.store.keys.namespace(ns).buckets(now)
		o := nsTally.call([]string{b[0].tally(), b[1].tally(), b[2].tally()}, sum.deliveries, sum.acks, b[0].expires, b[1].expires, b[2].expires)
		o.once = true
		ops, of = append(ops, o), append(of, ns)
	}
	err := t.store.runChunks(ctx, ops)
	if err == nil {
		return nil
	}
	for i, o := range ops {
		if o.cmd == nil || o.cmd.Err() != nil {
			t.add(of[i], sums[of[i]].deliveries, sums[of[i]].acks)
		}
	}
	return fmt.Errorf("count deliveries and acks: %w", err)
}

func (t *tallies) close() {
	t.closing.Do(func() { close(t.stop) })
	<-t.done
	if err := t.flush(context.Background()); err != nil {
		t.store.opt.OnError(err)
	}
}

// tally is the key of the deliveries and acks of a bucket.
func (b bucket) tally() string { return b.key + ":r" }
