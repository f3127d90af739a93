package engineio

import (
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/lightpush/lightpush/connector/internal/wheel"
)

type sessionState uint8

const (
	stateOpening sessionState = iota // until OnOpen has returned; what is sent waits in queue
	stateOpen
	stateClosing // closed by the application; a polling client has not fetched everything yet
	stateClosed
)

// Session is one Engine.IO connection. All methods may be called from any goroutine, also from inside the callbacks
// of its Receiver.
type Session struct {
	// First what sending needs, in as few cache lines as possible; see Prefetch.

	near     atomic.Pointer[webSocket] // socket, for Prefetch
	mu       sync.Mutex
	socket   *webSocket   // guarded by mu; nil: the transport is polling
	state    sessionState // guarded by mu
	ending   bool         // guarded by mu; reason is decided
	beat     beat         // guarded by mu
	b64      bool         // fixed; the polling transport cannot carry binary (section 2.1)
	order    uint32       // fixed
	protocol Protocol     // fixed
	srv      *Server      // fixed

	// fixed after the handshake
	id    string
	jsonp *jsonp // nil: not a JSONP session

	// in is held during OnOpen and OnMessage, and for the length of a POST payload. Taken before mu.
	in       sync.Mutex
	receiver Receiver // guarded by in

	// guarded by mu
	reason  Reason   // why it ended
	request *Request // nil after ReleaseRequest
	queue   []*Message
	queued  int           // sum of Message.Len in queue
	poll    *heldGET      // nil: no GET is held
	post    *runningPOST  // nil: no POST is being read
	upgrade *upgrade      // nil: no upgrade is running
	paused  chan struct{} // nil: not paused; closed by Resume
	due     time.Duration // of beat, on the clock of Server.now
	timer   wheel.Timer   // links guarded by the wheel
}

// ID is the session id.
func (s *Session) ID() string { return s.id }

// Protocol is the version the client speaks.
func (s *Session) Protocol() Protocol { return s.protocol }

// Order grows from session to session, but for every 2^32nd. Sockets that were accepted one after the other lie side by
// side in the kernel, so a fan-out to many sessions in this order is cheaper than one in any other.
func (s *Session) Order() uint32 { return s.order }

// Transport is "polling" or "websocket". It changes once, when an upgrade completes.
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transportLocked()
}

func (s *Session) transportLocked() string {
	if s.socket != nil {
		return transportWebSocket
	}
	return transportPolling
}

// Request is what is kept of the handshake request; an empty one after ReleaseRequest. It must not be modified.
func (s *Session) Request() *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.request == nil {
		return &Request{}
	}
	return s.request
}

// ReleaseRequest forgets the handshake request, to save memory when the application has taken what it needs.
func (s *Session) ReleaseRequest() {
	s.mu.Lock()
	s.request = nil
	s.mu.Unlock()
}

func (s *Session) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateOpen || s.state == stateOpening
}

// Send queues the messages, all of them adjacent with respect to every other Send. It never blocks. Errors:
// ErrClosed; ErrOverflow, which has closed the session.
func (s *Session) Send(msgs ...*Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sendLocked(nil, msgs)
}

// SendDeferred is Send for fan-out: on a WebSocket the messages may wait until batch is flushed, so that several of them
// leave in one system call, and that of other sessions in parallel. They keep their order among themselves and with
// respect to Send, which does not wait and takes with it what was deferred before. Deferred messages count as
// unsent. Several messages known together are better given to one call. Errors are those of Send.
func (s *Session) SendDeferred(batch *Batch, msgs ...*Message) error {
	s.mu.Lock()
	err := s.sendLocked(batch, msgs)
	s.mu.Unlock()
	if batch.writes.Full() {
		batch.Flush()
	}
	return err
}

// SendVolatile sends the messages only if the transport can take them now: a GET is held, or nothing waits for the
// client on the WebSocket. It reports whether they were sent.
func (s *Session) SendVolatile(msgs ...*Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen {
		return false
	}
	if s.socket != nil {
		if !s.socket.conn.Writable() {
			return false
		}
	} else if s.poll == nil {
		return false
	}
	return s.sendLocked(nil, msgs) == nil
}

