// Package schedule runs the housekeeping: jobs at fixed times, each by one
// process of the cluster at a time.
//
// It imports only robfig/cron. A Scheduler owns cron's goroutines between
// Start and Close, and one per running job that renews its lock.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
)

// Locker keeps two processes from running one job at the same time.
type Locker interface {
	// Lock makes by the only holder of name for ttl; ok is false when
	// another one holds it. Renewing an own lock succeeds.
	Lock(ctx context.Context, name, by string, ttl time.Duration) (ok bool, err error)
}

// lease is how long a job stays locked when its process dies, and at least
// how long it stays locked in any case: clocks that differ by less do not make
// it run twice.
const lease = time.Minute

// ErrLost is reported when a job was ended because its lock went to another
// process.
var ErrLost = errors.New("another process has taken over")

// Scheduler runs jobs. Add them before Start.
type Scheduler struct {
	cron    *cron.Cron
	locker  Locker
	id      string // of this process
	onError func(job string, err error)
	lease   time.Duration   // tests shorten it
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	once    sync.Once
}

// New returns a Scheduler whose times are in UTC. onError may be nil.
func New(locker Locker, id string, onError func(job string, err error)) *Scheduler {
	if onError == nil {
		onError = func(string, error) {}
	}
	s := &Scheduler{cron: cron.New(cron.WithLocation(time.UTC)), locker: locker, id: id, onError: onError, lease: lease}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Add makes job run at the times of spec (five cron fields, or @every …; empty
// for never). A run gets timeout at most; while it lasts no process, this one
// included, starts another.
func (s *Scheduler) Add(spec, job string, timeout time.Duration, run func(context.Context) error) error {
	if spec == "" {
		return nil
	}
	var running sync.Mutex
	_, err := s.cron.AddFunc(spec, func() {
		if running.TryLock() {
			defer running.Unlock()
			s.run(job, timeout, run)
		}
	})
	if err != nil {
		return fmt.Errorf("schedule %s: %w", job, err)
	}
	return nil
}

// Start starts the clock; Close ends it and the jobs that run.
func (s *Scheduler) Start() { s.cron.Start() }

// Close may be called without Start, and more than once.
func (s *Scheduler) Close() {
	s.once.Do(func() {
		s.cancel()
		<-s.cron.Stop().Done()
	})
}

func (s *Scheduler) run(job string, timeout time.Duration, run func(context.Context) error) {
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	ok, err := s.locker.Lock(ctx, "job-"+job, s.id, s.lease)
	if err == nil && ok {
		err = s.held(ctx, job, run)
	}
	if err != nil && s.ctx.Err() == nil {
		s.onError(job, err)
	}
}

// held runs a job and renews its lock meanwhile. A lock that is lost ends the
// job; while the lock cannot be asked for, the job goes on until the lease has
// run out.
func (s *Scheduler) held(ctx context.Context, job string, run func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var renewing sync.WaitGroup
	defer renewing.Wait()
	done := make(chan struct{})
	defer close(done)
	renewing.Go(func() {
		ticker := time.NewTicker(s.lease / 4)
		defer ticker.Stop()
		for renewed := time.Now(); ; {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			ok, err := s.locker.Lock(ctx, "job-"+job, s.id, s.lease)
			switch {
			case err == nil && ok:
				renewed = time.Now()
			case err == nil || time.Since(renewed) > s.lease:
				cancel(ErrLost)
				return
			}
		}
	})
	err := run(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrLost) {
		return cause
	}
	return err
}
