package netpoll

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/lightpush/lightpush/connector/internal/wheel"
)

// epollConn is a connection of a Reactor. While nothing is unsent and nobody closes it, this struct is all it owns.
//
// This file has what any goroutine may call; epollread_linux.go has what runs on the loop goroutine.
//
// Lock order: mu, then the lock of the loop or of the wheel.
type epollConn struct {
	// fixed after Attach
	loop    *loop
	handler Handler
	slot    int32 // in loop.conns
	gen     int32 // tells the connection from earlier ones in its slot

	// guarded by mu, but changed by the loop goroutine only, which therefore reads it without
	fd int32 // -1 when closed

	// loop goroutine only
	ended bool // the peer has stopped sending: read until nothing is left

	// guarded by mu, which is held while the socket is written and never while the handler runs
	state     connState
	paused    bool
	scheduled bool // the loop is going to attend to it
	mu        sync.Mutex
	out       *outbox // nil while nothing is unsent
	rare      *rare   // nil while there is nothing in it
}

// rare is the state of a connection that is being opened, closed, or slow. It is guarded by the mutex of the connection.
type rare struct {
	leftover []byte // delivered before anything is read
	err      error  // for OnClose
	eof      bool   // everything was read; what is being flushed is still sent

	timer   wheel.Timer // set: the connection is slow, or flushing
	flushBy time.Time   // the end of CloseAfterFlush
	linger  time.Time   // the end of the wait for the peer's close; zero: not everything is sent
	written uint64      // bytes, since the connection is slow
	goal    uint64      // what written has to reach before the timer expires
}

var (
	_ Conn     = (*epollConn)(nil)
	_ Deferrer = (*epollConn)(nil)
)

func (c *epollConn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	var addr net.Addr
	if c.fd >= 0 {
		addr = peerAddr(int(c.fd))
	}
	if addr == nil {
		addr = &net.TCPAddr{}
	}
	return addr
}

func (c *epollConn) Write(bufs ...[]byte) error {
	size := sizeOf(bufs)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admitLocked(size); err != nil || size == 0 {
		return err
	}
	if c.out != nil {
		c.out.add(bufs, size, 0)
		c.sendLocked()
		return c.brokenLocked()
	}
	return c.writeLocked(bufs, size)
}

// writeLocked writes to a connection with nothing unsent; what the socket does not take is queued.
func (c *epollConn) writeLocked(bufs [][]byte, size int) error {
	n := 0
	if direct(bufs) {
		var errno syscall.Errno
		if n, errno = writeSocket(int(c.fd), bufs, 0); errno != 0 && errno != syscall.EAGAIN {
			c.breakLocked(errno)
			return ErrClosed
		}
		if n == size {
			return nil
		}
	}
	c.out = outboxes.Get().(*outbox)
	c.out.add(bufs, size, n)
	c.sendLocked() // up to EAGAIN, which is what makes EPOLLOUT come
	return c.brokenLocked()
}

// direct reports that the buffers can be given to one system call as they are.
func direct(bufs [][]byte) bool {
	if len(bufs) > maxVector {
		return false
	}
	for _, b := range bufs {
		if len(b) == 0 {
			return false
		}
	}
	return true
}

// admitLocked decides whether size bytes may be written.
func (c *epollConn) admitLocked(size int) error {
	switch {
	case c.state != connOpen:
		return ErrClosed
	case size <= c.loop.reactor.options.MaxQueued-c.queuedLocked():
		return nil
	case c.out == nil || c.out.blocked:
		return ErrOverflow
	}
	// What is only deferred is no reason.
	c.sendLocked()
	switch {
	case c.state != connOpen:
		return ErrClosed
	case size > c.loop.reactor.options.MaxQueued-c.queuedLocked():
		return ErrOverflow
	}
	return nil
}

func (c *epollConn) WriteDeferred(b *Batch, bufs ...[]byte) error {
	size := sizeOf(bufs)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admitLocked(size); err != nil || size == 0 {
		return err
	}
	if c.out == nil {
		c.out = outboxes.Get().(*outbox)
	}
	c.out.add(bufs, size, 0)
	if c.out.blocked {
		return nil
	}
	if len(c.out.unsent()) >= deferBuffers || c.out.bytes >= deferBytes {
		c.sendLocked()
		return c.brokenLocked()
	}
	b.add(c, len(bufs), c.out.batch != b)
	c.out.batch = b
	return nil
}

func (c *epollConn) Flush() {
	c.mu.Lock()
	c.sendLocked()
	c.mu.Unlock()
}

// sendLocked sends what is unsent, as far as the socket takes it.
func (c *epollConn) sendLocked() {
	out := c.out
	if out == nil || out.blocked || c.state > connFlushing {
		return
	}
	for out.bytes > 0 {
		n, errno := writeSocket(int(c.fd), out.unsent(), out.sent)
		if errno == syscall.EAGAIN {
			out.blocked = true
			c.slowLocked(0)
			return
		}
		if errno != 0 {
			c.breakLocked(errno)
			return
		}
		out.advance(n)
		if c.rare != nil {
			c.rare.written += uint64(n)
		}
	}
	c.dropOutLocked()
	if c.state == connFlushing {
		c.halfCloseLocked()
	} else {
		c.calmLocked()
	}
}

