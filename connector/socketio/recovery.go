package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
)

// Recovery is connection state recovery (Socket.IO 4.6): a client whose
// connection broke comes back as the same socket and gets the events it
// missed. Its CONNECT answer tells it a private id, pid; it remembers an
// offset, the last argument of any event that ends in a string, and sends both
// when it connects again. Only SIO5 clients take part.
//
// There are two ways to have it. With a Store the engine does everything:
// every event without ack id, not volatile and without Skip is kept, and gets
// its offset as one more argument, for all clients of the namespace. With
// ByApplication the application has a record of its own: its middlewares look
// at Handshake.Recovery and call Socket.Resume and Socket.Replay, and its
// broadcasts name their offsets (Broadcast.Offset).
type Recovery struct {
	// Window is how long after the disconnect a client may come back;
	// 2 minutes.
	Window time.Duration
	// Store keeps sessions and events; nil: a MemoryStore.
	Store RecoveryStore
	// RunMiddlewares runs the middlewares for recovered sockets too, which
	// tells them by Socket.Recovered. A socket that they refuse can be
	// recovered by a later attempt. Without it recovered sockets skip them.
	RunMiddlewares bool
	// ByApplication leaves everything to the application, and middlewares
	// run always. Store and Window mean nothing then.
	ByApplication bool
}

// RecoveryStore keeps what recovery needs, for a Server of one process. Calls
// for one namespace never overlap, and events of that namespace wait for
// them: they must be quick.
type RecoveryStore interface {
	// NextOffset returns the offset of the next event: unique in the
	// namespace, also after a restart.
	NextOffset(nsp string) string
	// Append keeps an event, behind those appended before.
	Append(nsp string, e RecoveryEvent)
	// Save keeps the session of a client that has gone.
	Save(nsp string, s RecoverySession)
	// Restore takes a session out, so that a pid works once, together with
	// the events its client has missed: those appended after the one with
	// this offset that RecoveryEvent.For is true of. It returns false, and
	// takes nothing out, when the pid or the offset is not there (any more).
	Restore(nsp, pid, offset string) (RecoverySession, []RecoveryEvent, bool)
}

// RecoverySession is what a socket was when its client went.
type RecoverySession struct {
	ID    string // the socket's id
	PID   string
	Rooms []string
	Data  any
	// At is the time of the disconnect. Zero: now. A session that was
	// restored in vain is saved again with its own.
	At time.Time
}

// RecoveryEvent is one kept event.
type RecoveryEvent struct {
	Offset string
	Rooms  []string // whose members it was for, by name or socket id; none: everybody
	Except []string
	// Text is the Socket.IO packet as it was sent, Attachments what follows
	// it.
	Text        []byte
	Attachments [][]byte
}

// For reports whether the event was meant for the session.
func (e *RecoveryEvent) For(s *RecoverySession) bool {
	in := func(room string) bool { return room == s.ID || slices.Contains(s.Rooms, room) }
	if len(e.Rooms) > 0 && !slices.ContainsFunc(e.Rooms, in) {
		return false
	}
	return !slices.ContainsFunc(e.Except, in)
}

// prepared is the event as it leaves.
func (e *RecoveryEvent) prepared() *Prepared {
	msgs := []*engineio.Message{engineio.TextMessage(e.Text)}
	for _, a := range e.Attachments {
		msgs = append(msgs, engineio.BinaryMessage(a))
	}
	return &Prepared{event: engineio.NewBundle(msgs...)}
}

// RecoveryRequest is what a client that wants to be recovered says; empty
// strings when it does not.
type RecoveryRequest struct{ PID, Offset string }

// recoveryTextMax bounds pid and offset of a client.
const recoveryTextMax = 64

// readRecovery finds pid and offset in the auth object. Values that are no
// strings count as absent.
func readRecovery(auth json.RawMessage) (r RecoveryRequest) {
	if !bytes.Contains(auth, []byte(`"pid"`)) {
		return r
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(auth, &members) != nil {
		return r
	}
	text := func(name string) (s string) {
		if raw := members[name]; len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil && len(s) <= recoveryTextMax {
			return s
		}
		return ""
	}
	return RecoveryRequest{PID: text("pid"), Offset: text("offset")}
}

// Recoverable reports whether a client that went for this reason may be
// recovered: not when either side has left the namespace on purpose.
func Recoverable(reason engineio.Reason) bool {
	switch reason {
	case engineio.ReasonTransportError, engineio.ReasonTransportClose, engineio.ReasonForcedClose,
		engineio.ReasonPingTimeout, engineio.ReasonServerShutdown, engineio.ReasonForcedServerClose:
		return true
	}
	return false
}

// Errors of Resume and Replay.
var (
	errNoRecovery = errors.New("socketio: only a middleware can resume or replay, before its client is connected, and Resume before any Join")
	// ErrReplayOverflow: the events are more than Server.ReplayMax; nothing
	// was changed.
	ErrReplayOverflow = errors.New("socketio: too much to replay")
)

// PID is the private id by which the client can be recovered, a secret like a
// password; "" when it cannot.
func (s *Socket) PID() string { return s.pid }

// Recovered reports whether this socket continues an earlier one.
func (s *Socket) Recovered() bool { return s.recovered }

// Resume makes this socket the continuation of an earlier one with that id and
// pid. The application vouches that the earlier one has ended, or ends it
// itself. Call it in a middleware, before the socket joins a room. ErrClosed when
// the client is gone.
func (s *Socket) Resume(id, pid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateClosed:
		return ErrClosed
	case s.pid == "" || s.state != stateJoining || len(s.rooms) > 0:
		return errNoRecovery
	}
	s.id, s.pid, s.recovered = id, pid, true
	return nil
}

