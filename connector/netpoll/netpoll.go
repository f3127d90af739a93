// Package netpoll is the seam between protocol code and the way bytes reach and leave a socket.
//
// A Poller takes over an accepted connection and calls its Handler; the protocol writes through Conn and never
// blocks. There are two implementations, which New chooses from. Reactor, on Linux, drives plain TCP connections by a
// few epoll loops: an idle connection is one small struct. Goroutines is portable and also drives TLS (a reader
// goroutine per connection, a writer goroutine while something is queued). The contract suite in the tests of this
// package holds both to the same rules.
//
// # Order and batches
//
// The bytes of a connection leave in the order of the calls of Write and Batch.Write, whatever goroutine they come
// from. Conn.Write sends at once, together with everything deferred before it. Batch.Write waits for Batch.Flush, so
// that many messages for one connection leave in one system call. When several messages for one connection are
// known together, one Write with all of them is cheaper still.
//
// The package imports the standard library and the timing wheel beside it.
package netpoll

import (
	"errors"
	"net"
	"time"
)

var (
	// ErrClosed is returned by Write after Close, CloseAfterFlush, or the loss of the connection, and by Attach
	// after the poller was closed.
	ErrClosed = errors.New("netpoll: closed")
	// ErrOverflow is returned by Write when the bound of queued bytes would be exceeded.
	ErrOverflow = errors.New("netpoll: too many unsent bytes")
	// ErrFlushTimeout is what OnClose receives when CloseAfterFlush ran out of time.
	ErrFlushTimeout = errors.New("netpoll: flush timed out")
)

// Handler receives the events of one connection. The calls never overlap, come from a goroutine of the poller, and
// never from inside a method of Conn, so a handler may hold its own lock while it calls Conn.
type Handler interface {
	// OnData takes the next bytes. p is valid, and may be modified, only during the call. An error closes the
	// connection at once, like Conn.Close(err). It must not block for long: other connections may share the
	// goroutine.
	OnData(p []byte) error

	// OnClose is called exactly once, after the last OnData, when the socket is closed. err is io.EOF when the
	// peer closed, the argument of Close or the error of OnData, nil after a complete CloseAfterFlush, or the
	// error of the socket.
	OnClose(err error)
}

// Conn is an attached connection. All methods may be called from any goroutine.
type Conn interface {
	// Write queues the buffers. Those of one call leave adjacent and in order. The bytes are shared with other
	// connections: they are never modified, and not kept after they were sent; the slice bufs itself is not kept
	// at all. Write never blocks. Errors: ErrClosed; ErrOverflow, then nothing of this call is queued.
	Write(bufs ...[]byte) error

	// Queued is the number of unsent bytes, deferred ones included.
	Queued() int

	// Writable reports that nothing waits for the peer. What is only deferred does not count.
	Writable() bool

	// Pause stops the calls of OnData (one may be on its way), Resume allows them. A connection starts paused.
	Pause()
	Resume()

	// CloseAfterFlush stops the calls of OnData, sends what is queued, shuts the sending side down and closes
	// the socket when the peer has closed too, or soon after. After timeout the socket is closed in any case.
	CloseAfterFlush(timeout time.Duration)

	// Close closes the socket at once; unsent bytes are lost. The first of Close and CloseAfterFlush decides
	// about the error that OnClose sees; a Close during a flush still ends it.
	Close(err error)

	RemoteAddr() net.Addr
}

// Deferrer is implemented by the connections of this package. A Conn without it is written to at once by Batch.Write.
type Deferrer interface {
	// WriteDeferred is Write for the members of a batch: the buffers are queued, and leave at the latest when the
	// batch is flushed. They leave earlier when so much is queued that waiting saves nothing, or when somebody calls
	// Write, Flush or CloseAfterFlush.
	WriteDeferred(b *Batch, bufs ...[]byte) error

	// Flush sends what was deferred.
	Flush()
}

// Poller drives connections.
type Poller interface {
	// Attach takes over nc, which nobody else may use from then on, and starts paused: nothing is delivered before
	// the first Resume, so that the caller can store the Conn and write to it first. leftover are bytes already
	// read from nc; they are delivered first, and belong to the poller. When Attach fails nc is untouched.
	Attach(nc net.Conn, leftover []byte, h Handler) (Conn, error)

	// Close closes every connection and returns when the last OnClose has returned. It must not be called from a
	// Handler. Later calls of Attach fail with ErrClosed.
	Close() error
}
