package netpoll

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// lingerAfterFlush bounds how long a flushed connection waits for the peer to close. Closing before the peer's last
// bytes are read would make the kernel send a reset, which can destroy the close frame on its way.
const lingerAfterFlush = time.Second

type connState uint8

const (
	connOpen     connState = iota
	connFlushing           // CloseAfterFlush: input is discarded
	connBroken             // epollConn: a write has failed; what the peer had sent is still delivered
	connClosed
)

// goConn is a connection of Goroutines.
type goConn struct {
	// fixed after Attach
	poller   *Goroutines
	nc       net.Conn
	handler  Handler
	vectored bool // the kernel takes many buffers at once; otherwise they are joined first (TLS)

	// guarded by mu, under which neither the handler nor the socket is called (deadlines and closing excepted)
	mu      sync.Mutex
	readers sync.Cond // the reader goroutine waits here while paused or flushing
	state   connState
	paused  bool
	err     error    // for OnClose
	queue   [][]byte // not yet handed to the socket; nil while idle
	queued  int      // bytes in queue and in the write that is under way
	writing bool     // the writer goroutine exists
	batch   *Batch   // what is queued is deferred, and this is the last batch that owes a Flush
	flushBy time.Time
}

var (
	_ Conn     = (*goConn)(nil)
	_ Deferrer = (*goConn)(nil)
)

func newGoConn(g *Goroutines, nc net.Conn, h Handler) *goConn {
	c := &goConn{poller: g, nc: nc, handler: h, paused: true}
	c.readers.L = &c.mu
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.vectored = true
	}
	return c
}

func (c *goConn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

func (c *goConn) Write(bufs ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.queueLocked(bufs); err != nil {
		return err
	}
	c.flushLocked()
	return nil
}

func (c *goConn) WriteDeferred(b *Batch, bufs ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.queueLocked(bufs); err != nil {
		return err
	}
	switch {
	case c.writing: // the writer goroutine comes back to it anyway
	case len(c.queue) >= deferBuffers || c.queued >= deferBytes:
		c.flushLocked()
	case len(c.queue) > 0:
		b.add(c, len(bufs), c.batch != b)
		c.batch = b
	}
	return nil
}

func (c *goConn) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushLocked()
}

func (c *goConn) flushLocked() {
	if len(c.queue) > 0 {
		c.startWriterLocked()
	}
}

func (c *goConn) queueLocked(bufs [][]byte) error {
	size := sizeOf(bufs)
	if c.state != connOpen {
		return ErrClosed
	}
	if size > c.poller.options.MaxQueued-c.queued {
		return ErrOverflow
	}
	for _, b := range bufs {
		if len(b) > 0 {
			c.queue = append(c.queue, b)
		}
	}
	c.queued += size
	return nil
}

// startWriterLocked makes sure that a writer goroutine looks at the queue. The connection is not closed, so its
// reader is still counted in running, which therefore cannot be zero here.
func (c *goConn) startWriterLocked() {
	if !c.writing {
		c.writing, c.batch = true, nil
		c.poller.running.Go(c.writeLoop)
	}
}

func (c *goConn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

func (c *goConn) Writable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == connOpen && !c.writing
}

func (c *goConn) Pause() {
	c.mu.Lock()
	c.paused = true
	c.mu.Unlock()
}

func (c *goConn) Resume() {
	c.mu.Lock()
	c.paused = false
	c.readers.Signal()
	c.mu.Unlock()
}

func (c *goConn) CloseAfterFlush(timeout time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != connOpen {
		return
	}
	c.state = connFlushing
	c.flushBy = time.Now().Add(timeout)
	// One deadline ends a write that is under way and the reader that discards.
	_ = c.nc.SetDeadline(c.flushBy)
	c.readers.Signal()
	c.startWriterLocked()
}

func (c *goConn) Close(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked(err)
}

func (c *goConn) closeLocked(err error) {
	switch {
	case c.state == connClosed:
		return
	case c.state == connOpen:
		c.err = err
	case c.queued > 0 && errors.Is(err, os.ErrDeadlineExceeded):
		c.err = ErrFlushTimeout
	case c.queued > 0:
		c.err = err
	}
	unsent := c.queued > 0
	c.state = connClosed
	c.queue, c.queued = nil, 0
	c.readers.Signal()
	c.closeSocket(unsent)
}

