package netloop

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// goConn is a connection with two goroutines: one dials and reads, one writes. Both end with Close or the loop.
type goConn struct {
	loop   *Loop
	h      Handler
	cancel context.CancelFunc
	closed bool // of the loop

	mu      sync.Mutex
	cond    sync.Cond
	conn    net.Conn
	unsent  []byte
	paused  bool
	stopped bool
}

const dialTimeout = 30 * time.Second

func (l *Loop) dialGo(to Target, h Handler) Conn {
	ctx, cancel := context.WithTimeout(l.ctx, dialTimeout)
	c := &goConn{loop: l, h: h, cancel: cancel}
	c.cond.L = &c.mu
	l.foreign[c] = struct{}{}
	l.wg.Go(func() {
		defer cancel()
		c.run(ctx, to)
	})
	return c
}

func (c *goConn) run(ctx context.Context, to Target) {
	d := net.Dialer{}
	if to.From.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netipPort(to.From))
	}
	conn, err := d.DialContext(ctx, "tcp", to.Addr.String())
	if err == nil && to.TLS != nil {
		secure := tls.Client(conn, to.TLS)
		if err = secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
		}
		conn = secure
	}
	if err != nil {
		c.report(err)
		return
	}
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		_ = conn.Close()
		return
	}
	c.conn = conn
	c.mu.Unlock()
	defer conn.Close()
	c.loop.wg.Go(c.write)
	if !c.inLoop(c.h.Opened) {
		return
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		if n > 0 && !c.inLoop(func() { c.h.Data(buf[:n]) }) {
			return
		}
		if err != nil {
			c.report(err)
			return
		}
		c.mu.Lock()
		for c.paused && !c.stopped {
			c.cond.Wait()
		}
		c.mu.Unlock()
	}
}

// inLoop runs f in the loop and waits for it; false when the connection is closed.
func (c *goConn) inLoop(f func()) bool {
	done := make(chan bool, 1)
	if !c.loop.Do(func() {
		if !c.closed {
			f()
		}
		done <- !c.closed
	}) {
		return false
	}
	return <-done
}

func (c *goConn) report(err error) {
	c.loop.Do(func() {
		if !c.closed {
			c.Close(true)
			c.h.Closed(err)
		}
	})
}

func (c *goConn) write() {
	var p []byte
	for {
		c.mu.Lock()
		for len(c.unsent) == 0 && !c.stopped {
			c.cond.Wait()
		}
		p, c.unsent = c.unsent, p[:0]
		stopped := c.stopped
		c.mu.Unlock()
		if stopped {
			return
		}
		if _, err := c.conn.Write(p); err != nil {
			return // the reader hears of it
		}
	}
}

func (c *goConn) Write(p []byte) {
	c.mu.Lock()
	c.unsent = append(c.unsent, p...)
	over := len(c.unsent) > maxUnsent
	c.cond.Broadcast()
	c.mu.Unlock()
	if over {
		c.report(ErrSendBuffer)
	}
}

func (c *goConn) Close(reset bool) {
	if c.closed {
		return
	}
	c.closed = true
	delete(c.loop.foreign, c)
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.cond.Broadcast()
	if c.conn != nil {
		if tcp, ok := c.conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_ = c.conn.Close()
	}
}

func (c *goConn) Pause()  { c.setPaused(true) }
func (c *goConn) Resume() { c.setPaused(false) }

func (c *goConn) setPaused(paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = paused
	c.cond.Broadcast()
}
