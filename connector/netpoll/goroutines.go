package netpoll

import (
	"net"
	"sync"
)

// Goroutines is the portable Poller: one reader goroutine per connection, and a writer goroutine only while bytes
// are queued. Each goroutine ends with its connection; Close waits for all of them.
type Goroutines struct {
	options Options // fixed after NewGoroutines

	running sync.WaitGroup // readers and writers

	mu     sync.Mutex // leaf: nothing is called under it
	conns  map[*goConn]struct{}
	closed bool
}

var _ Poller = (*Goroutines)(nil)

// NewGoroutines returns a poller without connections.
func NewGoroutines(o Options) *Goroutines {
	o.setDefaults(4 << 10)
	return &Goroutines{options: o, conns: make(map[*goConn]struct{})}
}

// Attach implements Poller.
func (g *Goroutines) Attach(nc net.Conn, leftover []byte, h Handler) (Conn, error) {
	c := newGoConn(g, nc, h)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, ErrClosed
	}
	g.conns[c] = struct{}{}
	g.running.Go(func() { c.readLoop(leftover) })
	return c, nil
}

// Close implements Poller.
func (g *Goroutines) Close() error {
	g.mu.Lock()
	g.closed = true
	open := make([]*goConn, 0, len(g.conns))
	for c := range g.conns {
		open = append(open, c)
	}
	g.mu.Unlock()
	for _, c := range open {
		c.Close(ErrClosed)
	}
	g.running.Wait()
	return nil
}

func (g *Goroutines) forget(c *goConn) {
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
}
