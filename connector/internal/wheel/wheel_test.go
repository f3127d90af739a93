package wheel

import (
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/leaktest"
)

const patience = 10 * time.Second

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

// TestAccuracy drives the table by hand: 100,000 timers over all levels are collected at their tick or at most 1/31
// of their delay after it, whatever the steps of the clock.
func TestAccuracy(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		var w table
		w.init()
		w.done = random.Int64N(1 << 40)
		type armed struct {
			Timer
			due, delay int64
		}
		timers := make([]armed, 100_000)
		owner := make(map[*Timer]*armed, len(timers))
		for i := range timers {
			a := &timers[i]
			a.delay = 1 + random.Int64N(1<<(1+random.IntN(22)))
			a.due = w.done + a.delay
			owner[&a.Timer] = a
			if at := w.add(&a.Timer, a.due); at < a.due || at > a.due+a.delay/31 {
				t.Fatalf("delay %d: collected at %d, due %d", a.delay, at, a.due)
			}
		}
		for i := range 1000 { // these never expire
			w.remove(&timers[i].Timer)
			delete(owner, &timers[i].Timer)
		}
		var expired list
		expired.init()
		for len(owner) > 0 {
			at, ok := w.next()
			if !ok {
				t.Fatalf("%d timers are lost", len(owner))
			}
			late := random.Int64N(3) * random.Int64N(200)
			w.collect(at-1, &expired)
			if !expired.empty() {
				t.Fatal("collected before next")
			}
			w.collect(at+late, &expired)
			if expired.empty() {
				t.Fatal("nothing was due at next")
			}
			for !expired.empty() {
				timer := expired.head.next
				timer.unlink()
				a := owner[timer]
				if a == nil {
					t.Fatal("collected twice, or after remove")
				}
				if at+late < a.due || at > a.due+a.delay/31 {
					t.Fatalf("delay %d: collected at %d, due %d", a.delay, at, a.due)
				}
				delete(owner, timer)
			}
		}
		if _, ok := w.next(); ok {
			t.Fatal("something is left")
		}
	}
}

func TestBeyondTheHighestLevel(t *testing.T) {
	var w table
	w.init()
	var timer Timer
	at := w.add(&timer, 1<<30)
	if at >= 1<<30 || at < 1<<22 {
		t.Fatal(at)
	}
}

func TestNotEarly(t *testing.T) {
	w := New()
	defer w.Close()
	var all sync.WaitGroup
	for ms := range 200 {
		d := time.Duration(ms) * time.Millisecond
		all.Add(1)
		start := time.Now()
		w.AfterFunc(d, func() {
			if passed := time.Since(start); passed < d {
				t.Errorf("after %v, want %v", passed, d)
			}
			all.Done()
		})
	}
	all.Wait()
}

// TestLongIdle: a timer armed on a wheel that has slept is as accurate as any other.
func TestLongIdle(t *testing.T) {
	w := New()
	defer w.Close()
	w.AfterFunc(time.Hour, func() {})
	w.mu.Lock()
	w.epoch = w.epoch.Add(-30 * time.Minute) // half an hour passes
	w.mu.Unlock()
	w.AfterFunc(100*time.Millisecond, func() {})
	w.mu.Lock()
	defer w.mu.Unlock()
	at, _ := w.table.next()
	if in := time.Duration(at)<<tickShift - time.Since(w.epoch); in > 103*time.Millisecond {
		t.Fatalf("expires in %v", in)
	}
}

func TestStopAndReset(t *testing.T) {
	w := New()
	defer w.Close()
	fired := make(chan string, 10)
	stopped := w.AfterFunc(time.Millisecond, func() { fired <- "stopped" })
	if w.AfterFunc(time.Hour, func() {}); !stopped.Stop() || stopped.Stop() {
		t.Fatal("Stop does not report what it did")
	}
	moved := w.AfterFunc(time.Hour, func() { fired <- "moved" })
	w.Reset(&moved.timer, 20*time.Millisecond, moved)
	w.AfterFunc(-time.Second, func() { fired <- "first" })
	for _, want := range []string{"first", "moved"} {
		select {
		case got := <-fired:
			if got != want {
				t.Fatalf("%s fired, want %s", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("%s did not fire", want)
		}
	}
	if moved.Stop() {
		t.Fatal("stopped after it fired")
	}
}

func TestResetInsideExpire(t *testing.T) {
	w := New()
	defer w.Close()
	done := make(chan struct{})
	var again *Func
	var n atomic.Int32
	var armed sync.WaitGroup
	armed.Add(1)
	again = w.AfterFunc(time.Millisecond, func() {
		armed.Wait()
		if n.Add(1) == 5 {
			close(done)
			return
		}
		w.Reset(&again.timer, time.Millisecond, again)
	})
	armed.Done()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("not called again")
	}
}

func TestClose(t *testing.T) {
	w := New()
	inside, leave := make(chan struct{}), make(chan struct{})
	w.AfterFunc(0, func() { close(inside); <-leave })
	w.AfterFunc(time.Millisecond, func() { t.Error("called after Close") })
	<-inside
	closed := make(chan struct{})
	go func() { w.Close(); close(closed) }()
	for !isClosed(w) {
		runtime.Gosched()
	}
	w.AfterFunc(0, func() { t.Error("armed after Close") })
	select {
	case <-closed:
		t.Fatal("Close has not waited")
	default:
	}
	close(leave)
	<-closed
	w.Close()
}

func isClosed(w *Wheel) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// counted is an owner as the sessions are.
type counted struct {
	timer Timer
	calls *atomic.Int64
}

func (c *counted) Expire() { c.calls.Add(1) }

// TestChurn arms, moves and stops 100,000 timers from several goroutines while they expire.
func TestChurn(t *testing.T) {
	w := New()
	defer w.Close()
	const workers, each = 4, 25_000
	var calls, stopped atomic.Int64
	var all sync.WaitGroup
	for worker := range uint64(workers) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(worker, 2))
			owners := make([]counted, each)
			for i := range owners {
				owners[i].calls = &calls
				w.Reset(&owners[i].timer, 50*time.Millisecond+time.Duration(random.IntN(200))*time.Millisecond, &owners[i])
			}
			for i := range owners {
				switch i % 4 {
				case 0:
					if w.Stop(&owners[i].timer) {
						stopped.Add(1)
					}
				case 1:
					if w.Stop(&owners[i].timer) {
						w.Reset(&owners[i].timer, time.Duration(random.IntN(100))*time.Millisecond, &owners[i])
					}
				}
			}
		})
	}
	all.Wait()
	for deadline := time.Now().Add(patience); calls.Load()+stopped.Load() < workers*each; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d called, %d stopped", calls.Load(), stopped.Load())
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.table.armed != [levels]int{} || calls.Load()+stopped.Load() != workers*each {
		t.Fatal(w.table.armed, calls.Load(), stopped.Load())
	}
}

func BenchmarkReset(b *testing.B) {
	w := New()
	defer w.Close()
	owners := make([]counted, 100_000)
	for i := range owners {
		w.Reset(&owners[i].timer, 25*time.Second, &owners[i])
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 1) % len(owners)
		w.Reset(&owners[i].timer, 25*time.Second, &owners[i])
	}
}
