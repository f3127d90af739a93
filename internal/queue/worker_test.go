package queue_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/internal/queue/queuetest"
)

const name = "test"

// start runs a worker on s; every attempt arrives in the channel.
func start(t *testing.T, s queue.Store, o queue.Options) (*queue.Worker, <-chan queue.Attempt) {
	t.Helper()
	attempts := make(chan queue.Attempt, 10_000)
	o.Queue, o.Observe = name, func(a queue.Attempt) { attempts <- a }
	if o.ID == "" {
		o.ID = "w"
	}
	if o.Backoff == nil {
		o.Backoff = func(int) time.Duration { return 0 }
	}
	if o.Idle == 0 {
		o.Idle = 20 * time.Millisecond
	}
	w := queue.NewWorker(s, o)
	w.Start()
	t.Cleanup(func() { w.Close(context.Background()) })
	return w, attempts
}

func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came in time")
	}
	return v
}

func enqueue(t *testing.T, s queue.Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Enqueue(t.Context(), name, []queue.Job{{ID: id, Body: []byte("body")}}, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func figures(t *testing.T, s queue.Store) queue.Stats {
	t.Helper()
	f, err := s.Stats(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	f.OldestDue = 0
	return f
}

// TestOutcomes holds what a handler's answer leads to, attempt by attempt.
func TestOutcomes(t *testing.T) {
	failure := errors.New("failure")
	for _, c := range []struct {
		name   string
		answer func(queue.Job) error
		want   []queue.Outcome
		reason string // of the dead letter
	}{
		{"done", func(queue.Job) error { return nil }, []queue.Outcome{queue.OutcomeDone}, ""},
		{"dropped", func(queue.Job) error { return fmt.Errorf("gone: %w", queue.ErrDrop) }, []queue.Outcome{queue.OutcomeDropped}, ""},
		{"buried", func(queue.Job) error { return fmt.Errorf("bad body: %w", queue.ErrBury) }, []queue.Outcome{queue.OutcomeBuried}, "bad body"},
		{"failed", func(queue.Job) error { return failure }, []queue.Outcome{queue.OutcomeFailed, queue.OutcomeFailed, queue.OutcomeBuried}, "failure"},
		{"panic", func(queue.Job) error { panic("poison") }, []queue.Outcome{queue.OutcomeFailed, queue.OutcomeFailed, queue.OutcomeBuried}, "panic: poison"},
		{"exit", func(queue.Job) error { runtime.Goexit(); return nil }, []queue.Outcome{queue.OutcomeFailed, queue.OutcomeFailed, queue.OutcomeBuried}, "goroutine"},
		{"second attempt", func(j queue.Job) error {
			if j.Attempt == 0 {
				return failure
			}
			return nil
		}, []queue.Outcome{queue.OutcomeFailed, queue.OutcomeDone}, ""},
		{"in steps", func(j queue.Job) error {
			if step := string(j.Body); step != "body....." {
				return fmt.Errorf("more: %w", &queue.RetryError{Body: []byte(step + ".")})
			}
			return failure
		}, []queue.Outcome{queue.OutcomeAgain, queue.OutcomeAgain, queue.OutcomeAgain, queue.OutcomeAgain, queue.OutcomeAgain,
			queue.OutcomeFailed, queue.OutcomeFailed, queue.OutcomeBuried}, "failure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &queuetest.Memory{}
			enqueue(t, s, "a")
			_, attempts := start(t, s, queue.Options{Attempts: 3, Handle: func(_ context.Context, j queue.Job) error { return c.answer(j) }})
			for i, want := range c.want {
				if a := receive(t, attempts); a.Outcome != want || a.Job.Attempt != i {
					t.Fatalf("attempt %d: %+v, want %s", i, a, want)
				}
			}
			dead, _, err := s.Dead(t.Context(), name, 0, 10)
			if err != nil || (c.reason != "") != (len(dead) == 1) || len(dead) == 1 && !strings.Contains(dead[0].Reason, c.reason) {
				t.Errorf("%+v, %v", dead, err)
			}
			if f := figures(t, s); f.Waiting+f.Ready+f.Working != 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	b := queue.Backoff(time.Second, time.Minute)
	for failed, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 7: time.Minute, 1000: time.Minute} {
		for range 100 {
			if got := b(failed); got < want*3/4 || got > want*5/4 {
				t.Fatalf("after %d failures: %v", failed, got)
			}
		}
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	const limit, jobs = 5, 200
	s := &queuetest.Memory{}
	for i := range jobs {
		enqueue(t, s, fmt.Sprint(i))
	}
	var now, most atomic.Int64
	gate := make(chan struct{})
	w, attempts := start(t, s, queue.Options{Concurrency: limit, Handle: func(context.Context, queue.Job) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-gate
		return nil
	}})
	eventually(t, "all places are taken", func() bool { return now.Load() == limit && w.Running() == limit })
	close(gate)
	for range jobs {
		receive(t, attempts)
	}
	if most.Load() != limit {
		t.Errorf("%d at once", most.Load())
	}
}

// recorder counts the calls of Take and what they asked for.
type recorder struct {
	queue.Store
	takes, renewals atomic.Int64
}

func (r *recorder) Take(ctx context.Context, q, worker string, held []string, most int, lease time.Duration) ([]queue.Job, error) {
	r.takes.Add(1)
	if most == 0 {
		r.renewals.Add(1)
	}
	return r.Store.Take(ctx, q, worker, held, most, lease)
}

// TestLeaseIsRenewed: while jobs run on every place, and while the worker
// waits for them to end, the lease is renewed.
func TestLeaseIsRenewed(t *testing.T) {
	s := &recorder{Store: &queuetest.Memory{}}
	enqueue(t, s, "a")
	gate := make(chan struct{})
	w, attempts := start(t, s, queue.Options{Concurrency: 1, Lease: 40 * time.Millisecond, Handle: func(context.Context, queue.Job) error {
		<-gate
		return nil
	}})
	eventually(t, "renewals while it runs", func() bool { return s.renewals.Load() > 5 })
	var closing sync.WaitGroup
	closing.Go(func() { w.Close(context.Background()) })
	seen := s.renewals.Load()
	eventually(t, "renewals while it ends", func() bool { return s.renewals.Load() > seen+5 })
	close(gate)
	if a := receive(t, attempts); a.Outcome != queue.OutcomeDone {
		t.Errorf("%+v", a)
	}
	closing.Wait()
}

// TestIdle: an empty queue is looked at less and less.
func TestIdle(t *testing.T) {
	s := &recorder{Store: &queuetest.Memory{}}
	_, attempts := start(t, s, queue.Options{Idle: time.Hour, Handle: func(context.Context, queue.Job) error { return nil }})
	eventually(t, "some looks", func() bool { return s.takes.Load() >= 3 })
	begin := time.Now()
	seen := s.takes.Load()
	eventually(t, "time passes", func() bool { return time.Since(begin) > 100*time.Millisecond })
	// 10 ms, doubled every time: at most four more fit in 150 ms.
	if took := time.Since(begin); took < 150*time.Millisecond && s.takes.Load() > seen+4 {
		t.Errorf("%d looks in %v", s.takes.Load()-seen, took)
	}
	enqueue(t, s, "a")
	if a := receive(t, attempts); a.Outcome != queue.OutcomeDone {
		t.Errorf("%+v", a)
	}
}

// TestStoreFails: whatever the store answers, the job is neither lost nor
// done twice, and the errors are told.
func TestStoreFails(t *testing.T) {
	for _, text := range []string{"OOM command not allowed", "READONLY You can't write", "LOADING Redis is loading", "connection refused"} {
		t.Run(text, func(t *testing.T) {
			s := &queuetest.Memory{}
			enqueue(t, s, "done", "again", "buried")
			failure := errors.New(text)
			var left atomic.Int64
			left.Store(4)
			s.Fail(func(string, string) error {
				if left.Add(-1) >= 0 {
					return failure
				}
				return nil
			})
			var runs sync.Map
			var told atomic.Int64
			_, attempts := start(t, s, queue.Options{
				OnError: func(err error) {
					told.Add(1)
					if !errors.Is(err, failure) {
						t.Error(err)
					}
				},
				Handle: func(_ context.Context, j queue.Job) error {
					n, _ := runs.LoadOrStore(fmt.Sprint(j.ID, j.Attempt), new(atomic.Int64))
					n.(*atomic.Int64).Add(1)
					if j.Attempt == 0 {
						left.Store(3) // the settling fails too
					}
					switch {
					case j.ID == "again" && j.Attempt == 0:
						return errors.New("first attempt")
					case j.ID == "buried":
						return queue.ErrBury
					}
					return nil
				}})
			var got []string
			for range 4 {
				a := receive(t, attempts)
				got = append(got, fmt.Sprint(a.Job.ID, " ", a.Outcome))
			}
			slices.Sort(got)
			if !slices.Equal(got, []string{"again done", "again failed", "buried buried", "done done"}) {
				t.Errorf("%v", got)
			}
			runs.Range(func(run, n any) bool {
				if n.(*atomic.Int64).Load() != 1 {
					t.Errorf("%v ran %d times", run, n.(*atomic.Int64).Load())
				}
				return true
			})
			if told.Load() < 7 {
				t.Errorf("%d errors told", told.Load())
			}
			if f := figures(t, s); f != (queue.Stats{Dead: 1}) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// lossy does what it is asked, but loses some of its replies to Take.
type lossy struct {
	queue.Store
	n atomic.Int64
}

func (l *lossy) Take(ctx context.Context, q, worker string, held []string, most int, lease time.Duration) ([]queue.Job, error) {
	jobs, err := l.Store.Take(ctx, q, worker, held, most, lease)
	if err == nil && l.n.Add(1)%2 == 1 {
		return nil, errors.New("reply lost")
	}
	return jobs, err
}

// TestLostReplies: jobs of a reply that was lost are worked on by the next.
func TestLostReplies(t *testing.T) {
	m := &queuetest.Memory{}
	enqueue(t, m, "a", "b", "c", "d", "e")
	_, attempts := start(t, &lossy{Store: m}, queue.Options{Lease: time.Hour, Concurrency: 2, Handle: func(context.Context, queue.Job) error { return nil }})
	var ids []string
	for range 5 {
		ids = append(ids, receive(t, attempts).Job.ID)
	}
	slices.Sort(ids)
	if !slices.Equal(ids, []string{"a", "b", "c", "d", "e"}) {
		t.Errorf("%v", ids)
	}
}

// TestTakenForDead: a worker that lost its lease and gets its own job back
// does not run it twice at once.
func TestTakenForDead(t *testing.T) {
	s := &queuetest.Memory{}
	enqueue(t, s, "a")
	gate := make(chan struct{})
	var runs atomic.Int64
	w, attempts := start(t, s, queue.Options{Lease: 40 * time.Millisecond, Concurrency: 3, Handle: func(context.Context, queue.Job) error {
		runs.Add(1)
		<-gate
		return nil
	}})
	eventually(t, "it runs", func() bool { return runs.Load() == 1 })
	s.Advance(time.Hour)
	if _, err := s.Take(t.Context(), name, "other", nil, 0, time.Hour); err != nil { // returns it to the queue
		t.Fatal(err)
	}
	eventually(t, "it is held again", func() bool { return figures(t, s) == queue.Stats{Working: 1} })
	close(gate)
	if a := receive(t, attempts); a.Outcome != queue.OutcomeDone {
		t.Errorf("%+v", a)
	}
	if w.Running() != 0 || runs.Load() != 1 || figures(t, s) != (queue.Stats{}) {
		t.Errorf("%d runs, %+v", runs.Load(), figures(t, s))
	}
}

// TestDeadlyJob: a job that kills every process that touches it is given up
// without being touched again.
func TestDeadlyJob(t *testing.T) {
	s := &queuetest.Memory{}
	enqueue(t, s, "killer")
	for i := range 4 {
		if _, err := s.Take(t.Context(), name, fmt.Sprint("victim", i), nil, 1, time.Minute); err != nil {
			t.Fatal(err)
		}
		s.Advance(time.Hour)
	}
	_, attempts := start(t, s, queue.Options{Attempts: 4, Handle: func(context.Context, queue.Job) error {
		t.Error("it was touched")
		return nil
	}})
	if a := receive(t, attempts); a.Outcome != queue.OutcomeBuried || !errors.Is(a.Err, queue.ErrBury) {
		t.Errorf("%+v", a)
	}
}

// TestClose: what does not end in time goes back to the queue, as if it had
// never been taken.
func TestClose(t *testing.T) {
	s := &queuetest.Memory{}
	enqueue(t, s, "slow", "done at last")
	running := make(chan string, 2)
	w, attempts := start(t, s, queue.Options{Handle: func(ctx context.Context, j queue.Job) error {
		running <- j.ID
		<-ctx.Done()
		if j.ID == "slow" {
			return ctx.Err()
		}
		return nil
	}})
	receive(t, running)
	receive(t, running)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.Close(ctx)
	if a := receive(t, attempts); a.Job.ID != "done at last" || a.Outcome != queue.OutcomeDone {
		t.Errorf("%+v", a)
	}
	if f := figures(t, s); f != (queue.Stats{Ready: 1}) {
		t.Errorf("%+v", f)
	}
	if jobs := s.Jobs(name); len(jobs) != 1 || jobs[0].ID != "slow" || jobs[0].Attempt != 0 {
		t.Errorf("%+v", jobs)
	}
	w.Close(context.Background()) // again
}

// TestManyWorkers: several workers share a queue, and one of them dies with
// what it has taken; every job is done, those of the others once.
func TestManyWorkers(t *testing.T) {
	const jobs = 500
	s := &queuetest.Memory{}
	for i := range jobs {
		enqueue(t, s, fmt.Sprint(i))
	}
	lost, err := s.Take(t.Context(), name, "dead", nil, 50, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	done := map[string]int{}
	for i := range 4 {
		start(t, s, queue.Options{ID: fmt.Sprint("w", i), Handle: func(_ context.Context, j queue.Job) error {
			mu.Lock()
			defer mu.Unlock()
			done[j.ID]++
			return nil
		}})
	}
	eventually(t, "all are done", func() bool { return figures(t, s) == queue.Stats{} })
	mu.Lock()
	defer mu.Unlock()
	for id, n := range done {
		if n != 1 {
			t.Errorf("job %s: %d times", id, n)
		}
	}
	if len(done) != jobs || len(lost) != 50 {
		t.Errorf("%d done, %d were lost", len(done), len(lost))
	}
}
