package socketio

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/lightpush/lightpush/connector/engineio"
)

// Behaviour is what happens in a namespace. Fill it before the first client
// connects; it is read without locks afterwards, and one Behaviour may serve
// many namespaces.
type Behaviour struct {
	middlewares  []Middleware
	onConnect    func(*Socket)
	onDisconnect func(*Socket, engineio.Reason)
	events       map[string]EventHandler
	onAny        EventHandler
	onAck        func(s *Socket, id uint64, args Args)
}

// Middleware decides whether a socket may join; an error refuses it. ctx ends
// when the client is gone. It may already Join rooms.
type Middleware func(ctx context.Context, s *Socket) error

// EventHandler handles one event of one client; see the package comment for
// the order of calls.
type EventHandler func(s *Socket, e *Event)

// Use appends a middleware.
func (b *Behaviour) Use(m Middleware) { b.middlewares = append(b.middlewares, m) }

// OnConnect sets the connection handler. It runs behind the CONNECT answer,
// which leaves together with what the handler sends at once, or after a few
// milliseconds, and before any event of the client. It is left out when the
// client is gone by then.
func (b *Behaviour) OnConnect(f func(*Socket)) { b.onConnect = f }

// OnDisconnect sets the handler that is called exactly once, as the last, for
// every socket that has passed all middlewares, also when the connection was
// gone before the connection handler could run.
func (b *Behaviour) OnDisconnect(f func(*Socket, engineio.Reason)) { b.onDisconnect = f }

// On sets the handler of an event.
func (b *Behaviour) On(event string, f EventHandler) {
	if b.events == nil {
		b.events = map[string]EventHandler{}
	}
	b.events[event] = f
}

// OnAny sets the handler of events that have none of their own.
func (b *Behaviour) OnAny(f EventHandler) { b.onAny = f }

// OnAck sets the handler of acks for ids below FirstAckID, which the
// application has given itself (Broadcast.AckID). It runs on the goroutine
// that reads the connection and must not block.
func (b *Behaviour) OnAck(f func(s *Socket, id uint64, args Args)) { b.onAck = f }

// Namespace is a set of sockets that share a Behaviour. Safe for concurrent
// use.
type Namespace struct {
	*Behaviour

	// Data is the application's; it is set before sockets can come, or never.
	Data any

	// fixed after creation
	name   string
	server *Server

	rooms *roomTable

	// keeping orders the events of a namespace when the engine keeps them
	// for recovery: in the store in the order in which clients see them.
	// Lock order: keeping, then Socket.mu.
	keeping sync.Mutex

	mu         sync.RWMutex
	sockets    map[string]*Socket // by socket id
	most       int                // sockets there were since the map was made
	broadcasts map[uint64]*broadcastAck
}

// Name with its leading slash.
func (ns *Namespace) Name() string { return ns.name }

// Len is the number of connected sockets.
func (ns *Namespace) Len() int {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	return len(ns.sockets)
}

// Socket returns the connected socket of that id.
func (ns *Namespace) Socket(id string) (*Socket, bool) {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	s, ok := ns.sockets[id]
	return s, ok
}

// Sockets returns all connected sockets.
func (ns *Namespace) Sockets() []*Socket { return ns.appendSockets(nil) }

func (ns *Namespace) appendSockets(list []*Socket) []*Socket {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	list = slices.Grow(list, len(ns.sockets))
	for _, s := range ns.sockets {
		list = append(list, s)
	}
	return list
}

// RoomLen is the number of sockets in a room.
func (ns *Namespace) RoomLen(room string) int { return ns.rooms.count(room) }

func (ns *Namespace) add(s *Socket) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.sockets[s.id] = s
	ns.most = max(ns.most, len(ns.sockets))
}

func (ns *Namespace) remove(s *Socket) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.sockets[s.id] == s {
		delete(ns.sockets, s.id)
	}
	if n := len(ns.sockets); ns.most > shrinkFrom && n < ns.most/2 { // a map keeps its memory
		sockets := make(map[string]*Socket, n)
		maps.Copy(sockets, ns.sockets)
		ns.sockets, ns.most = sockets, n
	}
}

// shrinkFrom is the number of sockets for which a namespace keeps its memory
// anyway.
const shrinkFrom = 1024
