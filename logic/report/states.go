package report

import (
	"context"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/push"
)

// StateCounts are the receipts of a message, counted.
type StateCounts struct {
	ID string `json:"id"`
	// States are devices by platform and state; a state nobody is in is absent.
	States map[string]map[push.State]int64 `json:"states"`
	Total  int64                           `json:"total"`
	// Complete is false when there are more devices than are counted, or it
	// took too long.
	Complete bool  `json:"complete"`
	Time     int64 `json:"time"` // when it was counted, ms
}

// Bounds of counting.
const (
	statesMax     = 250_000         // devices
	statesTime    = 5 * time.Second // of one count
	statesStep    = 2_000           // devices of one step
	statesAsk     = 1_000           // devices of one question
	statesFresh   = time.Second     // how long a count is answered
	statesAtOnce  = 2               // messages that are counted at the same time
	statesWorkers = 4               // questions of one step at the same time
)

// counted are the counts that are under way or fresh: pages of many watchers
// ask for the same.
type counted struct {
	turns chan struct{}

	mu     sync.Mutex
	counts map[countKey]*count
}

type countKey struct {
	ns string
	id int64
}

// count is one count. Whoever asks first starts it; the last to leave ends it.
type count struct {
	cancel context.CancelFunc
	done   chan struct{}
	counts StateCounts // fixed once done
	err    error

	waiting int       // guarded by counted.mu
	until   time.Time // it is fresh; zero while it is under way; guarded by counted.mu
}

func newCounted() *counted {
	return &counted{turns: make(chan struct{}, statesAtOnce), counts: map[countKey]*count{}}
}

// join finds a count that is under way or fresh, or starts one. With fresh
// there is nothing to wait for, nor to leave.
func (c *counted) join(ctx context.Context, key countKey, run func(context.Context) (StateCounts, error)) (n *count, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for k, n := range c.counts {
		if !n.until.IsZero() && !now.Before(n.until) {
			delete(c.counts, k)
		}
	}
	if n = c.counts[key]; n != nil {
		n.waiting++
		return n, !n.until.IsZero()
	}
	n = &count{done: make(chan struct{}), waiting: 1}
	// Not the context of the one who is first: others may wait longer.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*statesTime)
	n.cancel = cancel
	c.counts[key] = n
	go func() {
		defer cancel()
		n.counts, n.err = c.inTurn(work, run)
		c.mu.Lock()
		defer c.mu.Unlock()
		if n.until = time.Now().Add(statesFresh); n.err != nil && c.counts[key] == n {
			delete(c.counts, key)
		}
		close(n.done)
	}()
	return n, false
}

// inTurn waits until few enough are counted.
func (c *counted) inTurn(ctx context.Context, run func(context.Context) (StateCounts, error)) (StateCounts, error) {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
		return run(ctx)
	case <-ctx.Done():
		return StateCounts{}, ctx.Err()
	}
}

// leave is for somebody who does not wait for the end. The last ends the count
// and waits for that.
func (c *counted) leave(key countKey, n *count) {
	c.mu.Lock()
	n.waiting--
	last := n.waiting == 0 && n.until.IsZero()
	if last && c.counts[key] == n {
		delete(c.counts, key)
	}
	c.mu.Unlock()
	if last {
		n.cancel()
		<-n.done
	}
}

// States counts the receipts of a message by platform and state: what Receipts
// lists page by page, each device once. A device that comes, goes or acks
// meanwhile is counted as it was before or after. The answer may be a second
// old. Errors: ErrNoMessage, else the store's.
func (r *Reports) States(ctx context.Context, ns string, id int64) (StateCounts, error) {
	if id <= 0 {
		return StateCounts{}, ErrNoMessage
	}
	key := countKey{ns, id}
	n, fresh := r.counted.join(ctx, key, func(ctx context.Context) (StateCounts, error) { return r.count(ctx, ns, id) })
	if fresh {
		return n.counts, nil
	}
	select {
	case <-n.done:
		return n.counts, n.err
	case <-ctx.Done():
		r.counted.leave(key, n)
		return StateCounts{}, ctx.Err()
	}
}
