// Package schedule runs the housekeeping: jobs at fixed times, each by one
// process of the cluster at a time.
//
// It imports only robfig/cron. A Scheduler owns cron's goroutines between
// Start and Close.
package schedule

import (
	"context"
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

// Scheduler runs jobs. Add them before Start.
type Scheduler struct {
	cron    *cron.Cron
	locker  Locker
	id      string // of this process
	onError func(job string, err error)
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	once    sync.Once
}

// New returns a Scheduler whose times are in UTC. onError may be nil.
func New(locker Locker, id string, onError func(job string, err error)) *Scheduler {
	if onError == nil {
		onError = func(string, error) {}
	}
	s := &Scheduler{cron: cron.New(cron.WithLocation(time.UTC)), locker: locker, id: id, onError: onError}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Add makes job run at the times of spec (five cron fields, or @every …). A
// run gets timeout at most, and while it lasts no process starts another.
func (s *Scheduler) Add(spec, job string, timeout time.Duration, run func(context.Context) error) error {
	_, err := s.cron.AddFunc(spec, func() { s.run(job, timeout, run) })
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
	ok, err := s.locker.Lock(ctx, "job-"+job, s.id, timeout)
	if err == nil && ok {
		err = run(ctx)
	}
	if err != nil && s.ctx.Err() == nil {
		s.onError(job, err)
	}
}
