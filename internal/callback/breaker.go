package callback

import (
	"sync"
	"time"
)

// Pauses of a breaker between probes: doubled from the first with every probe
// that fails.
const (
	firstPause = time.Second
	mostPause  = 30 * time.Second
)

// verdict is what a call says about a business system.
type verdict int

const (
	good    verdict = iota
	bad             // no answer
	unknown         // the call was given up for another reason
)

// breakers stop asking business systems that do not answer, per namespace:
// after some failures in a row only a probe goes out now and then, and one
// answer opens the way again. They keep nothing of those that answer.
type breakers struct {
	after int // negative: never
	now   func() time.Time

	mu     sync.Mutex
	states map[string]*breaker // by namespace; only those that failed last
}

type breaker struct {
	failures int
	pause    time.Duration // 0 while all calls go out
	until    time.Time     // of the pause
	probing  bool
}

func newBreakers(after int, now func() time.Time) *breakers {
	return &breakers{after: after, now: now, states: map[string]*breaker{}}
}

// allow reports whether a call may go out; then settle must be called with
// what it has shown.
func (b *breakers) allow(key string) (settle func(verdict), ok bool) {
	if b.after < 0 {
		return func(verdict) {}, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.states[key]
	if s == nil || s.pause == 0 {
		return func(v verdict) { b.settle(key, v, false) }, true
	}
	if s.probing || b.now().Before(s.until) {
		return nil, false
	}
	s.probing = true
	return func(v verdict) { b.settle(key, v, true) }, true
}

func (b *breakers) settle(key string, v verdict, probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.states[key]
	if probe && s != nil {
		s.probing = false
	}
	switch {
	case v == good:
		delete(b.states, key)
	case v == unknown:
	case s == nil:
		s = &breaker{failures: 1}
		b.states[key] = s
		s.trip(b)
	case s.pause > 0 && !probe: // begun before the pause
	default:
		s.failures++
		s.trip(b)
	}
}

// trip begins or prolongs the pause when it is time for one.
func (s *breaker) trip(b *breakers) {
	if s.failures < b.after {
		return
	}
	s.pause = min(max(2*s.pause, firstPause), mostPause)
	s.until = b.now().Add(s.pause)
}
