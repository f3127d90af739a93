package queuetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/queue"
)

const (
	long  = time.Hour
	short = 20 * time.Millisecond // a lease or a delay that a test lets end
)

// Run holds a store to the contract of queue.Store. Each case uses a queue of
// its own; big is the number of jobs of the case with many.
func Run(t *testing.T, s queue.Store, big int) {
	for _, c := range []struct {
		name string
		test func(*suite)
	}{
		{"order", (*suite).order},
		{"delay", (*suite).delay},
		{"unique ids", (*suite).unique},
		{"bodies", (*suite).bodies},
		{"retry", (*suite).retry},
		{"dead worker", (*suite).takeOver},
		{"late worker", (*suite).late},
		{"lost reply", (*suite).lostReply},
		{"leave", (*suite).leave},
		{"dead letters", (*suite).bury},
		{"figures", (*suite).stats},
		{"many workers", (*suite).manyWorkers},
		{"many jobs", func(s *suite) { s.manyJobs(big) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(&suite{T: t, s: s, q: "suite " + c.name})
		})
	}
}

type suite struct {
	*testing.T
	s queue.Store
	q string
}

func (t *suite) check(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *suite) enqueue(delay time.Duration, ids ...string) {
	t.Helper()
	jobs := make([]queue.Job, len(ids))
	for i, id := range ids {
		jobs[i] = queue.Job{ID: id, Body: []byte("body of " + id)}
	}
	t.check(t.s.Enqueue(t.Context(), t.q, jobs, delay))
}

// take takes once and returns what came.
func (t *suite) take(worker string, most int, lease time.Duration, held ...string) []queue.Job {
	t.Helper()
	jobs, err := t.s.Take(t.Context(), t.q, worker, held, most, lease)
	t.check(err)
	return jobs
}

// await takes until ids have come, in this order.
func (t *suite) await(worker string, held []string, ids ...string) (jobs []queue.Job) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(jobs) < len(ids); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got %v in time, want %v", idsOf(jobs), ids)
		}
		jobs = append(jobs, t.take(worker, len(ids)-len(jobs), long, append(slices.Clone(held), idsOf(jobs)...)...)...)
	}
	if got := idsOf(jobs); !slices.Equal(got, ids) {
		t.Fatalf("got %v, want %v", got, ids)
	}
	return jobs
}

func idsOf(jobs []queue.Job) []string {
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	return ids
}

func (t *suite) expect(what string, jobs []queue.Job, ids ...string) {
	t.Helper()
	if got := idsOf(jobs); !slices.Equal(got, ids) && len(got)+len(ids) > 0 {
		t.Errorf("%s: got %v, want %v", what, got, ids)
	}
}

func (t *suite) figures() queue.Stats {
	t.Helper()
	s, err := t.s.Stats(t.Context(), t.q)
	t.check(err)
	return s
}

func (t *suite) counts(what string, waiting, ready, working, dead int64) {
	t.Helper()
	s := t.figures()
	if s.Waiting != waiting || s.Ready != ready || s.Working != working || s.Dead != dead {
		t.Errorf("%s: %+v", what, s)
	}
}

func (t *suite) order() {
	t.expect("empty queue", t.take("w", 10, long))
	t.enqueue(0, "3", "1")
	t.enqueue(0, "2", "10", "9")
	t.expect("first two", t.take("w", 2, long), "3", "1")
	t.expect("none asked for", t.take("w", 0, long, "3", "1"))
	t.expect("rest", t.take("w", 10, long, "3", "1"), "2", "10", "9")
	t.expect("all taken", t.take("w2", 10, long))
	t.check(t.s.Done(t.Context(), t.q, "w", []string{"1", "3", "10", "2", "9"}))
	t.counts("all done", 0, 0, 0, 0)
}

func (t *suite) delay() {
	t.enqueue(long, "later")
	t.enqueue(short, "soon")
	t.enqueue(0, "now")
	t.expect("due at once", t.take("w", 10, long), "now")
	t.await("w", []string{"now"}, "soon")
	t.expect("not due", t.take("w", 10, long, "now", "soon"))
	t.counts("one waits", 1, 0, 2, 0)
}

func (t *suite) unique() {
	t.enqueue(0, "a", "a", "b")
	t.enqueue(0, "a")
	t.expect("each once", t.take("w", 10, long), "a", "b")
	t.enqueue(0, "a")
	t.expect("not while it is worked on", t.take("w", 10, long, "a", "b"))
	t.check(t.s.Done(t.Context(), t.q, "w", []string{"a"}))
	t.enqueue(0, "a")
	t.expect("nor shortly after", t.take("w", 10, long, "b"))
	t.check(t.s.Bury(t.Context(), t.q, "w", "b", "x"))
	t.enqueue(0, "b")
	t.expect("nor while it is dead", t.take("w", 10, long))
	t.check(t.s.Done(t.Context(), t.q, "w", []string{"a", "nobody"})) // again, because a reply was lost
	t.counts("in the end", 0, 0, 0, 1)
}

