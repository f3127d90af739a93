package engineio

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// runningPOST is the POST whose body is being read or whose packets are being handled; a session has one at most.
type runningPOST struct {
	control *http.ResponseController
	reading bool // guarded by Session.mu: the body is not complete
}

// abort makes the reading of the body fail.
func (p *runningPOST) abort() {
	if p.reading {
		_ = p.control.SetReadDeadline(time.Unix(1, 0))
	}
}

var errBodyTooLarge = errors.New("engineio: body too large")

// post takes a payload of the client (section 2.6). The answer is ok even for an undecodable body, which ends the
// session.
func (c *call) post(s *Session) {
	running := &runningPOST{control: http.NewResponseController(c.w), reading: true}
	s.mu.Lock()
	switch {
	case s.state == stateOpening || s.state == stateClosed:
		s.mu.Unlock()
		c.refuse(refuseSession)
		return
	case s.socket != nil:
		s.mu.Unlock()
		c.refuse(refuseRequest)
		return
	case s.post != nil, s.protocol == V4 && c.r.Header.Get("Content-Type") == contentOctets:
		s.failLocked(ReasonTransportError, closePacket, 0)
		s.mu.Unlock()
		c.status(http.StatusBadRequest)
		return
	}
	s.post = running
	s.mu.Unlock()

	buf := bodies.Get().(*body)
	defer buf.release()
	err := buf.read(c.r, c.srv.options.MaxPayload)

	s.mu.Lock()
	running.reading = false
	if err == nil {
		s.mu.Unlock()
		s.receivePayload(buf.b, c.r.Header.Get("Content-Type"))
		s.waitResumed(c.r)
		s.mu.Lock()
	} else if !errors.Is(err, errBodyTooLarge) {
		s.failLocked(ReasonTransportError, closePacket, 0)
	}
	s.post = nil
	s.mu.Unlock()

	switch {
	case err == nil:
		if s.protocol == V3 {
			c.setCookie(s, http.SameSiteStrictMode)
		}
		c.ok(contentHTML, []byte("ok"))
	case errors.Is(err, errBodyTooLarge): // the session goes on
		c.status(http.StatusRequestEntityTooLarge)
	default:
		c.reset()
	}
}

// reset drops the connection without an answer.
func (c *call) reset() {
	nc, _, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: the same for the stream
	}
	_ = nc.Close()
}

// receivePayload handles the packets of one POST.
func (s *Session) receivePayload(p []byte, contentType string) {
	if s.jsonp != nil {
		var ok bool
		if p, ok = jsonpBody(p); !ok {
			return
		}
	}
	decode := decodePayloadV3Text
	switch {
	case s.protocol == V4:
		decode = decodePayloadV4
	case contentType == contentOctets && s.jsonp == nil:
		decode = decodePayloadV3Binary
	}
	s.in.Lock()
	defer s.in.Unlock()
	err := decode(p, func(p packet) error {
		s.mu.Lock()
		return s.handleAndUnlock(p, false)
	})
	if err != nil && !errors.Is(err, errStop) {
		s.fail(ReasonParseError)
	}
}

// waitResumed withholds the answer of a POST while the session is paused, but not so long that the client, which
// sends no second POST meanwhile, misses a heartbeat.
func (s *Session) waitResumed(r *http.Request) {
	s.mu.Lock()
	resumed := s.paused
	s.mu.Unlock()
	if resumed == nil {
		return
	}
	limit := time.NewTimer(s.srv.options.PingTimeout / 2)
	defer limit.Stop()
	select {
	case <-resumed:
	case <-limit.C:
	case <-r.Context().Done():
	}
}

// body is a pooled buffer for a POST body.
type body struct{ b []byte }

var bodies = sync.Pool{New: func() any { return &body{b: make([]byte, 0, 1024)} }}

// release returns the buffer to the pool unless it grew large.
func (buf *body) release() {
	if cap(buf.b) <= 64<<10 {
		buf.b = buf.b[:0]
		bodies.Put(buf)
	}
}

// read reads at most limit bytes. The buffer grows with what arrives, not with the announced length.
func (buf *body) read(r *http.Request, limit int) error {
	if r.ContentLength > int64(limit) {
		return errBodyTooLarge
	}
	for {
		if len(buf.b) == cap(buf.b) {
			buf.b = append(buf.b, 0)[:len(buf.b)]
		}
		n, err := r.Body.Read(buf.b[len(buf.b):cap(buf.b)])
		buf.b = buf.b[:len(buf.b)+n]
		if len(buf.b) > limit {
			return errBodyTooLarge
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
