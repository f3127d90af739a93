package console

import (
	"context"
	"sync"
	"time"
)

// SamplerStore is what a Sampler needs of the store.
type SamplerStore interface {
	SeriesStore
	// Lock makes by the only holder of name for ttl; ok is false when
	// another one holds it. Renewing an own lock succeeds.
	Lock(ctx context.Context, name, by string, ttl time.Duration) (ok bool, err error)
	Unlock(ctx context.Context, name, by string) error
}

// Sampler keeps the figures of every minute. Each logic process runs one; a
// lock lets one of them work, and when that one dies another follows within
// the same minute.
type Sampler struct {
	store      SamplerStore
	namespaces func() []string
	id         string
	now        func() time.Time
	onError    func(error)

	last time.Time // the minute that was sampled last; run goroutine only

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

const (
	samplerLock  = "series"
	samplerEvery = 5 * time.Second
	samplerLease = 15 * time.Second
	// samplerDelay lets what happened in a minute reach the store first.
	samplerDelay   = 4 * time.Second
	samplerTimeout = 20 * time.Second
)

// NewSampler returns a Sampler that goes by the given id, which is unique among
// processes. namespaces lists what to sample; now and onError may be nil.
func NewSampler(store SamplerStore, namespaces func() []string, id string, now func() time.Time, onError func(error)) *Sampler {
	if now == nil {
		now = time.Now
	}
	if onError == nil {
		onError = func(error) {}
	}
	s := &Sampler{store: store, namespaces: namespaces, id: id, now: now, onError: onError}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start starts the goroutine; Close ends it.
func (s *Sampler) Start() { s.wg.Go(s.run) }

// Close waits for the goroutine and gives the lock back.
func (s *Sampler) Close() {
	s.cancel()
	s.wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), samplerEvery)
	defer cancel()
	_ = s.store.Unlock(ctx, samplerLock, s.id) // else it runs out
}

func (s *Sampler) run() {
	ticker := time.NewTicker(samplerEvery)
	defer ticker.Stop()
	for {
		if err := s.Sample(s.ctx); err != nil && s.ctx.Err() == nil {
			s.onError(err)
		}
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sample renews the lock and keeps the figures of the minute that is over,
// unless somebody else holds it or has done so. One call at a time.
func (s *Sampler) Sample(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, samplerTimeout)
	defer cancel()
	held, err := s.store.Lock(ctx, samplerLock, s.id, samplerLease)
	if err != nil || !held {
		return err
	}
	now := s.now()
	minute := now.Truncate(time.Minute).Add(-time.Minute)
	if !minute.After(s.last) || now.Sub(now.Truncate(time.Minute)) < samplerDelay {
		return nil
	}
	done, err := s.store.KeptFigures(ctx, Total, minute, 1)
	if err != nil {
		return err
	}
	if len(done) == 1 && done[0] != nil {
		s.last = minute
		return nil
	}
	namespaces := s.namespaces()
	figures, err := s.store.Figures(ctx, namespaces, minute)
	if err != nil {
		return err
	}
	var total Figures
	samples := make(map[string]Figures, len(figures)+1)
	for i, f := range figures {
		samples[namespaces[i]] = f
		total.add(f)
	}
	samples[Total] = total
	if err := s.store.KeepFigures(ctx, minute, samples); err != nil {
		return err
	}
	s.last = minute
	return nil
}
