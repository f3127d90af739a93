package netpoll

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lightpush/lightpush/connector/internal/wheel"
)

// Reactor is the Poller for Linux. Plain TCP and Unix connections live on a few epoll loops: such a connection owns
// no goroutine, no read buffer, and no queue while nothing is unsent. All others, TLS above all, are driven by
// Goroutines.
//
// A connection belongs to one loop for its life. The loop goroutine alone calls its handler, reads its socket and
// closes it; any goroutine writes to it directly. A loop goroutine starts with the first connection of its loop and ends
// with Close.
type Reactor struct {
	// fixed after NewReactor
	options  Options
	fallback *Goroutines
	loops    []*loop
	wheel    *wheel.Wheel // timeouts of connections that are slow or being closed

	next    atomic.Uint32 // the loop for the next connection
	running sync.WaitGroup
	once    sync.Once // Close
}

var _ Poller = (*Reactor)(nil)

func newNative(o Options) (Poller, error) { return NewReactor(o) }

// reactorReadBuffer is chosen for fairness as much as for speed: 16 KiB of small frames are handled in about a
// millisecond.
const reactorReadBuffer = 16 << 10

// NewReactor makes the loops.
func NewReactor(o Options) (*Reactor, error) {
	o.setDefaults(reactorReadBuffer)
	if o.Loops <= 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	portable := o
	portable.ReadBuffer = 0
	r := &Reactor{options: o, fallback: NewGoroutines(portable), wheel: wheel.New()}
	for range o.Loops {
		l, err := newLoop(r)
		if err == nil {
			// Fails when the runtime does not watch the file.
			if err = l.file.SetReadDeadline(time.Time{}); err != nil {
				l.release()
			}
		}
		if err != nil {
			for _, l := range r.loops {
				l.release()
			}
			return nil, fmt.Errorf("netpoll: event loop: %w", err)
		}
		r.loops = append(r.loops, l)
	}
	return r, nil
}

// Attach implements Poller. The connection gets a descriptor of its own and nc is closed, which frees what the net
// package and the runtime keep for it.
func (r *Reactor) Attach(nc net.Conn, leftover []byte, h Handler) (Conn, error) {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return r.fallback.Attach(nc, leftover, h)
	}
	fd, err := duplicate(nc.(syscall.Conn))
	if err != nil {
		return nil, fmt.Errorf("netpoll: attach: %w", err)
	}
	c := &epollConn{handler: h, paused: true, fd: int32(fd)}
	if len(leftover) > 0 {
		c.rare = &rare{leftover: leftover}
	}
	c.loop = r.loops[int(r.next.Add(1))%len(r.loops)]
	if err := c.loop.register(c, fd); err != nil {
		_ = syscall.Close(fd)
		if errors.Is(err, ErrClosed) {
			return nil, ErrClosed
		}
		return nil, fmt.Errorf("netpoll: attach: %w", err)
	}
	_ = nc.Close() // the socket stays open
	return c, nil
}

// Close implements Poller.
func (r *Reactor) Close() error {
	r.once.Do(func() {
		for _, l := range r.loops {
			l.close()
		}
		_ = r.fallback.Close()
		r.running.Wait()
		r.wheel.Close()
		for _, l := range r.loops {
			l.release()
		}
	})
	return nil
}
