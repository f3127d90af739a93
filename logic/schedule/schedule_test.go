package schedule

import (
	"context"
	"errors"
	"testing"
	"time"
)

type locker struct {
	ok  bool
	err error
	got chan string
}

func (l *locker) Lock(_ context.Context, name, by string, _ time.Duration) (bool, error) {
	select {
	case l.got <- name + " " + by:
	default:
	}
	return l.ok, l.err
}

func TestRun(t *testing.T) {
	failure := errors.New("failed")
	for _, c := range []struct {
		name   string
		locker locker
		job    error
		ran    bool
		want   error
	}{
		{"runs", locker{ok: true}, nil, true, nil},
		{"another process has it", locker{}, nil, false, nil},
		{"lock fails", locker{err: failure}, nil, false, failure},
		{"job fails", locker{ok: true}, failure, true, failure},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.locker.got = make(chan string, 1)
			var reported error
			s := New(&c.locker, "me", func(_ string, err error) { reported = err })
			defer s.Close()
			ran := false
			s.run("rooms", time.Second, func(context.Context) error {
				ran = true
				return c.job
			})
			if got := <-c.locker.got; got != "job-rooms me" {
				t.Errorf("locked %q", got)
			}
			if ran != c.ran || !errors.Is(reported, c.want) {
				t.Errorf("ran %v, reported %v", ran, reported)
			}
		})
	}
}

func TestScheduleAndClose(t *testing.T) {
	s := New(&locker{ok: true, got: make(chan string, 1)}, "me", nil)
	if err := s.Add("nonsense", "x", time.Second, nil); err == nil {
		t.Error("a spec that is none was taken")
	}
	started := make(chan struct{})
	ended := make(chan error, 1)
	if err := s.Add("@every 1s", "x", time.Hour, func(ctx context.Context) error {
		close(started)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}); err != nil {
		t.Fatal(err)
	}
	s.Start()
	select {
	case <-started:
	case <-time.After(10 * time.Second):
		t.Fatal("the job never ran")
	}
	s.Close() // ends the running job and waits for it
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the job ended with %v", err)
		}
	default:
		t.Error("Close did not wait for the job")
	}
	s.Close()
}

// sequence answers one lock after the other, the last one for ever.
type sequence struct {
	answers chan bool
	asked   chan time.Duration // ttl
}

func (l *sequence) Lock(_ context.Context, _, _ string, ttl time.Duration) (bool, error) {
	select {
	case l.asked <- ttl:
	default:
	}
	select {
	case ok := <-l.answers:
		return ok, nil
	default:
		return true, nil
	}
}

// A job keeps its lock by renewing a short lease, and ends when it is lost.
func TestLease(t *testing.T) {
	l := &sequence{answers: make(chan bool, 4), asked: make(chan time.Duration, 10)}
	var reported error
	s := New(l, "me", func(_ string, err error) { reported = err })
	defer s.Close()
	s.lease = 20 * time.Millisecond
	s.run("long", time.Hour, func(ctx context.Context) error {
		for range 3 { // taken, and renewed twice
			if ttl := <-l.asked; ttl != s.lease {
				t.Errorf("locked for %s", ttl)
			}
		}
		return ctx.Err()
	})
	if reported != nil {
		t.Errorf("reported %v", reported)
	}
	for _, ok := range []bool{true, true, false} {
		l.answers <- ok
	}
	s.run("lost", time.Hour, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(reported, ErrLost) {
		t.Errorf("reported %v", reported)
	}
}

// A job without a time never runs; one that takes longer than its interval
// does not run twice in this process.
func TestAddSkips(t *testing.T) {
	s := New(&locker{ok: true, got: make(chan string, 1)}, "me", nil)
	if err := s.Add("", "never", time.Second, nil); err != nil || len(s.cron.Entries()) != 0 {
		t.Errorf("%v, %d entries", err, len(s.cron.Entries()))
	}
	runs := make(chan struct{}, 10)
	goOn := make(chan struct{})
	if err := s.Add("@every 1s", "slow", time.Hour, func(context.Context) error {
		runs <- struct{}{}
		<-goOn
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	job := s.cron.Entries()[0].Job
	done := make(chan struct{})
	go func() { defer close(done); job.Run() }()
	<-runs
	job.Run() // returns at once
	close(goOn)
	<-done
	if len(runs) != 0 {
		t.Error("it ran twice")
	}
	s.Close()
}
