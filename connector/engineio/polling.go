package engineio

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	contentText   = "text/plain; charset=UTF-8"
	contentOctets = "application/octet-stream" // without parameters: java 1.x compares the whole value
	contentHTML   = "text/html"

	compressFrom = 1024 // bytes of a GET answer
)

// heldGET is a GET that waits for a packet. Whoever releases it takes it out of Session.poll first.
type heldGET struct {
	released chan struct{} // capacity 1
	answer   *Message      // when nothing is queued; nil means noop. Written before released.
}

// releaseGETLocked lets the held GET answer: with what is queued then, or else with answer (nil: noop).
func (s *Session) releaseGETLocked(answer *Message) {
	if s.poll == nil {
		return
	}
	s.poll.answer = answer
	s.poll.released <- struct{}{}
	s.poll = nil
}

// handshakePolling answers with the open packet and with what OnOpen sent.
func (c *call) handshakePolling() {
	s := new(Session)
	c.initSession(s, nil)
	if err := c.open(s); err != nil {
		c.unavailable(err)
		return
	}
	s.mu.Lock()
	if s.state == stateClosed { // failed inside OnOpen
		s.mu.Unlock()
		c.unavailable(nil)
		return
	}
	batch := s.takeLocked()
	if s.ending {
		s.state = stateClosing
		s.armLocked(beatLinger, s.lingerLocked())
	} else {
		s.state = stateOpen
		s.startHeartbeatLocked()
	}
	s.mu.Unlock()
	if s.protocol == V4 { // a session of version 3 gets it with every answer
		c.setCookie(s, http.SameSiteLaxMode)
	}
	c.answerPackets(s, batch)
}

func (c *call) setCookie(s *Session, site http.SameSite) {
	if name := c.srv.options.Cookie; name != "" {
		http.SetCookie(c.w, &http.Cookie{Name: name, Value: s.id, Path: "/", HttpOnly: true, SameSite: site})
	}
}

// get answers with what is queued, or holds the request until something is (section 2.6).
func (c *call) get(s *Session) {
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
	case s.poll != nil:
		s.failLocked(ReasonTransportError, closePacket, 0)
		s.mu.Unlock()
		c.status(http.StatusBadRequest)
		return
	}
	batch := s.takeLocked()
	if len(batch) == 0 && s.state == stateOpen {
		var aborted bool
		if batch, aborted = c.holdAndUnlock(s); !aborted {
			c.answerPackets(s, batch)
		}
		return
	}
	if len(batch) > 0 && s.state == stateClosing { // the next GET is waited for again
		s.armLocked(beatLinger, s.lingerLocked())
	}
	if len(batch) == 0 {
		batch = []*Message{noopPacket, closePacket}
		s.vanishLocked()
	}
	s.mu.Unlock()
	c.answerPackets(s, batch)
}

// holdAndUnlock waits until the GET is released. During a probe it waits for at most releaseInterval, because clients
// switch to the WebSocket only when their last GET has returned (section 2.10).
func (c *call) holdAndUnlock(s *Session) (batch []*Message, aborted bool) {
	held := &heldGET{released: make(chan struct{}, 1)}
	s.poll = held
	var expired <-chan time.Time
	if s.upgrade != nil && s.upgrade.probed {
		timer := time.NewTimer(releaseInterval)
		defer timer.Stop()
		expired = timer.C
	}
	s.mu.Unlock()

	// Deadlines of the HTTP server are for requests that are not meant to wait.
	rc := http.NewResponseController(c.w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})

	select {
	case <-held.released:
	case <-expired:
	case <-c.r.Context().Done():
		aborted = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll == held {
		s.poll = nil
	}
	if aborted {
		if s.socket == nil {
			s.failLocked(ReasonTransportError, closePacket, 0)
		}
		return nil, true
	}
	if s.socket == nil {
		batch = s.takeLocked()
	}
	if len(batch) == 0 {
		batch = []*Message{noopPacket}
		if held.answer != nil {
			batch[0] = held.answer
		}
	}
	return batch, false
}

// answerPackets writes a GET answer.
func (c *call) answerPackets(s *Session, batch []*Message) {
	if s.protocol == V3 {
		c.setCookie(s, http.SameSiteStrictMode)
	}
	body, octets := payload(s.protocol, s.b64, batch)
	contentType := contentText
	if octets {
		contentType = contentOctets
	}
	if s.jsonp != nil {
		body = s.jsonp.wrap(body)
	}
	c.srv.observer.Sent(len(batch), len(body))
	if c.srv.options.HTTPCompression && len(body) >= compressFrom && acceptsGzip(c.r) {
		body = compress(body)
		c.w.Header().Set("Content-Encoding", "gzip")
		c.w.Header().Add("Vary", "Accept-Encoding")
	}

	// The whole answer is flushed under a deadline of its own: a client that does not read must not keep this
	// goroutine for longer.
	rc := http.NewResponseController(c.w)
	_ = rc.SetWriteDeadline(time.Now().Add(answerTimeout))
	c.ok(contentType, body)
	err := rc.Flush()
	_ = rc.SetWriteDeadline(time.Time{})
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.fail(ReasonTransportError)
	}
}

// ok writes a 200 with the headers of section 2.6.
func (c *call) ok(contentType string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	if agent := c.r.UserAgent(); strings.Contains(agent, ";MSIE") || strings.Contains(agent, "Trident/") {
		h.Set("X-XSS-Protection", "0")
	}
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(body)
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

func compress(body []byte) []byte {
	out := &byteSink{b: make([]byte, 0, len(body)/2)}
	gz := gzipWriters.Get().(*gzip.Writer)
	gz.Reset(out)
	_, _ = gz.Write(body) // a byteSink does not fail
	_ = gz.Close()
	gzipWriters.Put(gz)
	return out.b
}

type byteSink struct{ b []byte }

func (s *byteSink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// acceptsGzip reports that gzip, or everything, is accepted with a weight above zero.
func acceptsGzip(r *http.Request) bool {
	for _, line := range r.Header["Accept-Encoding"] {
		for item := range strings.SplitSeq(line, ",") {
			coding, weight, _ := strings.Cut(item, ";")
			coding = strings.TrimSpace(coding)
			if !strings.EqualFold(coding, "gzip") && coding != "*" {
				continue
			}
			q, isQ := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			value, err := strconv.ParseFloat(q, 64)
			return !isQ || err == nil && value > 0
		}
	}
	return false
}
