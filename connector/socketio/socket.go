package socketio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"sync"

	"github.com/lightpush/lightpush/connector/engineio"
)

// Socket is one client in one namespace. Safe for concurrent use; Data is
// the application's and needs care of its own.
type Socket struct {
	// Data is the application's state of this socket. Set it in a
	// middleware or the connection handler.
	Data any

	// fixed after creation
	id   string
	lane *lane
	ns   *Namespace

	mu        sync.Mutex
	state     socketState
	handshake *Handshake          // nil once the socket is ready
	passed    bool                // all middlewares have passed
	ended     bool                // quit has been called
	cancel    context.CancelFunc  // of the middlewares that run now
	held      []*engineio.Message // broadcasts that wait for the connection handler
	heldN     int                 // bytes of held
	rooms     []string            // in order of joining; names shared with the room table
	acks      map[uint64]*pendingAck
}

type socketState uint8

const (
	stateJoining socketState = iota // middlewares run; broadcasts are held
	stateHolding                    // connected; the connection handler runs, broadcasts are held
	stateReady
	stateClosed
)

func newSocket(l *lane, ns *Namespace, h *Handshake) *Socket {
	s := &Socket{lane: l, ns: ns, handshake: h}
	switch {
	case !l.conn.decoder.sio4:
		s.id = randomID()
	case l.name == "/":
		s.id = l.conn.session.ID()
	default: // SIO4 clients compute the id themselves
		s.id = l.name + "#" + l.conn.session.ID()
	}
	return s
}

func randomID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ID is the socket's id as the client knows it.
func (s *Socket) ID() string { return s.id }

// Namespace the socket is in.
func (s *Socket) Namespace() *Namespace { return s.ns }

// Session is the connection below, which other namespaces may share.
func (s *Socket) Session() *engineio.Session { return s.lane.conn.session }

// Protocol is the generation the client speaks.
func (s *Socket) Protocol() engineio.Protocol { return s.Session().Protocol() }

// Handshake is available to middlewares and the connection handler, and nil
// afterwards, so that an idle socket does not keep it.
func (s *Socket) Handshake() *Handshake {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handshake
}

// Join adds the socket to rooms. A socket may join while its middlewares
// run. ErrClosed when the client is gone.
func (s *Socket) Join(rooms ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return ErrClosed
	}
	for _, room := range rooms {
		if !slices.Contains(s.rooms, room) {
			// Lock order: Socket.mu, then the room table's shard.
			s.rooms = append(s.rooms, s.ns.rooms.add(room, s))
		}
	}
	return nil
}

// Leave removes the socket from rooms.
func (s *Socket) Leave(rooms ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, room := range rooms {
		if i := slices.Index(s.rooms, room); i >= 0 {
			s.rooms = slices.Delete(s.rooms, i, i+1)
			s.ns.rooms.remove(room, s)
		}
	}
}

// Rooms returns the rooms the socket has joined.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rooms)
}

// In reports whether the socket is in room.
func (s *Socket) In(room string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.rooms, room)
}

// Emit sends an event to this client; it never blocks. Values of type Binary
// or []byte travel as attachments.
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
	if err != nil || !s.connected() {
		return false
	}
	return s.Session().SendVolatile(msgs...)
}

// send writes to the client directly, ahead of held broadcasts.
func (s *Socket) send(msgs []*engineio.Message) error {
	if !s.connected() {
		return ErrClosed
	}
	return s.Session().Send(msgs...)
}

// deliver writes a broadcast, or holds it until the connection handler has
// returned. It reports whether the message is on its way.
func (s *Socket) deliver(msgs []*engineio.Message) bool {
	s.mu.Lock()
	switch s.state {
	case stateReady:
		s.mu.Unlock()
		return s.Session().Send(msgs...) == nil
	case stateClosed:
		s.mu.Unlock()
		return false
	}
	defer s.mu.Unlock()
	for _, m := range msgs {
		s.heldN += m.Len()
	}
	if limit := s.lane.conn.server.opts.Engine.SendBuffer; limit > 0 && s.heldN > limit {
		s.held, s.heldN = nil, 0
		go s.Session().Close(engineio.ReasonSlowClient) // not under mu: it calls back into end
		return false
	}
	s.held = append(s.held, msgs...)
	return true
}

// release sends what was held and lets broadcasts through.
func (s *Socket) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateHolding {
		return
	}
	// Under mu, so that no later broadcast overtakes; Send never blocks.
	if len(s.held) > 0 {
		_ = s.Session().Send(s.held...)
	}
	s.held, s.heldN = nil, 0
	s.handshake = nil
	s.state = stateReady
}

func (s *Socket) connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateHolding || s.state == stateReady
}

// setCancel keeps the cancel function of running middlewares; false when the
// client is gone.
func (s *Socket) setCancel(cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = cancel
	if cancel == nil {
		s.passed = true
	}
	return !s.ended
}

// admitted moves a socket whose middlewares have passed to connected; false
// when the client is gone.
func (s *Socket) admitted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed = true
	if s.ended {
		return false
	}
	s.state = stateHolding
	return true
}

// Disconnect makes the client leave the namespace ("io server disconnect" on
// its side, no reconnect); with closeConn it leaves all namespaces and the
// connection is closed.
func (s *Socket) Disconnect(closeConn bool) {
	if closeConn {
		s.lane.conn.closeAll()
		return
	}
	if s.end(ReasonServerNamespace) {
		_ = s.Session().Send(encodeDisconnect(s.ns.name)...)
	}
}

// end takes the socket out of its namespace and queues the disconnect
// handler behind the events that came before. It reports whether the client
// was connected.
func (s *Socket) end(reason engineio.Reason) bool {
	wasConnected, first := s.quit()
	if first {
		s.lane.detach(s)
		s.lane.push(task{kind: taskEnd, socket: s, reason: reason}, 0)
	}
	return wasConnected
}

// quit closes the socket once: out of all rooms, middlewares cancelled.
func (s *Socket) quit() (wasConnected, first bool) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false, false
	}
	s.ended = true
	wasConnected = s.state == stateHolding || s.state == stateReady
	s.state = stateClosed
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
	for _, room := range s.rooms {
		s.ns.rooms.remove(room, s)
	}
	s.held, s.heldN = nil, 0
	acks := s.acks
	s.acks = nil
	s.mu.Unlock()
	s.ns.remove(s)
	for _, a := range acks {
		a.finish(Args{}, ErrClosed)
	}
	return wasConnected, true
}

func (s *Socket) handleEnd(reason engineio.Reason) {
	s.mu.Lock()
	passed := s.passed
	s.mu.Unlock()
	if passed && s.ns.onDisconnect != nil {
		s.ns.onDisconnect(s, reason)
	}
}

// handleEvent runs in the lane. Events that came before the end of the socket
// are handled although the client is gone: an ack must not get lost because
// the client closed right behind it.
func (s *Socket) handleEvent(in *incoming) {
	s.mu.Lock()
	passed := s.passed
	s.mu.Unlock()
	if !passed {
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
