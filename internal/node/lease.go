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
	// holds must be registered again.
	resync  func(ctx context.Context)
	onError func(error)

	last atomic.Int64 // unix ms of the last successful beat

	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewLease returns a lease for node. resync and onError may be nil.
func NewLease(store Store, node string, ttl time.Duration, resync func(context.Context), onError func(error)) *Lease {
	if resync == nil {
		resync = func(context.Context) {}
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
	l.last.Store(time.Now().UnixMilli())
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
		l.last.Store(time.Now().UnixMilli())
		if !known {
			l.resync(l.ctx)
		}
	}
}
