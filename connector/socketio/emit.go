package socketio

import "github.com/lightpush/lightpush/connector/engineio"

// Emit sends an event to this client; it never blocks. Values of type Binary
// or []byte travel as attachments. ErrClosed before the CONNECT answer, that
// is in middlewares, and when the client is gone; engineio.ErrOverflow when
// the client is too slow and has been disconnected.
func (s *Socket) Emit(event string, args ...any) error {
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
	return s.session.Send(msgs...)
}

// deliver writes a broadcast, or holds it until the connection handler has
// returned. It reports whether the message is on its way.
func (s *Socket) deliver(msgs []*engineio.Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateReady:
		return s.session.Send(msgs...) == nil
	case stateClosed:
		return false
	}
	return s.holdLocked(msgs)
}

// deliverVolatile drops what would have to be held: it cannot leave now.
func (s *Socket) deliverVolatile(msgs []*engineio.Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateReady && s.session.SendVolatile(msgs...)
}

// holdLocked is bounded like the engine's own queue.
func (s *Socket) holdLocked(msgs []*engineio.Message) bool {
	j := s.joining
	for _, m := range msgs {
		j.heldBytes += m.Len()
	}
	if j.heldBytes > s.ns.server.opts.Engine.SendBuffer {
		j.held = nil
		s.session.Close(engineio.ReasonSlowClient) // OnClose comes on a goroutine of its own
		return false
	}
	j.held = append(j.held, msgs...)
	return true
}

// release sends what was held and lets broadcasts through. Under mu, so that
// no later broadcast overtakes.
func (s *Socket) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateHolding {
		return
	}
	if held := s.joining.held; len(held) > 0 {
		_ = s.session.Send(held...)
	}
	s.state = stateReady
	s.joining = nil
}

func (s *Socket) connectedLocked() bool { return s.state == stateHolding || s.state == stateReady }

func (s *Socket) connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connectedLocked()
}
