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

	stopOnce sync.Once
	stop     chan struct{}
	done     chan struct{}
}

// NewLease returns a lease for node. resync and onError may be nil.
func NewLease(store Store, node string, ttl time.Duration, resync func(context.Context), onError func(error)) *Lease {
	if resync == nil {
		resync = func(context.Context) {}
	}
	if onError == nil {
		onError = func(error) {}
	}
	return &Lease{
		store: store, node: node, ttl: ttl, resync: resync, onError: onError,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// Start registers the node and starts the goroutine that renews the lease.
func (l *Lease) Start(ctx context.Context) error {
	if _, err := l.store.Beat(ctx, l.node, l.ttl); err != nil {
		close(l.done)
		return err
	}
	l.last.Store(time.Now().UnixMilli())
	go l.run()
	return nil
}

// Held reports whether the lease has been renewed within its period; while it
// is not, other nodes may already sweep this one.
func (l *Lease) Held() bool {
	return time.Since(time.UnixMilli(l.last.Load())) < l.ttl
}

// Stop ends the renewing; the lease runs out unless Drop follows.
func (l *Lease) Stop() {
	l.stopOnce.Do(func() { close(l.stop) })
	<-l.done
}

func (l *Lease) run() {
	defer close(l.done)
	ticker := time.NewTicker(l.ttl / 3)
	defer ticker.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with run: cancel or stop
		select {
		case <-l.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		beat, done := context.WithTimeout(ctx, storeTimeout)
		known, err := l.store.Beat(beat, l.node, l.ttl)
		done()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.onError(err)
			continue
		}
		l.last.Store(time.Now().UnixMilli())
		if !known {
			l.resync(ctx)
		}
	}
}
