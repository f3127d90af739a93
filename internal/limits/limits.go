// Package limits counts what callers use and says when it is too much: token
// buckets small enough for every client, and counters by address.
//
// It imports nothing of the project and owns no goroutine. Everything in it is
// bounded in memory.
package limits

import (
	"net/netip"
	"sync"
	"time"
)

// Budget is a token bucket of 16 bytes. The zero value is full. One goroutine
// at a time may use it.
type Budget struct {
	next time.Duration // when the bucket would be full, on the clock of the caller
	over int           // refused since it was last full
}

// Take takes one token at a time of a monotonic clock, with so many tokens per
// second and at most burst at once. over is how often it was refused since the
// bucket was last full.
func (b *Budget) Take(now time.Duration, perSecond, burst int) (ok bool, over int) {
	cost := time.Second / time.Duration(perSecond)
	if b.next <= now {
		b.next, b.over = now, 0
	}
	if b.next+cost > now+cost*time.Duration(burst) {
		b.over++
		return false, b.over
	}
	b.next += cost
	return true, b.over
}

// Spend takes n tokens at once, if there is one: what is missing is owed, and
// the next come so much later.
func (b *Budget) Spend(now time.Duration, n, perSecond, burst int) (ok bool) {
	if ok, _ = b.Take(now, perSecond, burst); ok {
		b.next += time.Duration(n-1) * (time.Second / time.Duration(perSecond))
	}
	return ok
}

// Wait is how long after now the next token comes.
func (b *Budget) Wait(now time.Duration, perSecond, burst int) time.Duration {
	cost := time.Second / time.Duration(perSecond)
	return max(b.next+cost-now-cost*time.Duration(burst), 0)
}

// Network is the part of an address that one household has: an IPv6 /64.
func Network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	prefix, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return prefix.Addr()
}

// Rates are buckets by key, for keys that come and go. Safe for concurrent use.
type Rates[K comparable] struct {
	epoch time.Time
	now   func() time.Time
	most  int

	mu      sync.Mutex
	budgets map[K]*Budget
	rest    Budget // shared by all keys while the table is full
}

// NewRates returns Rates that remember at most so many keys; now nil is
// time.Now.
func NewRates[K comparable](most int, now func() time.Time) *Rates[K] {
	if now == nil {
		now = time.Now
	}
	return &Rates[K]{epoch: now(), now: now, most: most, budgets: map[K]*Budget{}}
}

// Take takes one token of key's bucket; without one it says how long to wait.
// While more keys are busy than can be remembered, the others share a bucket.
func (r *Rates[K]) Take(key K, perSecond, burst int) (wait time.Duration, ok bool) {
	return r.Spend(key, 1, perSecond, burst)
}

// Spend is Take of n tokens, as Budget.Spend.
func (r *Rates[K]) Spend(key K, n, perSecond, burst int) (wait time.Duration, ok bool) {
	if perSecond <= 0 {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now().Sub(r.epoch)
	b := r.budgets[key]
	if b == nil {
		b = r.budgetLocked(key, now)
	}
	if b.Spend(now, n, perSecond, burst) {
		return 0, true
	}
	return b.Wait(now, perSecond, burst), false
}

func (r *Rates[K]) budgetLocked(key K, now time.Duration) *Budget {
	if len(r.budgets) >= r.most {
		// Looked through at most once per most new keys, on average, or else
		// while all of them are busy: then the shared bucket is soon empty.
		seen := 0
		for k, b := range r.budgets {
			if b.next <= now { // full again
				delete(r.budgets, k)
			}
			if seen++; seen == sweepMax {
				break
			}
		}
		if len(r.budgets) >= r.most {
			return &r.rest
		}
	}
	b := &Budget{}
	r.budgets[key] = b
	return b
}

// sweepMax bounds the keys that one call looks through.
const sweepMax = 256

// Counts counts what is open by key. Safe for concurrent use; its memory is
// that of the keys with something open.
type Counts[K comparable] struct {
	mu sync.Mutex
	n  map[K]int32
}

// NewCounts returns empty Counts.
func NewCounts[K comparable]() *Counts[K] { return &Counts[K]{n: map[K]int32{}} }

// Add counts one more, and tells how many there are now.
func (c *Counts[K]) Add(key K) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[key]++
	return int(c.n[key])
}

// Done counts one less.
func (c *Counts[K]) Done(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n[key]--; c.n[key] <= 0 {
		delete(c.n, key)
	}
}

// Of is how many there are of key.
func (c *Counts[K]) Of(key K) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.n[key])
}
