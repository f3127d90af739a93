// Package wheel runs many coarse timers on one runtime timer.
//
// A timer costs 40 bytes inside the struct it belongs to; arming and stopping are a few pointer moves under one
// lock. It never expires early. It expires late by at most 1/31 of its delay and two milliseconds (see buckets.go),
// besides what a busy machine adds, so one wheel serves 50 ms heartbeats of a test and 25 s heartbeats of 100,000
// clients, whose expiries come in batches instead of each waking a processor.
//
// A Wheel has no goroutine while nothing expires: a runtime timer, set to the next occupied bucket, starts one that
// calls everything that is due and ends. Close waits for it.
//
// The package imports the standard library only.
package wheel

import (
	"runtime"
	"sync"
	"time"
)

// Expirer is what a timer belongs to.
type Expirer interface {
	// Expire is called on the goroutine of the wheel, under no lock. It must not block: the timers behind it wait.
	// It may come once after a Stop or Reset that was called at the same time; look at your own state.
	Expire()
}

// Timer is armed with Wheel.Reset. The zero value is not armed; it must not be copied.
type Timer struct {
	// guarded by Wheel.mu
	next, prev *Timer // nil: not armed
	expirer    Expirer
	due        int32 // tick, modulo 2^32: for delays beyond the highest level
	level      uint8 // or expiring
}

// expiring is the level of a timer that waits only for its call.
const expiring = levels

// tick is the finest bucket. It is a power of two to make the conversion a shift.
const (
	tickShift = 20
	tick      = time.Duration(1) << tickShift // 1.05 ms
)

// maxDelay keeps Timer.due unambiguous, which wraps every 2^32 ticks; longer delays are cut to it.
const maxDelay = 24 * 24 * time.Hour

// yieldEvery: after so many calls the goroutine lets others run, so that a large batch delays nobody.
const yieldEvery = 32

// Wheel is a set of timers; make it with New. Its methods may be called from any goroutine and take no other lock.
type Wheel struct {
	epoch time.Time // fixed after New

	mu      sync.Mutex // leaf
	table   table
	expired list        // what run has still to call
	timer   *time.Timer // calls run at wake; nil before the first Reset
	wake    int64       // tick for which timer is set; zero: none
	running bool        // run is at work
	closed  bool
	idle    sync.Cond // running has become false
}

// New returns a wheel without timers.
func New() *Wheel {
	w := &Wheel{epoch: time.Now()}
	w.idle.L = &w.mu
	w.table.init()
	w.expired.init()
	return w
}

// Reset arms t, armed or not, to call e.Expire after d. On a closed wheel it does nothing.
func (w *Wheel) Reset(t *Timer, d time.Duration, e Expirer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopLocked(t)
	if w.closed {
		return
	}
	t.expirer = e
	now := time.Since(w.epoch)
	// The level depends on the distance from table.done, which must not lag behind. What this finds to be due is
	// called by run, which is on its way then.
	w.table.collect(int64(now>>tickShift), &w.expired)
	w.addLocked(t, ceilTick(now+min(max(d, 0), maxDelay)))
}

func (w *Wheel) addLocked(t *Timer, due int64) {
	t.due = int32(due)
	at := w.table.add(t, due)
	if !w.running && (w.wake == 0 || at < w.wake) {
		w.wakeAtLocked(at)
	}
}

// Stop disarms t and reports that it was armed.
func (w *Wheel) Stop(t *Timer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopLocked(t)
}

func (w *Wheel) stopLocked(t *Timer) bool {
	if t.next == nil {
		return false
	}
	if t.level == expiring {
		t.unlink()
	} else {
		w.table.remove(t)
	}
	t.expirer = nil
	return true
}

// Close drops all timers and waits until no Expire runs. It must not be called from Expire.
func (w *Wheel) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	for level := range w.table.lists {
		for i := range w.table.lists[level] {
			w.expired.take(&w.table.lists[level][i])
		}
	}
	w.table.armed = [levels]int{}
	for !w.expired.empty() { // nothing may point into the wheel
		t := w.expired.head.next
		t.unlink()
		t.expirer = nil
	}
	for w.running {
		w.idle.Wait()
	}
}

func (w *Wheel) wakeAtLocked(at int64) {
	w.wake = at
	d := time.Duration(at)<<tickShift - time.Since(w.epoch)
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.run)
		return
	}
	w.timer.Reset(d)
}

// run calls what is due. The runtime timer may fire once too often.
func (w *Wheel) run() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running || w.closed {
		return
	}
	w.running, w.wake = true, 0
	for w.collectLocked() {
		w.callLocked()
	}
	w.running = false
	w.idle.Broadcast()
	if w.closed {
		return
	}
	if at, ok := w.table.next(); ok {
		w.wakeAtLocked(at)
	}
}

func (w *Wheel) collectLocked() bool {
	w.table.collect(int64(time.Since(w.epoch)>>tickShift), &w.expired)
	return !w.expired.empty()
}

func (w *Wheel) callLocked() {
	for n := 1; !w.expired.empty(); n++ {
		t := w.expired.head.next
		t.unlink()
		if early := t.due - int32(w.table.done); early > 0 { // beyond the highest level
			w.addLocked(t, w.table.done+int64(early))
			continue
		}
		expirer := t.expirer
		t.expirer = nil
		w.mu.Unlock()
		expirer.Expire()
		if n%yieldEvery == 0 {
			runtime.Gosched()
		}
		w.mu.Lock()
	}
}

func ceilTick(d time.Duration) int64 { return int64((d + tick - 1) >> tickShift) }

// Func is a timer that calls a function.
type Func struct {
	timer Timer
	wheel *Wheel
	f     func()
}

// AfterFunc arms a timer that calls f on the goroutine of the wheel, under the rules of Expirer.
func (w *Wheel) AfterFunc(d time.Duration, f func()) *Func {
	t := &Func{wheel: w, f: f}
	w.Reset(&t.timer, d, t)
	return t
}

// Expire implements Expirer.
func (t *Func) Expire() { t.f() }

// Stop disarms t and reports that it was armed: f will not be called.
func (t *Func) Stop() bool { return t.wheel.Stop(&t.timer) }
