package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Lease keeps a node registered. It beats three times per lease period, so
// that two lost beats in a row are survived.
type Lease struct {
	store Store
	node  string
	ttl   time.Duration
	// resync is called from the lease goroutine when the node finds itself
	// swept although it lives (it was frozen or cut off): everything it
	// holds must be registered again. Until since it was surely not swept.
	resync  func(ctx context.Context, since time.Time)
	onError func(error)

	last atomic.Int64 // unix ms of the last successful beat
	// sure is the last beat that followed another within a lease, so that no
	// sweep can have begun before it. The lease goroutine only, after Start.
	sure time.Time

	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewLease returns a lease for node. resync and onError may be nil.
func NewLease(store Store, node string, ttl time.Duration, resync func(ctx context.Context, since time.Time), onError func(error)) *Lease {
	if resync == nil {
		resync = func(context.Context, time.Time) {}
	}
	if onError == nil {
		onError = func(error) {}
	}
	l := &Lease{store: store, node: node, ttl: ttl, resync: resync, onError: onError}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Start registers the node and starts the goroutine that renews the lease.
func (l *Lease) Start(ctx context.Context) error {
	if _, err := l.store.Beat(ctx, l.node, l.ttl); err != nil {
		return err
	}
	l.sure = time.Now()
	l.last.Store(l.sure.UnixMilli())
	l.wg.Go(l.run)
	return nil
}

// Held reports whether the lease has been renewed within its period; while it
// is not, other nodes may already sweep this one.
func (l *Lease) Held() bool {
	return time.Since(time.UnixMilli(l.last.Load())) < l.ttl
}

// Stop ends the renewing; the lease runs out unless Drop follows.
func (l *Lease) Stop() {
	l.cancel()
	l.wg.Wait()
}

func (l *Lease) run() {
	ticker := time.NewTicker(l.ttl / 3)
	defer ticker.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
		}
		beat, done := context.WithTimeout(l.ctx, storeTimeout)
		known, err := l.store.Beat(beat, l.node, l.ttl)
		done()
		switch {
		case l.ctx.Err() != nil:
			return
		case err != nil:
			l.onError(err)
			continue
		}
		held := l.Held()
		now := time.Now()
		l.last.Store(now.UnixMilli())
		switch {
		case !known:
			l.resync(l.ctx, l.sure)
			l.sure = now
		case held:
			l.sure = now
		default:
			// The lease had run out and nobody had begun to sweep. Who begins
			// now leaves a mark for the next beat.
		}
	}
}
