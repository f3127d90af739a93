package socketio

import (
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
)

// broadcastAck collects the answers to one broadcast.
type broadcastAck struct {
	id      uint64
	waiting map[*Socket]struct{} // guarded by Namespace.mu
	answers []Args               // guarded by Namespace.mu
	timer   *time.Timer
	done    func([]Args, error)
}

// EmitWithAck sends the event to every target with one ack id and, unless it
// returns an error, calls back once: with all answers in the order of arrival,
// or after timeout with ErrAckTimeout and the answers so far. A timeout of
// zero ends at once. callback must not block.
func (b Broadcast) EmitWithAck(timeout time.Duration, callback func([]Args, error), event string, args ...any) error {
	id := b.ns.server.ackIDs.next()
	msgs, err := encodeEvent(b.ns.name, int64(id), event, args)
	if err != nil {
		return err
	}
	list := b.collect()
	defer list.free()
	a := &broadcastAck{id: id, waiting: make(map[*Socket]struct{}, len(list.sockets)), done: callback}
	for _, s := range list.sockets {
		a.waiting[s] = struct{}{}
	}
	ns := b.ns
	if len(list.sockets) == 0 {
		ns.call(a, nil, nil)
		return nil
	}
	ns.mu.Lock()
	if ns.broadcasts == nil {
		ns.broadcasts = map[uint64]*broadcastAck{}
	}
	ns.broadcasts[id] = a
	a.timer = time.AfterFunc(timeout, func() { ns.endBroadcast(a, ErrAckTimeout) })
	ns.mu.Unlock()
	b.volatile = false
	b.fanOut(list.sockets, &Prepared{event: engineio.NewBundle(msgs...)}) // who cannot be reached shows as a timeout
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
	if len(ns.broadcasts) == 0 {
		ns.broadcasts = nil
	}
	answers := a.answers
	ns.mu.Unlock()
	if open {
		a.timer.Stop()
		ns.call(a, answers, err)
	}
}

// call runs the callback, perhaps on a timer's goroutine: a panic must not get
// out.
func (ns *Namespace) call(a *broadcastAck, answers []Args, err error) {
	defer ns.server.isolate()
	a.done(answers, err)
}
