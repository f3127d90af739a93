package node

import (
	"context"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/client"
)

// sweepStep is how many connections are released at once, so that a sweep
// never occupies the store for long.
const sweepStep = 200

// Sweeper takes the clients of dead nodes out of the online figures. Any
// number of processes may run one; a lock lets one of them work on a node.
type Sweeper struct {
	store Store
	id    string // of this process, for the lock
	every time.Duration
	// patience is how long nobody is swept after the store was away, or may
	// have been: nodes could not renew their leases then, and those that live
	// do so within this time.
	patience time.Duration
	lockTTL  time.Duration
	now      func() time.Time
	onSweep  func(node string, clients int)
	onError  func(error)

	// look only
	looked  time.Time // the last time
	waiting time.Time // nobody is swept before

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewSweeper returns a sweeper that looks for expired leases at the given
// interval. After its start, after an outage of the store and after a pause of
// this process it waits for patience, which should be the period of the
// leases, before it sweeps; 0 is not at all. onSweep and onError may be nil.
func NewSweeper(store Store, id string, every, patience time.Duration, onSweep func(node string, clients int), onError func(error)) *Sweeper {
	if onSweep == nil {
		onSweep = func(string, int) {}
	}
	if onError == nil {
		onError = func(error) {}
	}
	s := &Sweeper{
		store: store, id: id, every: every, patience: patience, lockTTL: 30 * time.Second, now: time.Now,
		onSweep: onSweep, onError: onError,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start starts the goroutine; Close ends it.
func (s *Sweeper) Start() {
	s.begin()
	s.wg.Go(s.run)
}

// begin makes the time before now one of which nobody knows how the store was.
func (s *Sweeper) begin() {
	s.looked = s.now()
	s.waiting = s.looked.Add(s.patience)
}

// Close stops a running sweep at its next step and waits for the goroutine.
func (s *Sweeper) Close() {
	s.cancel()
	s.wg.Wait()
}

func (s *Sweeper) run() {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
			if err := s.look(s.ctx); err != nil && s.ctx.Err() == nil {
				s.onError(err)
			}
		}
	}
}

// look sweeps, unless the store was away lately. A sweep of nodes that live
// would cost their clients what is pushed until they have noticed.
func (s *Sweeper) look(ctx context.Context) error {
	now := s.now()
	if now.Sub(s.looked) > s.every+s.patience/4 {
		s.waiting = now.Add(s.patience)
	}
	var err error
	if now.Before(s.waiting) {
		_, err = step(ctx, s.store.Expired) // does it answer?
	} else {
		err = s.Sweep(ctx)
	}
	s.looked = s.now()
	if err != nil {
		s.waiting = s.looked.Add(s.patience)
	}
	return err
}

// Sweep looks once for dead nodes and clears what they left.
func (s *Sweeper) Sweep(ctx context.Context) error {
	dead, err := step(ctx, func(ctx context.Context) ([]string, error) { return s.store.Expired(ctx) })
	if err != nil {
		return err
	}
	for _, node := range dead {
		if err := s.SweepNode(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

// SweepNode clears everything listed under one node, whether or not its lease
// has run out; a process that restarts under its old name calls it for itself.
func (s *Sweeper) SweepNode(ctx context.Context, node string) error {
	total := 0
	cursor := uint64(0)
	for {
		ok, err := step(ctx, func(ctx context.Context) (bool, error) { return s.store.Lock(ctx, node, s.id, s.lockTTL) })
		if err != nil || !ok {
			return err
		}
		var members []client.Member
		members, err = step(ctx, func(ctx context.Context) (m []client.Member, err error) {
			m, cursor, err = s.store.Connections(ctx, node, cursor, sweepStep)
			return m, err
		})
		if err != nil {
			return err
		}
		if len(members) > 0 {
			if _, err = step(ctx, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, s.store.Expel(ctx, members, client.ReasonNetwork)
			}); err != nil {
				return err
			}
		}
		total += len(members)
		if cursor == 0 {
			break
		}
	}
	if _, err := step(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.store.Drop(ctx, node) }); err != nil {
		return err
	}
	s.onSweep(node, total)
	return nil
}

func step[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return f(ctx)
}
