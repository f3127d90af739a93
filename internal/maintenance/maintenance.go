// Package maintenance removes what is no longer wanted: the real-time data or
// all data of a namespace, a namespace itself, and devices that were not seen
// for long (light-push-wire.md 1.4.11, 4.11).
//
// What an administrator asks for is noted in the configuration of the
// namespace before anything is removed. Every process that runs a Service
// looks for such notes; a lock with a lease lets one of them work on a
// namespace at a time, and when it dies another one goes on. All work is made
// of bounded steps that can be repeated.
//
// A removal first waits until no connection to the namespace is listed by any
// node: the namespace is offline, so its clients are being sent away. What is
// removed then cannot be written again by somebody who is still there. The
// namespace stays offline, and a name that is being removed cannot be made
// new, until the end.
//
// It imports internal/namespace and no outside module. A Service owns one
// goroutine between Start and Close, one for each namespace it works on
// (worksMax), and one for each caller of ForgetLegacy.
package maintenance

import (
	"context"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// Step is called between the bounded steps of long work; an error ends it.
type Step = func(context.Context) error

// Store is what maintenance asks of the store. Implementations are safe for
// concurrent use and wrap their errors once.
type Store interface {
	// UpdateNamespace is that of namespace.Store.
	UpdateNamespace(ctx context.Context, key string, change func(*namespace.Namespace) (*namespace.Namespace, error)) (*namespace.Namespace, error)
	// Namespace returns what is stored of one namespace, doomed or not; nil
	// when there is nothing. Purges returns all with a note.
	Namespace(ctx context.Context, key string) (*namespace.Namespace, error)
	Purges(ctx context.Context) ([]*namespace.Namespace, error)
	// RemoveNamespace removes the configuration of a doomed namespace.
	RemoveNamespace(ctx context.Context, key string) error

	// Lock makes by the only holder of name for ttl; renewing succeeds.
	Lock(ctx context.Context, name, by string, ttl time.Duration) (ok bool, err error)
	Unlock(ctx context.Context, name, by string) error

	// ConnectionsOf counts the connections to ns any node lists.
	ConnectionsOf(ctx context.Context, ns string, step Step) (int, error)
	// EvictClients takes every device of ns offline.
	EvictClients(ctx context.Context, ns string, step Step) error
	// PurgeRealtime removes who is online where in ns, PurgeData everything
	// but the configuration. Nobody may be connected.
	PurgeRealtime(ctx context.Context, ns string, step Step) error
	PurgeData(ctx context.Context, ns string, step Step) error

	// LegacyClients returns up to count devices that last connected at a
	// time (ms) or before, behind the first skip. ForgetClients removes
	// those that are offline and were not seen since, and returns them.
	LegacyClients(ctx context.Context, ns string, before int64, skip, count int) ([]string, error)
	ForgetClients(ctx context.Context, ns string, ids []string, before int64) ([]string, error)
}

// Options of a Service. Store, Namespaces and ID are required; other zero
// values take the defaults named.
type Options struct {
	Store      Store
	Namespaces *namespace.Registry
	ID         string // of this process, unique; owner of its locks

	LegacyAfter time.Duration // a device not seen for this long may go; 240 h
	Every       time.Duration // between looks for notes of other processes; 15 s
	Lease       time.Duration // of a lock; 30 s
	// Poll is the first pause between looks at who is still connected;
	// Settle is waited for when nobody is, for what other processes still
	// write; Patience ends the waiting for
	// connections whose number stays the same. 50 ms, 1 s, 60 s.
	Poll, Settle, Patience time.Duration

	OnError     func(ns string, err error)
	OnPurged    func(ns string, p namespace.Purge, took time.Duration)
	OnForgotten func(ns string, devices int)
	Now         func() time.Time // time.Now
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.LegacyAfter, 240 * time.Hour}, {&o.Every, 15 * time.Second}, {&o.Lease, 30 * time.Second},
		{&o.Poll, 50 * time.Millisecond}, {&o.Settle, time.Second}, {&o.Patience, time.Minute},
	} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	if o.OnError == nil {
		o.OnError = func(string, error) {}
	}
	if o.OnPurged == nil {
		o.OnPurged = func(string, namespace.Purge, time.Duration) {}
	}
	if o.OnForgotten == nil {
		o.OnForgotten = func(string, int) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// worksMax is how many namespaces one process clears at the same time.
const worksMax = 4

// Service does the work. Safe for concurrent use.
type Service struct {
	o    Options
	wake chan struct{} // capacity 1: a note was made here

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool                // nothing may be added to wg any more
	working map[string]struct{} // namespaces this process works on, at most worksMax
}

// New returns a Service; Start it.
func New(o Options) *Service {
	o.setDefaults()
	s := &Service{o: o, wake: make(chan struct{}, 1), working: map[string]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start begins to look for work, also such that a dead process has left.
func (s *Service) Start() { s.wg.Go(s.run) }

// Close stops all work at its next step and waits for it; the notes remain.
// It may be called without Start, and more than once.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
}

// begin runs f in the background, unless the service is closed.
func (s *Service) begin(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Go(f)
	return true
}

func (s *Service) run() {
	ticker := time.NewTicker(s.o.Every)
	defer ticker.Stop()
	for {
		if err := s.look(); err != nil && s.ctx.Err() == nil {
			s.o.OnError("", err)
		}
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake:
		}
	}
}

// look begins the work on every noted namespace nobody here works on yet.
func (s *Service) look() error {
	notes, err := s.o.Store.Purges(s.ctx)
	if err != nil {
		return err
	}
	for _, n := range notes {
		if s.claim(n.Key) {
			s.begin(func() {
				defer s.unclaim(n.Key)
				if err := s.work(s.ctx, n.Key); err != nil && s.ctx.Err() == nil {
					s.o.OnError(n.Key, err) // looked for again
				}
			})
		}
	}
	return nil
}

func (s *Service) claim(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, busy := s.working[key]; busy || s.closed || len(s.working) >= worksMax {
		return false
	}
	s.working[key] = struct{}{}
	return true
}

func (s *Service) unclaim(key string) {
	s.mu.Lock()
	delete(s.working, key)
	s.mu.Unlock()
	s.hurry() // another one may have waited for the place
}

// hurry makes run look at once.
func (s *Service) hurry() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