// sendLocked sends the messages; batch is nil unless they may be deferred.
func (s *Session) sendLocked(batch *Batch, msgs []*Message) error {
	if s.state != stateOpen && s.state != stateOpening || s.ending {
		return ErrClosed
	}
	if len(msgs) == 0 {
		return nil
	}
	if s.socket != nil && s.state == stateOpen {
		return s.writeSocketLocked(batch, msgs)
	}
	size := 0
	for _, m := range msgs {
		size += m.Len()
	}
	if size > s.srv.options.SendBuffer-s.queued {
		return s.overflowLocked()
	}
	s.queue = append(s.queue, msgs...)
	s.queued += size
	s.releaseGETLocked(nil)
	return nil
}

func (s *Session) overflowLocked() error {
	s.srv.observer.Overflowed(s)
	s.failLocked(ReasonSlowClient, closePacket, 0)
	return ErrOverflow
}

// takeLocked removes the packets of one GET answer from the queue.
func (s *Session) takeLocked() []*Message {
	n := min(len(s.queue), maxPacketsPerAnswer)
	batch := s.queue[:n:n]
	s.queue = s.queue[n:]
	if len(s.queue) == 0 {
		s.queue, s.queued = nil, 0
		return batch
	}
	for _, m := range batch {
		s.queued -= m.Len()
	}
	return batch
}

// Pause stops the flow from the client: a WebSocket is not read any more, the answer to a POST is withheld, for at
// most half of PingTimeout, until Resume. Messages already read may still be delivered. While a session is paused
// it is not closed for a lost heartbeat.
func (s *Session) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused != nil || s.state == stateClosed {
		return
	}
	s.paused = make(chan struct{})
	s.srv.observer.Paused(s)
	if s.socket != nil {
		s.socket.conn.Pause()
	}
}

// Resume undoes Pause.
func (s *Session) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resumeLocked()
}

func (s *Session) resumeLocked() {
	if s.paused == nil {
		return
	}
	close(s.paused)
	s.paused = nil
	if s.state == stateOpen && (s.beat == beatPong || s.beat == beatSilence) {
		s.armLocked(s.beat, max(s.due-s.srv.now(), s.srv.options.PingTimeout))
	}
	if s.socket != nil && s.state != stateOpening {
		s.socket.conn.Resume()
	}
}

// Close ends the session after what is queued was sent. A WebSocket then gets a close frame without status. On
// polling the next GETs fetch what is queued and then the close packet, for at most 30 s (section 2.11). Nothing
// that arrives after Close is delivered. An empty reason means ReasonForcedServerClose.
func (s *Session) Close(reason Reason) {
	if reason == "" {
		reason = ReasonForcedServerClose
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending:
		if s.state == stateClosing && reason == ReasonServerShutdown {
			s.armLocked(beatLinger, shutdownLinger) // do not wait as long as the first Close allowed
		}
	case s.state == stateOpening:
		s.endLocked(reason) // start does the rest
	case s.socket != nil:
		s.endLocked(reason)
		s.vanishLocked()
		s.socket.shutdown(0)
	case s.poll != nil: // then nothing is pending
		s.endLocked(reason)
		s.vanishLocked()
		s.releaseGETLocked(closePacket)
	default:
		s.endLocked(reason)
		s.state = stateClosing
		s.armLocked(beatLinger, s.lingerLocked())
	}
}

// lingerLocked is how long a closed polling session waits for the next GET.
func (s *Session) lingerLocked() time.Duration {
	if s.reason == ReasonServerShutdown {
		return shutdownLinger
	}
	return closeLinger
}

// fail ends the session at once, without sending what is queued on polling.
func (s *Session) fail(reason Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(reason, closePacket, 0)
}

