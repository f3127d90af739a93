package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// readiness answers whether the store can be reached. It asks at most once
// per second, however often it is asked, and never longer than pingTimeout.
type readiness struct {
	ping func(context.Context) error

	mu   sync.Mutex
	at   time.Time
	last error
}

const (
	pingEvery   = time.Second
	pingTimeout = time.Second
)

var errStoreAway = errors.New("the store does not answer")

func (r *readiness) check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < pingEvery {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	r.last = nil
	if err := r.ping(ctx); err != nil {
		r.last = errors.Join(errStoreAway, err)
	}
	r.at = time.Now()
	return r.last
}
