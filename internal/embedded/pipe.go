package embedded

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipe is the in-memory connection between go-redis and a session. net.Pipe would not do: its writes wait for the
// reader, and a client that writes a long pipeline while the server writes the first replies would wait for ever.
// Requests wait when 256 KiB are unread, replies never wait: a client that leaves maxUnread of them is disconnected.
type pipe struct {
	requests, replies *stream
	gone              chan struct{} // closed with the pipe, by either side
	once              sync.Once
}

const requestBuffer = 256 << 10

var errUnread = errors.New("client leaves too many replies unread")

func newPipe() *pipe {
	return &pipe{requests: newStream(requestBuffer), replies: newStream(0), gone: make(chan struct{})}
}

// close ends both directions; what is buffered can still be read.
func (p *pipe) close() {
	p.once.Do(func() {
		p.requests.close()
		p.replies.close()
		close(p.gone)
	})
}

// clientConn is the client's end.
type clientConn struct{ p *pipe }

var _ net.Conn = clientConn{}

func (c clientConn) Read(b []byte) (int, error)         { return c.p.replies.read(b) }
func (c clientConn) Write(b []byte) (int, error)        { return c.p.requests.write(b) }
func (c clientConn) Close() error                       { c.p.close(); return nil }
func (c clientConn) LocalAddr() net.Addr                { return pipeAddr{} }
func (c clientConn) RemoteAddr() net.Addr               { return pipeAddr{} }
func (c clientConn) SetReadDeadline(t time.Time) error  { return c.p.replies.setDeadline(t, true) }
func (c clientConn) SetWriteDeadline(t time.Time) error { return c.p.requests.setDeadline(t, false) }
func (c clientConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "embedded" }
func (pipeAddr) String() string  { return "embedded" }

// stream is one direction: a growing buffer. limit bounds what waits unread; 0 means that write fails at maxUnread.
type stream struct {
	limit int

	mu       sync.Mutex
	cond     sync.Cond
	buf      []byte
	start    int // buf[start:] is unread
	closed   bool
	readEnd  time.Time
	writeEnd time.Time
}

func newStream(limit int) *stream {
	s := &stream{limit: limit}
	s.cond.L = &s.mu
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.start == len(s.buf) {
		if s.closed {
			return 0, io.EOF
		}
		if err := s.waitLocked(&s.readEnd); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.buf[s.start:])
	s.start += n
	if s.start == len(s.buf) {
		if cap(s.buf) > 1<<20 {
			s.buf = nil
		}
		s.buf, s.start = s.buf[:0], 0
	}
	s.cond.Broadcast()
	return n, nil
}

func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	written := 0
	for len(b) > 0 {
		if s.closed {
			return written, io.ErrClosedPipe
		}
		unread := len(s.buf) - s.start
		n := len(b)
		switch {
		case s.limit > 0 && unread >= s.limit:
			if err := s.waitLocked(&s.writeEnd); err != nil {
				return written, err
			}
			continue
		case s.limit > 0:
			n = min(n, s.limit-unread)
		case unread+n > maxUnread:
			return written, errUnread
		}
		if s.start > 0 && len(s.buf)+n > cap(s.buf) {
			s.buf = s.buf[:copy(s.buf, s.buf[s.start:])]
			s.start = 0
		}
		s.buf = append(s.buf, b[:n]...)
		b = b[n:]
		written += n
		s.cond.Broadcast()
	}
	return written, nil
}

// waitLocked waits for a change of the stream, or until the deadline. A timer exists only while somebody waits.
func (s *stream) waitLocked(deadline *time.Time) error {
	if deadline.IsZero() {
		s.cond.Wait()
		return nil
	}
	d := time.Until(*deadline)
	if d <= 0 {
		return os.ErrDeadlineExceeded
	}
	t := time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cond.Broadcast()
	})
	s.cond.Wait()
	t.Stop()
	return nil
}

func (s *stream) setDeadline(t time.Time, read bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if read {
		s.readEnd = t
	} else {
		s.writeEnd = t
	}
	s.cond.Broadcast()
	return nil
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.cond.Broadcast()
}
