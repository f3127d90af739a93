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