func (t *suite) bodies() {
	bodies := []string{"", "|", "a|b|c|d|e|f", "\x00\r\n\xff%s", strings.Repeat("x", 200<<10), "名"}
	var jobs []queue.Job
	for i, b := range bodies {
		jobs = append(jobs, queue.Job{ID: fmt.Sprintf("/ns#u%d|%d", i, i), Body: []byte(b), Attempt: 7})
	}
	before := time.Now().UnixMilli()
	t.check(t.s.Enqueue(t.Context(), t.q, jobs, 0))
	for i, j := range t.take("w {}|%", 10, long) {
		if j.ID != jobs[i].ID || !bytes.Equal(j.Body, jobs[i].Body) || j.Attempt != 0 || j.Failed != 0 ||
			j.Enqueued < before-60_000 || j.Enqueued > before+60_000 {
			t.Errorf("job %d: %.60q %.60q, attempt %d, enqueued %d", i, j.ID, j.Body, j.Attempt, j.Enqueued)
		}
	}
	t.counts("all taken", 0, 0, int64(len(bodies)), 0)
}

func (t *suite) retry() {
	ctx := t.Context()
	t.enqueue(0, "a")
	t.take("w", 1, long)
	t.check(t.s.Retry(ctx, t.q, "w", "a", 0, nil, true))
	t.check(t.s.Retry(ctx, t.q, "w", "a", long, []byte("lost reply"), true)) // changes nothing
	j := t.await("w", nil, "a")[0]
	if j.Attempt != 1 || j.Failed != 1 || string(j.Body) != "body of a" {
		t.Errorf("%+v", j)
	}
	t.check(t.s.Retry(ctx, t.q, "w", "a", short, []byte("other|body"), false))
	j = t.await("w", nil, "a")[0]
	if j.Attempt != 2 || j.Failed != 1 || string(j.Body) != "other|body" {
		t.Errorf("%+v", j)
	}
	t.check(t.s.Retry(ctx, t.q, "w", "a", long, []byte{}, false))
	t.expect("delayed", t.take("w", 1, long))
	t.counts("waits", 1, 0, 0, 0)
}

func (t *suite) takeOver() {
	t.enqueue(0, "a", "b", "c", "d")
	t.expect("who will die", t.take("dying", 3, short), "a", "b", "c")
	t.check(t.s.Done(t.Context(), t.q, "dying", []string{"b"}))
	jobs := t.await("heir", []string{"d"}, t.dead(t.take("heir", 10, long))...)
	for _, j := range jobs {
		if j.Attempt != 1 || j.Failed != 1 || string(j.Body) != "body of "+j.ID {
			t.Errorf("%+v", j)
		}
	}
	t.check(t.s.Done(t.Context(), t.q, "heir", []string{"a", "c", "d"}))
	t.counts("all done", 0, 0, 0, 0)
}

// dead is what is still to come of a, c and d; d is not held by who dies.
func (t *suite) dead(first []queue.Job) []string {
	t.Helper()
	if got := idsOf(first); !slices.Contains(got, "d") {
		t.Fatalf("got %v", got)
	} else if len(got) == 3 { // the lease had ended by then
		t.Skip("too slow to see the lease last")
	}
	return []string{"a", "c"}
}

// late: a worker that was taken for dead cannot spoil what its heir does.
func (t *suite) late() {
	ctx := t.Context()
	t.enqueue(0, "a")
	t.take("late", 1, time.Millisecond)
	t.await("heir", nil, "a")
	t.check(t.s.Done(ctx, t.q, "late", []string{"a"}))
	t.check(t.s.Retry(ctx, t.q, "late", "a", 0, []byte("x"), true))
	t.check(t.s.Bury(ctx, t.q, "late", "a", "x"))
	t.counts("the heir holds it", 0, 0, 1, 0)
	t.enqueue(0, "b")
	t.expect("it goes on", t.take("late", 1, long, "a"), "b")
	t.check(t.s.Done(ctx, t.q, "heir", []string{"a"}))
	t.counts("b is left", 0, 0, 1, 0)
}

func (t *suite) lostReply() {
	t.enqueue(0, "a", "b", "c")
	t.take("w", 2, long) // nobody learned of it
	t.expect("again, with the rest", t.take("w", 1, long), "a", "b", "c")
	t.expect("those it does not know", t.take("w", 0, long, "b"), "a", "c")
	t.expect("it knows all", t.take("w", 5, long, "a", "c", "b"))
	t.expect("more than it holds", t.take("w", 5, long, "a", "c", "b", "x"))
}

func (t *suite) leave() {
	t.enqueue(0, "a", "b", "c")
	t.take("w", 2, long)
	t.check(t.s.Leave(t.Context(), t.q, "w"))
	t.check(t.s.Leave(t.Context(), t.q, "w"))
	jobs := t.take("other", 10, long)
	t.expect("at once, in their order", jobs, "a", "b", "c")
	for _, j := range jobs {
		if j.Attempt != 0 || j.Failed != 0 {
			t.Errorf("%+v", j)
		}
	}
}