// failLocked is fail with the packet that a held GET is answered with and the status of the WebSocket close frame
// (zero: none).
func (s *Session) failLocked(reason Reason, answer *Message, code ws.StatusCode) {
	if s.state == stateClosed {
		return
	}
	s.endLocked(reason)
	opening := s.state == stateOpening
	s.vanishLocked()
	s.queue, s.queued = nil, 0
	s.releaseGETLocked(answer)
	if s.post != nil {
		s.post.abort()
	}
	switch {
	case s.socket == nil || opening: // start closes the socket
	case reason == ReasonSlowClient:
		s.socket.conn.Close(ErrOverflow)
	default:
		s.socket.shutdown(code)
	}
}

// endLocked decides the reason: the session is no longer open. It stops what runs beside the transport, and has
// OnClose called.
func (s *Session) endLocked(reason Reason) {
	if s.ending {
		return
	}
	s.ending, s.reason = true, reason
	s.disarmLocked()
	s.dropUpgradeLocked()
	s.resumeLocked()
	s.srv.ended(s)
	s.srv.closers.add(s, reason)
}

// vanishLocked makes the session unknown to new requests.
func (s *Session) vanishLocked() {
	s.state = stateClosed
	s.disarmLocked()
	s.srv.forget(s)
}

// notifyClosed calls OnClose after a running OnOpen or OnMessage.
func (s *Session) notifyClosed(reason Reason) {
	defer s.srv.tasks.done()
	s.in.Lock()
	receiver := s.receiver
	s.receiver = nil
	s.in.Unlock()
	if receiver != nil {
		_ = s.guard(func() error {
			receiver.OnClose(reason)
			return nil
		})
	}
	s.srv.observer.SessionClosed(s, reason)
}

// runOnOpen asks the application for the receiver, and ends the session when there is none. The caller holds in.
func (s *Session) runOnOpen() {
	s.srv.observer.SessionOpened(s)
	err := s.guard(func() error {
		s.receiver = s.srv.handler.OnOpen(s)
		return nil
	})
	switch {
	case err != nil:
		s.fail(ReasonReceiverPanic)
	case s.receiver == nil:
		s.fail(ReasonForcedClose)
	}
}

// handleAndUnlock processes one packet of the current transport. It requires in and mu, and releases mu.
func (s *Session) handleAndUnlock(p packet, fromSocket bool) error {
	if s.state != stateOpen {
		if s.state == stateClosing && p.typ == typeClose {
			s.failLocked(s.reason, noopPacket, 0)
		}
		s.mu.Unlock()
		return errStop
	}
	s.srv.observer.Received(1, len(p.data))
	s.heardLocked(p.typ)
	if p.typ == typeMessage {
		s.mu.Unlock()
		return s.deliver(p)
	}
	defer s.mu.Unlock()
	switch p.typ {
	case typePing:
		if s.protocol == V4 { // only the server pings (section 2.9)
			s.failLocked(ReasonTransportError, closePacket, 0)
		} else {
			_ = s.sendLocked(nil, pongPackets) // plain, whatever the ping carried
		}
	case typeClose:
		if !fromSocket { // on a WebSocket only the close frame counts (section 2.4)
			s.failLocked(ReasonTransportClose, noopPacket, 0)
		}
	}
	if s.state == stateClosed {
		return errStop
	}
	return nil
}

// deliver calls OnMessage; the caller holds in.
func (s *Session) deliver(p packet) error {
	receiver := s.receiver
	if receiver == nil {
		return errStop
	}
	err := s.guard(func() error { return receiver.OnMessage(p.binary, p.data) })
	if err == nil {
		return nil
	}
	reason := ReasonForcedClose
	var chosen *CloseError
	switch {
	case errors.Is(err, errPanicked):
		reason = ReasonReceiverPanic
	case errors.As(err, &chosen) && chosen.Reason != "":
		reason = chosen.Reason
	}
	s.Close(reason)
	return errStop
}

var errPanicked = errors.New("engineio: receiver panicked")

// guard isolates a panic of the application to its session.
func (s *Session) guard(call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.srv.observer.Panicked(s, v, debug.Stack())
			err = errPanicked
		}
	}()
	return call()
}
