package api

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// attemptKey is whose failed logins are counted together: a name from an
// address, so that nobody can lock a name out for everybody else.
type attemptKey struct {
	address netip.Addr
	admin   bool
	name    string
}

// failures limits failed logins. Successful ones cost nothing. Its memory is
// bounded by budgetsMax; an unused budget is forgotten once it is full again.
type failures struct {
	limit rate.Limit // per second; 0 for no limit
	burst int
	idle  time.Duration // after which a budget is full again
	now   func() time.Time

	mu      sync.Mutex
	budgets map[attemptKey]*list.Element // of *budget
	recent  *list.List                   // front: used last
}

// budget is what one key may still fail.
type budget struct {
	key  attemptKey
	used time.Time // guarded by failures.mu

	// checking lets one credential of a key be looked at after the other:
	// many wrong ones at once would otherwise all pass before the first
	// is counted. It is held while a password is verified, never together
	// with failures.mu.
	checking sync.Mutex
	tokens   *rate.Limiter
}

const budgetsMax = 20_000

func newFailures(perMinute int, now func() time.Time) *failures {
	f := &failures{now: now, budgets: map[attemptKey]*list.Element{}, recent: list.New()}
	if perMinute > 0 {
		f.limit, f.burst, f.idle = rate.Limit(float64(perMinute)/60), perMinute, time.Minute
	}
	return f
}

// attempt runs check unless key has failed too often; then it returns
// FailTooManyLogins and how long to wait. An error of check for which wrong
// holds uses up the budget.
func (f *failures) attempt(key attemptKey, check func() error, wrong func(error) bool) (wait time.Duration, err error) {
	if f.limit == 0 {
		return 0, check()
	}
	b := f.budget(key)
	b.checking.Lock()
	defer b.checking.Unlock()
	now := f.now()
	if tokens := b.tokens.TokensAt(now); tokens < 1 {
		return time.Duration((1 - tokens) / float64(f.limit) * float64(time.Second)), FailTooManyLogins
	}
	if err = check(); err != nil && wrong(err) {
		b.tokens.AllowN(now, 1)
	}
	return 0, err
}

// budget finds or makes the budget of key, and forgets old ones.
func (f *failures) budget(key attemptKey) *budget {
	key.address = network(key.address)
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for oldest := f.recent.Back(); oldest != nil; oldest = f.recent.Back() {
		b := oldest.Value.(*budget)
		if f.recent.Len() < budgetsMax && now.Sub(b.used) < f.idle {
			break
		}
		f.recent.Remove(oldest)
		delete(f.budgets, b.key)
	}
	if e, ok := f.budgets[key]; ok {
		f.recent.MoveToFront(e)
		b := e.Value.(*budget)
		b.used = now
		return b
	}
	b := &budget{key: key, used: now, tokens: rate.NewLimiter(f.limit, f.burst)}
	f.budgets[key] = f.recent.PushFront(b)
	return b
}

// network is the part of an address that one household has: an IPv6 /64.
func network(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	prefix, err := address.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.Addr()
}
