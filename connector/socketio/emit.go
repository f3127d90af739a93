package socketio

import (
	"slices"

	"github.com/lightpush/lightpush/connector/engineio"
)

// Emit sends an event to this client; it never blocks. Values of type Binary
// or []byte travel as attachments. ErrClosed before the CONNECT answer, that
// is in middlewares, and when the client is gone; engineio.ErrOverflow when
// the client is too slow and has been disconnected.
func (s *Socket) Emit(event string, args ...any) error {
	if s.ns.server.recoveryStore != nil {
		return s.emitKept(event, args)
	}
	msgs, err := encodeEvent(s.ns.name, noAck, event, args)
	if err != nil {
		return err
	}
	return s.send(msgs)
}

// EmitVolatile sends an event if it can leave now and reports whether it did.
func (s *Socket) EmitVolatile(event string, args ...any) bool {
	msgs, err := encodeEvent(s.ns.name, noAck, event, args)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connectedLocked() && s.session.SendVolatile(msgs...)
}

// send writes to the client directly, ahead of held broadcasts.
func (s *Socket) send(msgs []*engineio.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.connectedLocked() {
		return ErrClosed
	}
	return s.sendLocked(msgs)
}

// deliver writes a broadcast, or holds it until the connection handler has
// returned. It reports whether the message is on its way.
func (s *Socket) deliver(p *Prepared, batch *engineio.Batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateReady:
		return !s.hasSeen(p) && s.session.SendBundle(batch, s.form(p)) == nil
	case stateClosed:
		return false
	}
	return s.holdLocked(p)
}

// hasSeen reports that the event was replayed to this client. It is asked
// under mu.
func (s *Socket) hasSeen(p *Prepared) bool {
	if s.seen == nil || p.offset == "" {
		return false
	}
	_, seen := s.seen[p.offset]
	return seen
}

// deliverVolatile drops what would have to be held: it cannot leave now.
func (s *Socket) deliverVolatile(p *Prepared) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateReady && s.session.SendVolatile(p.event.Messages()...)
}

// holdLocked is bounded like the engine's own queue.
func (s *Socket) holdLocked(p *Prepared) bool {
	j := s.joining
	j.heldBytes += p.size()
	if j.heldBytes > s.ns.server.opts.Engine.SendBuffer {
		j.held = nil
		s.session.Close(engineio.ReasonSlowClient) // OnClose comes on another goroutine
		return false
	}
	j.held = append(j.held, p)
	return true
}

// release sends what was held and lets broadcasts through. Under mu, so that
// no later broadcast overtakes.
func (s *Socket) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateHolding { // closing has sent what was corked
		return
	}
	held := s.joining.held
	if s.seen != nil {
		held = slices.DeleteFunc(held, s.hasSeen)
		s.forgetSeenLater()
	}
	if len(held) > 0 {
		_ = s.sendLocked(s.appendForms(nil, held))
	}
	s.uncorkLocked()
	s.state = stateReady
	s.joining = nil
}

func (s *Socket) connectedLocked() bool { return s.state == stateHolding || s.state == stateReady }

func (s *Socket) connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connectedLocked()
}
