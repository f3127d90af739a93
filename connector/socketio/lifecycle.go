package socketio

import (
	"context"

	"github.com/lightpush/lightpush/connector/engineio"
)

// admitting keeps the cancel function of the middlewares that are about to
// run; false when the client is gone.
func (s *Socket) admitting(cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateClosed {
		return false
	}
	s.joining.cancel = cancel
	if s.joining.evicted {
		cancel()
	}
	return true
}

// welcome answers CONNECT, now that all middlewares have passed. It reports
// whether there is still a client, and whether the server has sent it away
// meanwhile.
func (s *Socket) welcome() (connected, evicted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed = true
	if s.state == stateClosed {
		return false, false
	}
	s.state = stateHolding
	s.joining.cancel = nil
	c := s.lane.conn
	c.markJoined(s.lane.name)
	msgs := encodeConnect(s.lane.name, s.id, s.pid, c.sio4)
	if s.joining.replay != nil {
		msgs = append(s.appendForms(nil, s.joining.replay), msgs...)
	}
	if s.ns.onConnect != nil && !s.joining.evicted {
		s.corkLocked()
	}
	_ = s.sendLocked(msgs)
	return true, s.joining.evicted
}

// connectAgain handles another CONNECT of the client. It is not handled when
// this socket has ended: then its end is queued, and a new one may follow.
func (s *Socket) connectAgain() (handled bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch sio4 := s.lane.conn.sio4; {
	case s.state == stateClosed:
		return false, nil
	case s.state == stateJoining: // the answer is on its way (quirk Q8 is not copied)
		return true, nil
	case !sio4:
		return true, errAlreadyJoined
	case s.lane.name != "/": // socket.io 2.x; "40/," is ignored (quirk Q7 is not copied)
		return true, s.session.Send(encodeConnect(s.lane.name, s.id, "", true)...)
	}
	return true, nil
}

// refuse ends a socket whose middleware has failed. It reports whether the
// client was still there to be told; if it has left by itself, an answer
// could be taken for that to its next CONNECT.
func (s *Socket) refuse(answer []*engineio.Message) bool {
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return false
	}
	s.closeLocked()
	_ = s.session.Send(answer...)
	s.lane.free(s)
	s.mu.Unlock()
	s.ns.remove(s) // a recovered one is there already
	return true
}

// Disconnect makes the client leave the namespace ("io server disconnect" on
// its side, no reconnect); with closeConn it leaves all namespaces and the
// connection is closed. A client that is still joining leaves as soon as its
// middlewares, whose context ends now, have returned.
func (s *Socket) Disconnect(closeConn bool) {
	if closeConn {
		s.lane.conn.closeAll()
		return
	}
	s.end(ReasonServerNamespace, true)
}

// end takes the socket out of its namespace and queues the disconnect handler
// behind the events that came before. With tell the client hears of it.
func (s *Socket) end(reason engineio.Reason, tell bool) {
	if s.quit(reason, tell) {
		go s.lane.run()
	}
}

// quit is end without running the lane, which the caller must do when told to
// start.
func (s *Socket) quit(reason engineio.Reason, tell bool) (start bool) {
	s.mu.Lock()
	var cancel context.CancelFunc
	if s.joining != nil {
		cancel = s.joining.cancel
	}
	switch {
	case s.state == stateClosed:
		s.mu.Unlock()
		return false
	case s.state == stateJoining && tell:
		// The client waits for an answer to CONNECT; accept gives it.
		s.joining.evicted = true
		s.mu.Unlock()
		if cancel != nil {
			cancel()
		}
		return false
	}
	if tell {
		_ = s.session.Send(encodeDisconnect(s.lane.name)...)
	}
	acks := s.closeLocked()
	// Still under mu: whoever sees the socket closed may rely on its end
	// being queued.
	start = s.lane.retire(s, reason)
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	s.ns.remove(s)
	for _, a := range acks {
		s.finish(a, Args{}, ErrClosed)
	}
	return start
}

// closeLocked leaves all rooms and returns the acks nobody will answer.
func (s *Socket) closeLocked() (acks map[uint64]*pendingAck) {
	s.state = stateClosed
	if s.joining != nil {
		s.uncorkLocked()
		s.joining.held = nil // the rest is for a middleware that still runs
	}
	for _, room := range s.rooms {
		s.ns.rooms.remove(room, s)
	}
	acks, s.acks = s.acks, nil
	return acks
}

// hasPassed reports whether the application has accepted the socket.
func (s *Socket) hasPassed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passed
}

func (s *Socket) handleEnd(reason engineio.Reason) {
	passed := s.hasPassed()
	if passed || s.recovered {
		s.keep(reason)
	}
	if passed && s.ns.onDisconnect != nil {
		s.ns.onDisconnect(s, reason)
	}
}

// handleEvent runs in the lane. Events that came before the end of the socket
// are handled although the client is gone: what it reported must not get lost
// because it closed right behind it.
func (s *Socket) handleEvent(in *incoming) {
	if !s.hasPassed() {
		return // refused
	}
	handler := s.ns.events[in.event]
	if handler == nil {
		handler = s.ns.onAny
	}
	if handler == nil {
		return
	}
	e := &Event{Name: in.event, Args: in.args, socket: s, ackID: noAck}
	if in.hasAckID {
		e.ackID = int64(in.ackID)
	}
	handler(s, e)
}