// Replay sends events ahead of the CONNECT answer, in this order. Broadcasts
// with the same Offset are not sent to this socket again, whether they are
// held already or come within the next minute. Call it in a middleware, once,
// and after the socket has joined its rooms, so that nothing falls between the
// replayed and the live events. ErrClosed when the client is gone,
// ErrReplayOverflow when it is too much.
func (s *Socket) Replay(events ...*Prepared) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateClosed:
		return ErrClosed
	case s.state != stateJoining || s.joining.replay != nil:
		return errNoRecovery
	}
	return s.replayLocked(events)
}

func (s *Socket) replayLocked(events []*Prepared) error {
	size := 0
	for _, e := range events {
		size += e.size()
	}
	if size > s.ns.server.ReplayMax() {
		return ErrReplayOverflow
	}
	s.joining.replay = events
	for _, e := range events {
		if e.offset == "" {
			continue
		}
		if s.seen == nil {
			s.seen = make(map[string]struct{}, len(events))
		}
		s.seen[e.offset] = struct{}{}
	}
	return nil
}

// ReplayMax is how many bytes of frames can be replayed to a client: half of
// what may wait for it.
func (s *Server) ReplayMax() int { return s.opts.Engine.SendBuffer / 2 }

// seenFor is how long a broadcast may arrive after it was replayed.
const seenFor = time.Minute

// forgetSeenLater lets go of the replayed offsets.
func (s *Socket) forgetSeenLater() {
	s.ns.server.engine.AfterFunc(seenFor, func() {
		s.mu.Lock()
		s.seen = nil
		s.mu.Unlock()
	})
}

// restore makes s the socket its client was before, if the store agrees. The
// namespace's events wait meanwhile, so that each of them is either among the
// missed ones or finds the socket in its rooms.
func (ns *Namespace) restore(s *Socket) (restored *RecoverySession) {
	store := ns.server.recoveryStore
	request := s.joining.handshake.Recovery
	if store == nil || request.PID == "" || request.Offset == "" {
		return nil
	}
	ns.keeping.Lock()
	defer ns.keeping.Unlock()
	session, events, ok := store.Restore(ns.name, request.PID, request.Offset)
	if !ok {
		return nil
	}
	replay := make([]*Prepared, len(events))
	for i := range events {
		replay[i] = events[i].prepared()
	}
	switch err := s.continueAs(&session, replay); {
	case errors.Is(err, ErrReplayOverflow):
		return nil // too far behind, and further with every event
	case err != nil: // gone
		store.Save(ns.name, session)
		return nil
	}
	s.Data = session.Data
	ns.add(s)
	return &session
}

// continueAs is Resume, Join and Replay in one step.
func (s *Socket) continueAs(session *RecoverySession, replay []*Prepared) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateJoining {
		return ErrClosed
	}
	if err := s.replayLocked(replay); err != nil {
		return err
	}
	s.id, s.pid, s.recovered = session.ID, session.PID, true
	s.joinLocked(session.Rooms)
	return nil
}

// keep saves the session of a socket that has ended. It runs in the lane,
// where no handler uses Data.
func (s *Socket) keep(reason engineio.Reason) {
	store := s.ns.server.recoveryStore
	if store == nil || s.pid == "" || !Recoverable(reason) {
		return
	}
	s.ns.keeping.Lock()
	defer s.ns.keeping.Unlock()
	store.Save(s.ns.name, RecoverySession{ID: s.id, PID: s.pid, Rooms: s.Rooms(), Data: s.Data})
}

// giveBack saves a session again whose socket was refused by a middleware.
func (ns *Namespace) giveBack(session *RecoverySession) {
	if session == nil {
		return
	}
	ns.keeping.Lock()
	defer ns.keeping.Unlock()
	ns.server.recoveryStore.Save(ns.name, *session)
}
