// Package netloop runs many client connections on one goroutine.
//
// Overview. A Loop dials and then calls the Handler of each connection from the goroutine of Run only, so handlers
// need no locks. Plain TCP on Linux lives on epoll: no goroutine and no buffer per idle connection. TLS, and every
// other system, takes one goroutine per connection that hands its bytes to the loop.
//
// Start and stop. New, then Run in a goroutine of the caller; Run returns when its context ends, with every connection
// closed and every goroutine of the package ended. Do may be called from any goroutine, everything else only inside
// the loop.
//
// Imports. The standard library.
package netloop

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Handler hears of one connection. Calls never overlap and come from the loop.
type Handler interface {
	// Opened is called once, when bytes can be written.
	Opened()
	// Data brings bytes of the stream; they are valid during the call.
	Data(p []byte)
	// Closed is called once when the connection has ended by itself, never after Close.
	Closed(err error)
}

// Conn is one connection; its methods belong to the loop.
type Conn interface {
	// Write sends p, later if need be; it keeps no reference to p.
	Write(p []byte)
	// Close ends the connection without a call of Closed; reset sends RST, which frees the port at once.
	Close(reset bool)
	// Pause stops reading until Resume; what comes stays in the kernel.
	Pause()
	Resume()
}

// ErrSendBuffer ends a connection whose peer does not read.
var ErrSendBuffer = errors.New("the server does not read")

// maxUnsent bounds what waits to be written to one connection, in bytes.
const maxUnsent = 1 << 20

// maxWait is how long the loop sleeps at most.
const maxWait = time.Second

// Loop is one goroutine's worth of connections.
type Loop struct {
	base  time.Time
	clock int64 // base as nanoseconds since 1970
	now   int64
	tick  func(now int64) time.Duration

	mu    sync.Mutex
	tasks []func()
	ended bool

	poll    poller
	foreign map[*goConn]struct{}
	wg      sync.WaitGroup // of goConns
	ctx     context.Context
}

// New returns a Loop; tick is called after every turn and says how long the loop may sleep.
func New(tick func(now int64) time.Duration) (*Loop, error) {
	base := time.Now()
	l := &Loop{base: base, clock: base.UnixNano(), tick: tick, foreign: map[*goConn]struct{}{}}
	l.now = l.clock
	if err := l.poll.open(); err != nil {
		return nil, err
	}
	return l, nil
}

// Now is the time of this turn in nanoseconds since 1970; it never goes back.
func (l *Loop) Now() int64 { return l.now }

// Clock is the same clock at this very moment, for any goroutine.
func (l *Loop) Clock() int64 { return l.read() }

func (l *Loop) read() int64 { return l.clock + int64(time.Since(l.base)) }

// Do has f called in the loop; false when the loop has ended and f never will be.
func (l *Loop) Do(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.tasks = append(l.tasks, f)
	l.poll.wake()
	return true
}

// Run is the loop.
func (l *Loop) Run(ctx context.Context) error {
	l.ctx = ctx
	stop := context.AfterFunc(ctx, func() { l.Do(func() {}) })
	defer stop()
	var err error
	for wait := time.Duration(0); ctx.Err() == nil && err == nil; {
		err = l.poll.wait(l, wait)
		l.now = l.read()
		l.runTasks()
		wait = min(max(l.tick(l.now), 0), maxWait)
	}
	l.end()
	return err
}

func (l *Loop) runTasks() {
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = nil
	l.mu.Unlock()
	for _, f := range tasks {
		f()
	}
}

// end closes everything; tasks that nobody will run any more are run once, since goroutines wait for them.
func (l *Loop) end() {
	for c := range l.foreign {
		c.Close(true)
	}
	l.mu.Lock()
	l.ended = true
	tasks := l.tasks
	l.tasks = nil
	l.mu.Unlock()
	for _, f := range tasks {
		f()
	}
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.poll.close()
}

// Target is where and how to connect.
type Target struct {
	Addr netip.AddrPort
	From netip.Addr  // local address, the zero value leaves it to the system
	TLS  *tls.Config // nil: plain TCP
}

// Dial begins a connection; an error means that none was begun and h is not called.
func (l *Loop) Dial(to Target, h Handler) (Conn, error) {
	if to.TLS == nil {
		if c, err := l.poll.dial(l, to, h); c != nil || err != nil {
			return c, err
		}
	}
	return l.dialGo(to, h), nil
}
