package netpoll

import (
	"io"
	"os"
	"syscall"
)

// Everything in this file runs on the loop goroutine.

// onEvents handles what epoll has reported.
func (c *epollConn) onEvents(events uint32) {
	if events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		c.ended = true
	}
	c.mu.Lock()
	// EPOLLOUT comes along with other events too; what is only deferred is none of its business.
	if c.out != nil && c.out.blocked && events&(syscall.EPOLLOUT|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		c.out.blocked = false
		c.sendLocked()
	}
	read := events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 && c.readableLocked()
	c.mu.Unlock()
	if read {
		c.read()
	}
}

// onSchedule does what another goroutine, or an earlier turn, has asked for.
func (c *epollConn) onSchedule() {
	c.mu.Lock()
	c.scheduled = false
	closed, read := c.state == connClosed, c.readableLocked()
	c.mu.Unlock()
	switch {
	case closed:
		c.finish()
	case read:
		c.read()
	}
}

func (c *epollConn) readableLocked() bool {
	if c.state == connFlushing {
		return !c.rare.eof
	}
	return c.state != connClosed && !c.paused
}

// again asks for another turn.
func (c *epollConn) again() {
	c.mu.Lock()
	c.scheduleLocked()
	c.mu.Unlock()
}

// read takes one buffer full, at most, so that the other connections get their turn.
func (c *epollConn) read() {
	if leftover := c.takeLeftover(); leftover != nil {
		if c.deliver(leftover) {
			c.again()
		}
		return
	}
	buf := c.loop.buffer
	n, errno := readSocket(int(c.fd), buf)
	switch {
	case n > 0:
		// A short read has emptied the socket; what comes later is a new edge. The end of the stream is not.
		if c.deliver(buf[:n]) && (n == len(buf) || c.ended) {
			c.again()
		}
	case errno == 0:
		c.onEOF()
	case errno == syscall.EAGAIN:
		c.mu.Lock()
		if c.state == connBroken {
			c.closeLocked(os.NewSyscallError("write", syscall.EPIPE))
		}
		c.mu.Unlock()
	default:
		c.Close(os.NewSyscallError("read", errno))
	}
}

func (c *epollConn) takeLeftover() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rare == nil || c.rare.leftover == nil {
		return nil
	}
	leftover := c.rare.leftover
	c.rare.leftover = nil
	if c.rare.goal == 0 {
		c.rare = nil // it is open: closing takes the leftover away
	}
	return leftover
}

// deliver calls OnData and reports that the connection goes on.
func (c *epollConn) deliver(p []byte) bool {
	c.mu.Lock()
	state := c.state
	c.mu.Unlock()
	if state == connOpen || state == connBroken {
		if err := c.handler.OnData(p); err != nil {
			c.Close(err)
			return false
		}
	}
	return state != connClosed
}

func (c *epollConn) onEOF() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connFlushing && c.out != nil {
		c.rare.eof = true // it may still read
		return
	}
	c.closeLocked(io.EOF)
}

// finish closes the socket.
func (c *epollConn) finish() {
	c.mu.Lock()
	fd, err := c.fd, c.rare.err
	c.fd, c.rare = -1, nil
	c.mu.Unlock()
	c.loop.forget(c)
	_ = syscall.Close(int(fd))
	c.handler.OnClose(err)
}
