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
	// First what a broadcast needs, in one cache line. session is fixed
	// after creation, pid like id below.
	session *engineio.Session
	pid     string              // private id; "" for clients that cannot be recovered
	seen    map[string]struct{} // guarded by mu; offsets that were replayed, for a while; nil otherwise

	// Everything for the client is sent under mu, together with the look at
	// state: that is what keeps events behind the CONNECT answer, broadcasts
	// behind the connection handler, and everything before DISCONNECT. It is
	// safe because sending never blocks and never calls back.
	//
	// Lock order: Socket.mu, then one of lane.mu, the room table's shards,
	// the session's. No callback of the application runs under it.
	mu        sync.Mutex
	state     socketState
	passed    bool // all middlewares have passed
	recovered bool // fixed like id; continues an earlier socket

	// Data is the application's state of this socket. Set it in a
	// middleware or the connection handler.
	Data any

	// fixed once it is connected; Resume sets it while nobody else knows the
	// socket
	id string

	// fixed after creation
	lane *lane
	ns   *Namespace

	// guarded by mu
	joining *joining // nil from stateReady on
	rooms   []string // in order of joining; names shared with the room table
	acks    map[uint64]*pendingAck
}

// joining is what a socket needs only until it is ready.
type joining struct {
	handshake *Handshake
	cancel    context.CancelFunc // of the middlewares that run now
	evicted   bool               // the server wants it gone as soon as it has an answer
	held      []*Prepared        // broadcasts that wait for the connection handler
	replay    []*Prepared        // events that go ahead of the CONNECT answer
	heldBytes int
	cork      cork
}

type socketState uint8

const (
	stateJoining socketState = iota // middlewares run; broadcasts are held
	stateHolding                    // connected; the connection handler runs, broadcasts are held
	stateReady
	stateClosed
)

func newSocket(l *lane, ns *Namespace, h *Handshake) *Socket {
	s := &Socket{lane: l, ns: ns, session: l.conn.session, joining: &joining{handshake: h}}
	switch {
	case !l.conn.sio4:
		s.id = randomID()
		if l.conn.server.opts.Recovery != nil {
			s.pid = randomID()
		}
	case l.name == "/":
		s.id = s.session.ID()
	default: // SIO4 clients compute the id themselves
		s.id = l.name + "#" + s.session.ID()
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
func (s *Socket) Session() *engineio.Session { return s.session }

// Protocol is the generation the client speaks.
func (s *Socket) Protocol() engineio.Protocol { return s.session.Protocol() }

// Handshake is available to middlewares and the connection handler, and nil
// afterwards, so that an idle socket does not keep it.
func (s *Socket) Handshake() *Handshake {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.joining == nil {
		return nil
	}
	return s.joining.handshake
}

// Join adds the socket to rooms. A socket may join while its middlewares
// run. ErrClosed when the client is gone.
func (s *Socket) Join(rooms ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateClosed {
		return ErrClosed
	}
	s.joinLocked(rooms)
	return nil
}

func (s *Socket) joinLocked(rooms []string) {
	for _, room := range rooms {
		if !slices.Contains(s.rooms, room) {
			// Lock order: Socket.mu, then the room table's shard.
			s.rooms = append(s.rooms, s.ns.rooms.add(room, s))
		}
	}
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

// Rooms returns the rooms the socket is in; once it is closed, those it was in
// at the end.
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
