package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/embedded"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/internal/queue/queuetest"
	"github.com/lightpush/lightpush/internal/store/redistest"
)

// fewJobs are many for miniredis, which sorts a set at every look.
const fewJobs = 4_000

func TestQueueContract(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		big := 100_000
		if b.mini != nil {
			big = fewJobs
		}
		queuetest.Run(t, b.open(t, nil).Queues(), big)
	})
	t.Run("embedded server", func(t *testing.T) {
		dir := t.TempDir()
		server, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
		check(t, err)
		s, err := Open(t.Context(), Options{Dialer: server.Dial, Addresses: []string{"embedded:0"}})
		check(t, err)
		queuetest.Run(t, s.Queues(), fewJobs)
		// What is in the queues outlives the process.
		check(t, s.Queues().Enqueue(t.Context(), "kept", []queue.Job{{ID: "a", Body: []byte("x")}, {ID: "b"}}, 0))
		if jobs := must[[]queue.Job](t)(s.Queues().Take(t.Context(), "kept", "w", nil, 1, time.Millisecond)); len(jobs) != 1 {
			t.Fatalf("%+v", jobs)
		}
		check(t, errors.Join(s.Close(), server.Close()))
		server, err = embedded.Open(t.Context(), embedded.Options{Dir: dir})
		check(t, err)
		s, err = Open(t.Context(), Options{Dialer: server.Dial, Addresses: []string{"embedded:0"}})
		check(t, err)
		t.Cleanup(func() { check(t, errors.Join(s.Close(), server.Close())) })
		var got []string
		eventually(t, "both jobs", func() bool {
			for _, j := range must[[]queue.Job](t)(s.Queues().Take(t.Context(), "kept", "heir", got, 5, time.Hour)) {
				got = append(got, j.ID)
			}
			return len(got) == 2
		})
	})
}

func TestQueueSentinel(t *testing.T) {
	r, err := redistest.StartSentinel("secret")
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(r.Stop)
	s, err := Open(t.Context(), Options{SentinelMaster: redistest.Master, Sentinels: r.Sentinels, Password: "secret"})
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	queuetest.Run(t, s.Queues(), fewJobs)
}

// TestQueueLeavesNothing: a queue that is empty takes no room but for the
// tombstones, which go with time.
func TestQueueLeavesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		q := s.Queues()
		ctx := t.Context()
		check(t, q.Enqueue(ctx, "q", []queue.Job{{ID: "a"}, {ID: "b"}, {ID: "c"}}, 0))
		_, err := q.Take(ctx, "q", "w", nil, 10, time.Hour)
		check(t, err)
		check(t, q.Bury(ctx, "q", "w", "c", "x"))
		_, err = q.Requeue(ctx, "q", nil)
		check(t, err)
		_, err = q.Take(ctx, "q", "w", []string{"a", "b"}, 10, time.Hour)
		check(t, err)
		check(t, q.Done(ctx, "q", "w", []string{"a", "b", "c"}))
		check(t, q.Leave(ctx, "q", "w"))
		left := keysLeft(t, s)
		if !slices.Equal(left, []string{"{q:q}:done"}) {
			t.Errorf("left %v", left)
		}
		if ttl := s.rdb.PTTL(ctx, s.keys.queue("q").done).Val(); ttl <= 0 || ttl > doneKept {
			t.Errorf("tombstones stay for %v", ttl)
		}
	})
}

// TestQueueRefuses: what cannot be stored is refused before it is sent.
func TestQueueRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		q := b.open(t, nil).Queues()
		for _, j := range []queue.Job{{}, {ID: strings.Repeat("x", 2001)}, {ID: "a", Body: make([]byte, queue.BodyMax+1)}} {
			if err := q.Enqueue(t.Context(), "q", []queue.Job{{ID: "good"}, j}, 0); !errors.Is(err, errJob) {
				t.Errorf("%.20q: %v", j.ID, err)
			}
		}
		if err := q.Retry(t.Context(), "q", "w", "a", 0, make([]byte, queue.BodyMax+1), false); !errors.Is(err, errJob) {
			t.Error(err)
		}
		// Bodies that are too much for one call go in several.
		var jobs []queue.Job
		for i := range 9 {
			jobs = append(jobs, queue.Job{ID: fmt.Sprint(i), Body: make([]byte, queue.BodyMax)})
		}
		check(t, q.Enqueue(t.Context(), "q", jobs, 0))
		if s := must[queue.Stats](t)(q.Stats(t.Context(), "q")); s.Ready != 9 {
			t.Errorf("%+v", s)
		}
	})
}