func (t *suite) bury() {
	ctx := t.Context()
	t.enqueue(0, "a", "b", "c", "d", "e")
	t.take("w", 10, long)
	t.check(t.s.Retry(ctx, t.q, "w", "b", 0, nil, true))
	t.await("w", []string{"a", "c", "d", "e"}, "b")
	for _, id := range []string{"a", "b", "c", "d"} {
		t.check(t.s.Bury(ctx, t.q, "w", id, "because|of "+id))
	}
	t.check(t.s.Bury(ctx, t.q, "w", "a", "twice"))
	t.check(t.s.Bury(ctx, t.q, "w", "stranger", "x"))
	t.counts("four are dead", 0, 0, 1, 4)
	page, total, err := t.s.Dead(ctx, t.q, 1, 2)
	t.check(err)
	if total != 4 || len(page) != 2 || page[0].ID != "c" || page[1].ID != "b" || page[1].Reason != "because|of b" ||
		page[1].Attempt != 1 || string(page[1].Body) != "body of b" || page[1].Buried < page[1].Enqueued {
		t.Fatalf("%d: %+v", total, page)
	}
	for _, p := range [][2]int{{4, 10}, {100, 10}, {0, 0}} {
		if page, total, err = t.s.Dead(ctx, t.q, p[0], p[1]); err != nil || total != 4 || len(page) != 0 {
			t.Errorf("%v: %d, %+v, %v", p, total, page, err)
		}
	}
	if n, err := t.s.Requeue(ctx, t.q, []string{"b", "stranger", "b", "e"}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if j := t.await("w", []string{"e"}, "b")[0]; j.Attempt != 0 || j.Failed != 0 || string(j.Body) != "body of b" {
		t.Errorf("%+v", j)
	}
	if n, err := t.s.Requeue(ctx, t.q, nil); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := t.s.Requeue(ctx, t.q, nil); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	t.await("w", []string{"b", "e"}, "a", "c", "d")
	t.check(t.s.Done(ctx, t.q, "w", []string{"a", "b", "c", "d", "e"}))
	t.counts("all done", 0, 0, 0, 0)
}

func (t *suite) stats() {
	if s := t.figures(); s != (queue.Stats{}) {
		t.Errorf("empty: %+v", s)
	}
	t.enqueue(long, "x", "y")
	t.enqueue(0, "a", "b", "c")
	t.counts("before", 2, 3, 0, 0)
	for s := t.figures(); s.OldestDue <= 0; s = t.figures() {
		if s.OldestDue < 0 {
			t.Fatalf("%+v", s)
		}
	}
	t.take("w", 2, long)
	t.counts("two taken", 2, 1, 2, 0)
	t.check(t.s.Leave(t.Context(), t.q, "w"))
	if s := t.figures(); s.Ready != 3 || s.OldestDue <= 0 {
		t.Errorf("returned: %+v", s)
	}
	t.take("w", 5, long)
	if s := t.figures(); s.OldestDue != 0 {
		t.Errorf("nothing is due: %+v", s)
	}
}

// manyWorkers: without crashes every job is done exactly once.
func (t *suite) manyWorkers() {
	const jobs, workers = 600, 4
	var mu sync.Mutex
	seen := map[string]int{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			name := fmt.Sprint("w", w)
			for ctx.Err() == nil {
				got, err := t.s.Take(ctx, t.q, name, nil, 7, long)
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				if err := t.s.Done(context.WithoutCancel(ctx), t.q, name, idsOf(got)); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, j := range got {
					seen[j.ID]++
				}
				if len(seen) == jobs {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for i := 0; i < jobs; i += 20 {
		var ids []string
		for n := range 20 {
			ids = append(ids, fmt.Sprint(i+n))
		}
		t.enqueue(0, ids...)
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("job %s was taken %d times", id, n)
		}
	}
	t.counts("all done", 0, 0, 0, 0)
}

// manyJobs: the length of a queue does not matter to a step of it.
func (t *suite) manyJobs(n int) {
	jobs := make([]queue.Job, n)
	for i := range jobs {
		jobs[i] = queue.Job{ID: fmt.Sprint(i), Body: []byte("0123456789012345678901234567890123456789")}
	}
	half := n / 2
	t.check(t.s.Enqueue(t.Context(), t.q, jobs[:half], 0))
	t.check(t.s.Enqueue(t.Context(), t.q, jobs[half:], 0))
	if s := t.figures(); s.Ready != int64(n) {
		t.Fatalf("%+v", s)
	}
	for next := 0; next < n; {
		got := t.take("w", 500, long)
		if len(got) != min(500, n-next) {
			t.Fatalf("%d jobs at %d", len(got), next)
		}
		for i, j := range got {
			if j.ID != jobs[next+i].ID {
				t.Fatalf("%s at place %d", j.ID, next+i)
			}
		}
		t.check(t.s.Done(t.Context(), t.q, "w", idsOf(got)))
		next += len(got)
	}
	t.counts("all done", 0, 0, 0, 0)
}
