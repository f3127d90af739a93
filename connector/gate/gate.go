// Package gate stands in front of an Engine.IO server and decides which handshakes it gets: no more per second than it
// can bear beside its other work, and none when it is about to leave. Requests of sessions pass untouched.
//
// What is refused is answered 503 with Retry-After, which makes the stock clients come back after their own back-off,
// and a balancer try another server. The package imports the standard library and connector/query, and has no goroutine.
package gate

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/query"
)

// Reason is why a handshake was refused.
type Reason string

// Reasons.
const (
	Rate    Reason = "rate"    // too many a second
	Leaving Reason = "leaving" // Close was called
)

// Options of a Gate; zero values take the defaults named.
type Options struct {
	Next http.Handler // required
	Rate int          // handshakes per second; 0: any number
	// Burst is how many may come at once after a quiet time; a tenth of Rate, at least 1.
	Burst   int
	Refused func(Reason)     // may be nil
	Now     func() time.Time // time.Now
}

// Gate is an http.Handler in front of another one.
type Gate struct {
	o Options // fixed after New

	mu     sync.Mutex
	closed bool
	tokens float64
	filled time.Time // when tokens was true
}

// New returns an open Gate.
func New(o Options) *Gate {
	if o.Burst <= 0 {
		o.Burst = max(1, o.Rate/10)
	}
	if o.Refused == nil {
		o.Refused = func(Reason) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Gate{o: o, tokens: float64(o.Burst), filled: o.Now()}
}

// Close refuses all handshakes from now on.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// ServeHTTP implements http.Handler.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Everything but a GET without a session is answered at no cost, or belongs to a session.
	if r.Method != http.MethodGet || hasSession(r) {
		g.o.Next.ServeHTTP(w, r)
		return
	}
	reason, wait := g.enter()
	if reason == "" {
		g.o.Next.ServeHTTP(w, r)
		return
	}
	g.o.Refused(reason)
	h := w.Header()
	h.Set("Retry-After", strconv.Itoa(wait))
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close")
	http.Error(w, "this server takes no more connections now", http.StatusServiceUnavailable)
}

func hasSession(r *http.Request) bool {
	_, ok := query.Last(r.URL.RawQuery, "sid")
	return ok
}

// enter takes a token, or says why there is none and how many seconds to wait, spread over some.
func (g *Gate) enter() (refused Reason, wait int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return Leaving, 1
	}
	if g.o.Rate <= 0 {
		return "", 0
	}
	now := g.o.Now()
	if since := now.Sub(g.filled); since > 0 {
		g.tokens = min(float64(g.o.Burst), g.tokens+since.Seconds()*float64(g.o.Rate))
		g.filled = now
	}
	if g.tokens < 1 {
		return Rate, 1 + rand.IntN(5)
	}
	g.tokens--
	return "", 0
}
