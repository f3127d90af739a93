package socketio

import (
	"slices"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
)

// Broadcast sends to many sockets of a namespace at once. It is a value: each
// method returns a changed copy, and the zero targets mean everybody.
type Broadcast struct {
	ns       *Namespace
	rooms    []string
	except   []string
	skip     func(*Socket) bool
	ackID    int64
	volatile bool
}

// To targets the members of rooms, each socket once; a socket's own id counts
// as a room of its own.
func (ns *Namespace) To(rooms ...string) Broadcast {
	return Broadcast{ns: ns, rooms: rooms, ackID: noAck}
}

// All targets every socket of the namespace.
func (ns *Namespace) All() Broadcast { return Broadcast{ns: ns, ackID: noAck} }

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

// Skip excludes the sockets for which f is true; f must not block.
func (b Broadcast) Skip(f func(*Socket) bool) Broadcast {
	b.skip = f
	return b
}

// Volatile drops the event for clients it cannot be written to now.
func (b Broadcast) Volatile() Broadcast {
	b.volatile = true
	return b
}

// AckID sends the event with an ack id of the application's own, below
// FirstAckID; answers go to Behaviour.OnAck.
func (b Broadcast) AckID(id uint64) Broadcast {
	b.ackID = int64(id % FirstAckID)
	return b
}

// memberLists recycles the slices broadcasts collect their targets in.
var memberLists = sync.Pool{New: func() any { return new([]*Socket) }}

// Emit encodes the event once and sends the same bytes to every target. It
// returns how many sockets it is on its way to.
func (b Broadcast) Emit(event string, args ...any) (n int, err error) {
	msgs, err := encodeEvent(b.ns.name, b.ackID, event, args)
	if err != nil {
		return 0, err
	}
	return b.each(func(s *Socket) bool { return b.write(s, msgs) }), nil
}

func (b Broadcast) write(s *Socket, msgs []*engineio.Message) bool {
	if b.volatile {
		return s.connected() && s.Session().SendVolatile(msgs...)
	}
	return s.deliver(msgs)
}

// Disconnect makes all targets leave the namespace.
func (b Broadcast) Disconnect(closeConn bool) int {
	return b.each(func(s *Socket) bool {
		s.Disconnect(closeConn)
		return true
	})
}

// Sockets returns the targets.
func (b Broadcast) Sockets() (list []*Socket) {
	b.each(func(s *Socket) bool {
		list = append(list, s)
		return true
	})
	return list
}

// each calls f for every target, each once, with no lock held, and counts
// where it returned true.
func (b Broadcast) each(f func(*Socket) bool) (n int) {
	buf := memberLists.Get().(*[]*Socket)
	list := b.targets((*buf)[:0])
	var excluded map[*Socket]struct{}
	if len(b.except) > 0 {
		excluded = map[*Socket]struct{}{}
		for _, s := range b.ns.members(nil, b.except) {
			excluded[s] = struct{}{}
		}
	}
	for _, s := range list {
		if _, out := excluded[s]; out || (b.skip != nil && b.skip(s)) {
			continue
		}
		if f(s) {
			n++
		}
	}
	clear(list)
	*buf = list[:0]
	memberLists.Put(buf)
	return n
}

func (b Broadcast) targets(list []*Socket) []*Socket {
	if len(b.rooms) == 0 {
		return append(list, b.ns.Sockets()...)
	}
	list = b.ns.members(list, b.rooms)
	if len(b.rooms) == 1 {
		return list
	}
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

// broadcastAck collects the answers to one broadcast.
type broadcastAck struct {
	id      uint64
	waiting map[*Socket]struct{} // guarded by Namespace.mu
	answers []Args               // guarded by Namespace.mu
	timer   *time.Timer
	done    func([]Args, error)
}

// EmitWithAck sends the event to every target with one ack id and calls back
// once: with all answers in the order of arrival, or after timeout with
// ErrAckTimeout and the answers so far. callback must not block.
func (b Broadcast) EmitWithAck(timeout time.Duration, callback func([]Args, error), event string, args ...any) error {
	id := b.ns.server.ackIDs.next()
	msgs, err := encodeEvent(b.ns.name, int64(id), event, args)
	if err != nil {
		return err
	}
	targets := b.Sockets()
	if len(targets) == 0 {
		callback(nil, nil)
		return nil
	}
	a := &broadcastAck{id: id, waiting: make(map[*Socket]struct{}, len(targets)), done: callback}
	for _, s := range targets {
		a.waiting[s] = struct{}{}
	}
	ns := b.ns
	ns.mu.Lock()
	if ns.broadcasts == nil {
		ns.broadcasts = map[uint64]*broadcastAck{}
	}
	ns.broadcasts[id] = a
	a.timer = time.AfterFunc(timeout, func() { ns.endBroadcast(a, ErrAckTimeout) })
	ns.mu.Unlock()
	for _, s := range targets {
		s.deliver(msgs) // one that cannot be reached shows as a timeout
	}
	return nil
}

func (ns *Namespace) broadcastAck(s *Socket, id uint64, args Args) {
	ns.mu.Lock()
	a := ns.broadcasts[id]
	complete := false
	if a != nil {
		if _, ok := a.waiting[s]; ok {
			delete(a.waiting, s)
			a.answers = append(a.answers, args)
			complete = len(a.waiting) == 0
		}
	}
	ns.mu.Unlock()
	if complete {
		ns.endBroadcast(a, nil)
	}
}

// endBroadcast calls back unless that has happened.
func (ns *Namespace) endBroadcast(a *broadcastAck, err error) {
	ns.mu.Lock()
	_, open := ns.broadcasts[a.id]
	delete(ns.broadcasts, a.id)
	answers := a.answers
	ns.mu.Unlock()
	if open {
		a.timer.Stop()
		a.done(answers, err)
	}
}
