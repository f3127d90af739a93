package netloop

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// pausedRead is how much a connection may read at once while it is one that pauses.
const pausedRead = 4 << 10

// pollConn is a connection on epoll.
type pollConn struct {
	loop   *Loop
	h      Handler
	unsent []byte
	fd     int
	open   bool
	closed bool
	paused bool
	slow   bool // has been paused before: reads little at a time
}

// ready does what the socket allows.
func (c *pollConn) ready() {
	if !c.open && !c.established() {
		return
	}
	if len(c.unsent) > 0 {
		p := c.unsent
		c.unsent = nil
		c.Write(p)
	}
	c.read()
}

func (c *pollConn) established() bool {
	e, err := syscall.GetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
	if err == nil && e != 0 {
		err = syscall.Errno(e)
	}
	if err != nil {
		c.fail(fmt.Errorf("connect: %w", err))
		return false
	}
	if _, err := syscall.Getpeername(c.fd); err != nil {
		return false // an old event of this descriptor: not connected yet
	}
	c.open = true
	c.h.Opened()
	return !c.closed
}

func (c *pollConn) read() {
	buf := c.loop.poll.buf
	if c.slow {
		buf = buf[:pausedRead]
	}
	for !c.closed && !c.paused && c.open {
		n, err := syscall.Read(c.fd, buf)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			c.fail(fmt.Errorf("read: %w", err))
			return
		case n == 0:
			c.fail(io.EOF)
			return
		}
		c.h.Data(buf[:n])
	}
}

func (c *pollConn) fail(err error) {
	if c.closed {
		return
	}
	c.Close(true)
	c.h.Closed(err)
}

// Write implements Conn.
func (c *pollConn) Write(p []byte) {
	if c.closed || len(p) == 0 {
		return
	}
	n := 0
	if len(c.unsent) == 0 && c.open {
		var err error
		n, err = syscall.Write(c.fd, p)
		if err != nil {
			n = 0
			if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR) {
				// Told outside of the caller, who may be in the middle of something.
				c.loop.Do(func() { c.fail(fmt.Errorf("write: %w", err)) })
				return
			}
		}
	}
	if n < len(p) {
		c.unsent = append(c.unsent, p[n:]...)
		if len(c.unsent) > maxUnsent {
			c.loop.Do(func() { c.fail(ErrSendBuffer) })
		}
	}
}

// Close implements Conn.
func (c *pollConn) Close(reset bool) {
	if c.closed {
		return
	}
	c.closed, c.unsent = true, nil
	c.loop.poll.table[c.fd] = nil
	if reset {
		_ = syscall.SetsockoptLinger(c.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	}
	_ = syscall.Close(c.fd)
}

// Pause implements Conn.
func (c *pollConn) Pause() { c.paused, c.slow = true, true }

// Resume implements Conn.
func (c *pollConn) Resume() {
	if c.paused {
		c.paused = false
		c.read()
	}
}