// closeSocket does not block. Closing a TLS connection sends an alert, which may wait for the peer, so it has a
// goroutine of its own; when the peer does not even take what was queued there is no point in an alert.
func (c *goConn) closeSocket(unsent bool) {
	wrapper, wraps := c.nc.(interface{ NetConn() net.Conn })
	switch {
	case wraps && unsent:
		_ = wrapper.NetConn().Close()
	case c.vectored:
		_ = c.nc.Close()
	default:
		c.poller.running.Go(func() { _ = c.nc.Close() })
	}
}

// readLoop is the reader goroutine. It is the only caller of the handler.
func (c *goConn) readLoop(leftover []byte) {
	err := c.deliver(leftover)
	if err == nil {
		buf := make([]byte, c.poller.options.ReadBuffer)
		for err == nil {
			var n int
			n, err = c.nc.Read(buf)
			if n > 0 {
				if derr := c.deliver(buf[:n]); derr != nil {
					err = derr
				}
			}
		}
	}
	c.mu.Lock()
	if errors.Is(err, io.EOF) {
		// The peer has stopped sending but may still read what is being flushed; flushBy bounds the writer.
		for c.state == connFlushing && c.writing {
			c.readers.Wait()
		}
	}
	c.closeLocked(err)
	err = c.err
	c.mu.Unlock()
	c.poller.forget(c)
	c.handler.OnClose(err)
}

// deliver hands bytes to the handler, waiting while the connection is paused and discarding them once it is no
// longer open.
func (c *goConn) deliver(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	c.mu.Lock()
	for c.paused && c.state == connOpen {
		c.readers.Wait()
	}
	open := c.state == connOpen
	c.mu.Unlock()
	if !open {
		return nil
	}
	return c.handler.OnData(p)
}

// writeLoop is the writer goroutine: it lives until the queue is empty.
func (c *goConn) writeLoop() {
	for {
		bufs, size := c.takeQueue()
		if bufs == nil {
			return
		}
		err := c.send(bufs)
		c.mu.Lock()
		if err != nil {
			c.closeLocked(err)
		} else if c.state != connClosed {
			c.queued -= size
		}
		c.mu.Unlock()
	}
}

// takeQueue returns everything that is queued, or nil when the writer goroutine is to end.
func (c *goConn) takeQueue() (bufs [][]byte, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connFlushing && len(c.queue) == 0 {
		// Nothing can be queued any more. A TLS connection may block here, so not under the lock.
		c.mu.Unlock()
		c.halfClose()
		c.mu.Lock()
	}
	if c.state == connClosed || len(c.queue) == 0 {
		c.writing = false
		c.readers.Signal()
		return nil, 0
	}
	bufs, size, c.queue = c.queue, c.queued, nil
	deadline := time.Now().Add(c.poller.options.WriteTimeout)
	if c.state == connFlushing && c.flushBy.Before(deadline) {
		deadline = c.flushBy
	}
	_ = c.nc.SetWriteDeadline(deadline)
	return bufs, size
}

// halfClose ends the sending side of a flushed connection; the reader goroutine closes the rest.
func (c *goConn) halfClose() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		c.Close(nil)
		return
	}
	if soon := time.Now().Add(lingerAfterFlush); soon.Before(c.flushBy) { // flushBy is final in this state
		_ = c.nc.SetReadDeadline(soon)
	}
}

// send writes the buffers: in one vectored write where the kernel offers it, otherwise joined, because a TLS
// connection would make a record and a system call of every one.
func (c *goConn) send(bufs [][]byte) error {
	if c.vectored || len(bufs) == 1 {
		b := net.Buffers(bufs)
		_, err := b.WriteTo(c.nc)
		return err
	}
	const joinUpTo = 64 << 10
	var joined []byte
	for i, b := range bufs {
		if len(b) >= joinUpTo && len(joined) == 0 {
			if _, err := c.nc.Write(b); err != nil {
				return err
			}
			continue
		}
		joined = append(joined, b...)
		if len(joined) >= joinUpTo || i == len(bufs)-1 {
			if _, err := c.nc.Write(joined); err != nil {
				return err
			}
			joined = joined[:0]
		}
	}
	if len(joined) > 0 {
		_, err := c.nc.Write(joined)
		return err
	}
	return nil
}