// TestDeadLettersAreBounded: the oldest go, and somebody hears of it.
func TestDeadLettersAreBounded(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		var told atomic.Int64
		s := b.open(t, func(o *Options) { o.OnError = func(error) { told.Add(1) } })
		s.deadMax = 3
		q, ctx := s.Queues(), t.Context()
		for i := range 5 {
			id := fmt.Sprint(i)
			check(t, q.Enqueue(ctx, "q", []queue.Job{{ID: id}}, 0))
			_, err := q.Take(ctx, "q", "w", nil, 1, time.Hour)
			check(t, err)
			check(t, q.Bury(ctx, "q", "w", id, strings.Repeat("é", 400)))
		}
		dead, total, err := q.Dead(ctx, "q", 0, 10)
		check(t, err)
		if total != 3 || len(dead) != 3 || dead[0].ID != "4" || dead[2].ID != "2" || told.Load() != 2 || len(dead[0].Reason) > queue.ReasonMax+3 {
			t.Errorf("%d, %+v, told %d", total, dead, told.Load())
		}
		if n := s.rdb.HLen(ctx, s.keys.queue("q").jobs).Val(); n != 3 {
			t.Errorf("%d jobs are kept", n)
		}
	})
}

// TestTombstonesAreBounded: by time and by number, in bounded steps.
func TestTombstonesAreBounded(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		q, ctx, k := s.Queues(), t.Context(), s.keys.queue("q")
		var old []any
		for i := range 200 {
			old = append(old, 1, fmt.Sprint("old", i))
		}
		check(t, s.run(ctx, do(append([]any{"ZADD", k.done}, old...)...)))
		step := func(id string) int64 {
			check(t, q.Enqueue(ctx, "q", []queue.Job{{ID: id}}, 0))
			_, err := q.Take(ctx, "q", "w", nil, 1, time.Hour)
			check(t, err)
			check(t, q.Done(ctx, "q", "w", []string{id}))
			return s.rdb.ZCard(ctx, k.done).Val()
		}
		if n := step("a"); n != 200+1-22 {
			t.Errorf("%d after the first step", n)
		}
		for i := range 20 {
			step(fmt.Sprint("b", i))
		}
		if n := step("c"); n != 22 {
			t.Errorf("%d in the end", n)
		}
		check(t, s.run(ctx, queueDone.call([]string{k.held("w"), k.jobs, k.done}, doneKept.Milliseconds(), 5, "nobody"))) // holds nothing: no trimming
		check(t, q.Enqueue(ctx, "q", []queue.Job{{ID: "d"}}, 0))
		_, err := q.Take(ctx, "q", "w", nil, 1, time.Hour)
		check(t, err)
		check(t, s.run(ctx, queueDone.call([]string{k.held("w"), k.jobs, k.done}, doneKept.Milliseconds(), 5, "d")))
		if n := s.rdb.ZCard(ctx, k.done).Val(); n != 5 {
			t.Errorf("%d beyond the number", n)
		}
	})
}

