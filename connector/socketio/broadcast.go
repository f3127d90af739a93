package socketio

import (
	"slices"
	"sync"

	"github.com/lightpush/lightpush/connector/engineio"
)

// Broadcast sends to many sockets of a namespace at once. It is a value: each
// method returns a changed copy, and the zero targets mean everybody.
//
// Events of Emit calls that do not overlap reach every client in the order of
// the calls.
type Broadcast struct {
	ns       *Namespace
	rooms    []string
	except   []string
	skip     func(*Socket) bool
	ackID    int64
	volatile bool
	batch    *engineio.Batch // nil: everything leaves at once
	offset   string
}

// To targets the members of rooms, each socket once; a socket's own id counts
// as a room of its own.
func (ns *Namespace) To(rooms ...string) Broadcast {
	return Broadcast{ns: ns, rooms: rooms, ackID: noAck}
}

// All targets every socket of the namespace.
func (ns *Namespace) All() Broadcast { return Broadcast{ns: ns, ackID: noAck} }

// Others targets every socket of the namespace but this one; add To for the
// others in some rooms.
func (s *Socket) Others() Broadcast { return s.ns.All().Except(s.id) }

// To adds rooms.
func (b Broadcast) To(rooms ...string) Broadcast {
	b.rooms = append(slices.Clip(b.rooms), rooms...)
	return b
}

// Except excludes the members of rooms; a socket's own id counts as a room.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.except = append(slices.Clip(b.except), rooms...)
	return b
}

// Skip excludes the sockets for which f is true; f must not block. Events with
// it are not kept for recovery.
func (b Broadcast) Skip(f func(*Socket) bool) Broadcast {
	b.skip = f
	return b
}

// Volatile drops the event for clients it cannot be written to now.
func (b Broadcast) Volatile() Broadcast {
	b.volatile = true
	return b
}

// Deferred gathers the event in batch instead of sending it: what is meant
// for one client then leaves in one write when the batch is flushed. The
// order of everything sent to a client stays; see engineio.Batch.
func (b Broadcast) Deferred(batch *engineio.Batch) Broadcast {
	b.batch = batch
	return b
}

// AckID sends the event with an ack id of the application's own, below
// FirstAckID; answers go to Behaviour.OnAck.
func (b Broadcast) AckID(id uint64) Broadcast {
	b.ackID = int64(id % FirstAckID)
	return b
}

// Emit encodes the event once and sends the same bytes to every target. It
// returns how many sockets it is on its way to.
func (b Broadcast) Emit(event string, args ...any) (n int, err error) {
	if b.ns.server.recoveryStore != nil && b.ackID == noAck && !b.volatile && b.skip == nil {
		return b.emitKept(event, args)
	}
	p, err := b.Prepare(event, args...)
	if err != nil {
		return 0, err
	}
	return b.Send(p), nil
}

// Disconnect makes all targets leave the namespace and returns how many there
// were.
func (b Broadcast) Disconnect(closeConn bool) int {
	list := b.collect()
	defer list.free()
	for _, s := range list.sockets {
		s.Disconnect(closeConn)
	}
	return len(list.sockets)
}

// Sockets returns the targets.
func (b Broadcast) Sockets() []*Socket {
	list := b.collect()
	defer list.free()
	return slices.Clone(list.sockets)
}

// socketList is the targets of one broadcast, in a slice that is used again.
type socketList struct{ sockets []*Socket }

var socketLists = sync.Pool{New: func() any { return new(socketList) }}

func (l *socketList) free() {
	clear(l.sockets)
	l.sockets = l.sockets[:0]
	socketLists.Put(l)
}

// collect returns the targets, each once. The caller walks them without any
// lock.
func (b Broadcast) collect() *socketList {
	l := socketLists.Get().(*socketList)
	switch len(b.rooms) {
	case 0:
		l.sockets = b.ns.appendSockets(l.sockets)
	case 1:
		l.sockets = b.ns.members(l.sockets, b.rooms)
	default:
		l.sockets = distinct(b.ns.members(l.sockets, b.rooms))
	}
	if len(b.except) > 0 {
		excluded := map[*Socket]struct{}{}
		for _, s := range b.ns.members(nil, b.except) {
			excluded[s] = struct{}{}
		}
		l.sockets = slices.DeleteFunc(l.sockets, func(s *Socket) bool {
			_, out := excluded[s]
			return out
		})
	}
	if b.skip != nil {
		l.sockets = slices.DeleteFunc(l.sockets, b.skip)
	}
	return l
}

func distinct(list []*Socket) []*Socket {
	seen := make(map[*Socket]struct{}, len(list))
	return slices.DeleteFunc(list, func(s *Socket) bool {
		_, twice := seen[s]
		seen[s] = struct{}{}
		return twice
	})
}

// members appends the members of rooms and the sockets with these ids.
func (ns *Namespace) members(list []*Socket, rooms []string) []*Socket {
	for _, room := range rooms {
		list = ns.rooms.appendMembers(list, room)
		if s, ok := ns.Socket(room); ok && !s.In(room) {
			list = append(list, s)
		}
	}
	return list
}