func (c *epollConn) dropOutLocked() {
	if c.out != nil {
		c.out.release()
		c.out = nil
	}
}

func (c *epollConn) needRareLocked() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// slowLocked watches that what is unsent leaves within WriteTimeout. It does nothing while that is watched already,
// unless all of it has left.
func (c *epollConn) slowLocked(progress uint64) {
	r := c.needRareLocked()
	if c.state != connOpen || r.goal > progress {
		return
	}
	r.goal = r.written + uint64(c.out.bytes)
	c.loop.reactor.wheel.Reset(&r.timer, c.loop.reactor.options.WriteTimeout, c)
}

// calmLocked forgets that the connection was slow.
func (c *epollConn) calmLocked() {
	r := c.rare
	if r == nil || r.goal == 0 {
		return
	}
	c.loop.reactor.wheel.Stop(&r.timer)
	r.goal, r.written = 0, 0
	if r.leftover == nil {
		c.rare = nil
	}
}

// Expire implements wheel.Expirer: the connection is slow, or its flush or linger has taken too long.
func (c *epollConn) Expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rare
	switch {
	case r == nil:
	case c.state == connOpen && c.out != nil && r.goal > 0:
		if r.written < r.goal {
			c.closeLocked(os.ErrDeadlineExceeded)
			return
		}
		c.slowLocked(r.written)
	case c.state == connFlushing:
		end := r.flushBy
		if !r.linger.IsZero() {
			end = r.linger
		}
		if left := time.Until(end); left > 0 {
			c.loop.reactor.wheel.Reset(&r.timer, left, c)
			return
		}
		c.closeLocked(os.ErrDeadlineExceeded)
	}
}

func (c *epollConn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queuedLocked()
}

func (c *epollConn) queuedLocked() int {
	if c.out == nil {
		return 0
	}
	return c.out.bytes
}

func (c *epollConn) Writable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == connOpen && (c.out == nil || !c.out.blocked)
}

func (c *epollConn) Pause() {
	c.mu.Lock()
	c.paused = true
	c.mu.Unlock()
}

func (c *epollConn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused && (c.state == connOpen || c.state == connBroken) {
		c.scheduleLocked() // whatever has come meanwhile was no new edge
	}
	c.paused = false
}

func (c *epollConn) CloseAfterFlush(timeout time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connBroken {
		c.closeLocked(nil)
	}
	if c.state != connOpen {
		return
	}
	c.state = connFlushing
	r := c.needRareLocked()
	r.leftover = nil
	r.flushBy = time.Now().Add(timeout)
	c.loop.reactor.wheel.Reset(&r.timer, timeout, c)
	c.scheduleLocked() // it may have been paused; now it is read and discarded
	if c.out == nil {
		c.halfCloseLocked()
		return
	}
	c.sendLocked()
}

// halfCloseLocked ends the sending side of a flushed connection; the peer's close, or the linger, ends the rest.
func (c *epollConn) halfCloseLocked() {
	if c.rare.eof || syscall.Shutdown(int(c.fd), syscall.SHUT_WR) != nil {
		c.closeLocked(nil)
		return
	}
	r := c.rare
	r.linger = time.Now().Add(lingerAfterFlush)
	if r.flushBy.Before(r.linger) {
		r.linger = r.flushBy
	}
	c.loop.reactor.wheel.Reset(&r.timer, time.Until(r.linger), c)
}

func (c *epollConn) Close(err error) {
	c.mu.Lock()
	c.closeLocked(err)
	c.mu.Unlock()
}

// closeLocked decides about the error of OnClose, and leaves the rest to the loop goroutine.
func (c *epollConn) closeLocked(err error) {
	if c.state == connClosed {
		return
	}
	r := c.needRareLocked()
	switch {
	case c.state != connFlushing:
		r.err = err
	case c.out != nil && errors.Is(err, os.ErrDeadlineExceeded):
		r.err = ErrFlushTimeout
	case c.out != nil:
		r.err = err
	}
	c.state = connClosed
	r.leftover = nil
	c.loop.reactor.wheel.Stop(&r.timer)
	c.dropOutLocked()
	c.scheduleLocked()
}

// breakLocked handles an error of a write. What the peer has sent before it went away is still delivered.
func (c *epollConn) breakLocked(errno syscall.Errno) {
	gone := errno == syscall.EPIPE || errno == syscall.ECONNRESET
	if !gone || c.state != connOpen || c.paused {
		c.closeLocked(os.NewSyscallError("write", errno))
		return
	}
	c.state = connBroken
	c.dropOutLocked()
	c.calmLocked()
	c.scheduleLocked()
}

// brokenLocked is the result of a write that may have found the connection broken.
func (c *epollConn) brokenLocked() error {
	if c.state != connOpen {
		return ErrClosed
	}
	return nil
}

func (c *epollConn) scheduleLocked() {
	if !c.scheduled {
		c.scheduled = true
		c.loop.schedule(c)
	}
}