// TestDamagedJobs: content that was lost or is not ours reaches the handler
// with its id, and never blocks what is behind it.
func TestDamagedJobs(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		q, ctx, k := s.Queues(), t.Context(), s.keys.queue("q")
		check(t, q.Enqueue(ctx, "q", []queue.Job{{ID: "lost", Body: []byte("x")}, {ID: "foreign"}, {ID: "good", Body: []byte("x")}}, 0))
		check(t, s.run(ctx, do("HDEL", k.jobs, "lost"), do("HSET", k.jobs, "foreign", "what is|this?")))
		take := func(worker string, lease time.Duration) (jobs []queue.Job) {
			eventually(t, "three jobs", func() bool {
				jobs = must[[]queue.Job](t)(q.Take(ctx, "q", worker, nil, 10, lease))
				return len(jobs) == 3
			})
			return jobs
		}
		for i, j := range take("w", time.Millisecond) {
			if j.ID != []string{"lost", "foreign", "good"}[i] || (j.ID == "good") != (string(j.Body) == "x") {
				t.Errorf("%+v", j)
			}
		}
		for _, j := range take("heir", time.Hour) { // also over a take-over
			if j.Attempt != 1 || j.Failed != 1 {
				t.Errorf("%+v", j)
			}
		}
		check(t, s.run(ctx, do("HDEL", k.jobs, "lost")))
		check(t, q.Retry(ctx, "q", "heir", "lost", 0, nil, true))
		check(t, q.Bury(ctx, "q", "heir", "foreign", "who knows"))
		check(t, q.Done(ctx, "q", "heir", []string{"good"}))
		if n := must[int64](t)(q.Requeue(ctx, "q", []string{"foreign"})); n != 1 {
			t.Errorf("%d requeued", n)
		}
		if s := must[queue.Stats](t)(q.Stats(ctx, "q")); s.Ready != 2 || s.Working+s.Dead+s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// worker runs a queue.Worker; each job's runs are counted.
func worker(t *testing.T, s *Store, id string, lease time.Duration) (runs func(id string) int, told *atomic.Int64) {
	t.Helper()
	var mu sync.Mutex
	counts := map[string]int{}
	told = &atomic.Int64{}
	w := queue.NewWorker(s.Queues(), queue.Options{
		Queue: "q", ID: id, Lease: lease, Idle: 20 * time.Millisecond,
		Backoff: func(int) time.Duration { return time.Millisecond },
		OnError: func(error) { told.Add(1) },
		Handle: func(_ context.Context, j queue.Job) error {
			mu.Lock()
			defer mu.Unlock()
			counts[j.ID]++
			if j.Attempt == 0 && strings.HasPrefix(j.ID, "fails") {
				return errors.New("first attempt")
			}
			return nil
		},
	})
	w.Start()
	t.Cleanup(func() { w.Close(context.Background()) })
	return func(id string) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[id]
	}, told
}

// TestQueueRedisRefuses: whatever Redis answers for a while, jobs are tried
// again without end and done once.
func TestQueueRedisRefuses(t *testing.T) {
	for _, text := range []string{
		"OOM command not allowed when used memory > 'maxmemory'.", "READONLY You can't write against a read only replica.",
		"LOADING Redis is loading the dataset in memory", "BUSY Redis is busy running a script.", "CLUSTERDOWN The cluster is down",
	} {
		t.Run(strings.Fields(text)[0], func(t *testing.T) {
			onEach(t, func(t *testing.T, b *backend) {
				if b.mini == nil {
					t.Skip("a server cannot be told what to answer")
				}
				s := b.open(t, nil)
				check(t, s.Queues().Enqueue(t.Context(), "q", []queue.Job{{ID: "a"}, {ID: "fails"}}, 0))
				b.mini.SetError(text)
				if err := s.Queues().Enqueue(t.Context(), "q", []queue.Job{{ID: "b"}}, 0); err == nil || !strings.Contains(err.Error(), strings.Fields(text)[0]) {
					t.Errorf("enqueue: %v", err)
				}
				runs, told := worker(t, s, "w", time.Hour)
				eventually(t, "errors", func() bool { return told.Load() >= 2 })
				b.mini.SetError("")
				eventually(t, "all done", func() bool {
					f, err := s.Queues().Stats(t.Context(), "q")
					return err == nil && f == queue.Stats{}
				})
				if runs("a") != 1 || runs("fails") != 2 || runs("b") != 0 {
					t.Errorf("%d, %d and %d runs", runs("a"), runs("fails"), runs("b"))
				}
			})
		})
	}
}

// TestQueueWithoutMemory: a Redis that has no memory left takes no new jobs,
// but those it has can be worked on, which is what frees memory.
func TestQueueWithoutMemory(t *testing.T) {
	r, err := redistest.StartServer()
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(r.Stop)
	s, err := Open(t.Context(), Options{Addresses: r.Addresses})
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	ctx := t.Context()
	check(t, s.Queues().Enqueue(ctx, "q", []queue.Job{{ID: "a"}, {ID: "fails"}}, 0))
	check(t, s.run(ctx, do("CONFIG", "SET", "maxmemory", "1")))
	if err := s.Queues().Enqueue(ctx, "q", []queue.Job{{ID: "b"}}, 0); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("enqueue: %v", err)
	}
	runs, told := worker(t, s, "w", time.Hour)
	eventually(t, "all done", func() bool {
		f, err := s.Queues().Stats(ctx, "q")
		return err == nil && f == queue.Stats{}
	})
	if runs("a") != 1 || runs("fails") != 2 || told.Load() != 0 {
		t.Errorf("%d and %d runs, %d errors", runs("a"), runs("fails"), told.Load())
	}
}

// TestQueueReplica: a server that becomes a replica refuses writes; when it is
// a master again, work goes on.
func TestQueueReplica(t *testing.T) {
	r, err := redistest.StartServer()
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(r.Stop)
	s, err := Open(t.Context(), Options{Addresses: r.Addresses})
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	ctx := t.Context()
	runs, told := worker(t, s, "w", time.Hour)
	check(t, s.run(ctx, do("REPLICAOF", "127.0.0.1", "1")))
	seen := told.Load()
	eventually(t, "errors", func() bool { return told.Load() > seen })
	if err := s.Queues().Enqueue(ctx, "q", []queue.Job{{ID: "a"}}, 0); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("enqueue: %v", err)
	}
	check(t, s.run(ctx, do("REPLICAOF", "NO", "ONE")))
	check(t, s.Queues().Enqueue(ctx, "q", []queue.Job{{ID: "a"}}, 0))
	eventually(t, "done", func() bool { return runs("a") == 1 })
}

// TestWorkersShare: several workers on one Redis, one of which dies with jobs
// in its hands; every job is done, and but for those, once.
func TestWorkersShare(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		const jobs = 400
		s := b.open(t, nil)
		var all []queue.Job
		for i := range jobs {
			all = append(all, queue.Job{ID: fmt.Sprint(i)})
		}
		check(t, s.Queues().Enqueue(t.Context(), "q", all, 0))
		lost := must[[]queue.Job](t)(s.Queues().Take(t.Context(), "q", "dies", nil, 30, 50*time.Millisecond))
		var runs []func(string) int
		for i := range 3 {
			count, _ := worker(t, s, fmt.Sprint("w", i), time.Hour)
			runs = append(runs, count)
		}
		eventually(t, "all done", func() bool {
			return must[queue.Stats](t)(s.Queues().Stats(t.Context(), "q")) == queue.Stats{}
		})
		for _, j := range all {
			n := 0
			for _, count := range runs {
				n += count(j.ID)
			}
			if n != 1 {
				t.Errorf("job %s ran %d times", j.ID, n)
			}
		}
		if len(lost) != 30 {
			t.Errorf("%d were lost for a while", len(lost))
		}
	})
}

// TestAcceptQueues: what asks for offline delivery is in the queue when it is
// accepted, and becomes due when devices have had their time.
func TestAcceptQueues(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, func(o *Options) { o.OfflineDelay = 30 * time.Millisecond })
		ctx := t.Context()
		yes, no, lost := message("/a", "r"), message("/a", "r"), message("/a", "r")
		yes.LeaveMessage, no.LeaveMessage, lost.LeaveMessage = ptr(true), ptr(false), ptr(true)
		lost.Extra = ptr(push.ExtraLost)
		check(t, s.Accept(ctx, []*push.Message{message("/a", "r"), yes, no, lost}))
		var got []string
		eventually(t, "jobs", func() bool {
			for _, j := range must[[]queue.Job](t)(s.Queues().Take(ctx, queue.Offline, "w", got, 10, time.Hour)) {
				got = append(got, j.ID)
			}
			return len(got) == 2
		})
		if want := []string{fmt.Sprint(yes.ID), fmt.Sprint(lost.ID)}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		later := b.open(t, func(o *Options) { o.OfflineDelay, o.Prefix = time.Hour, "later"+o.Prefix })
		check(t, later.Accept(ctx, []*push.Message{yes}))
		if f := must[queue.Stats](t)(later.Queues().Stats(ctx, queue.Offline)); f != (queue.Stats{Waiting: 1}) {
			t.Errorf("%+v", f)
		}
	})
}
