package socketio

import (
	"sync/atomic"
	"time"
)

// FirstAckID is the least ack id this package gives out. Ids below it belong
// to the application (Broadcast.AckID, Behaviour.OnAck). All ids stay below
// 2^31, which Java clients need.
const FirstAckID = 1 << 30

// ackCounter gives out ids in [FirstAckID, 2*FirstAckID); by the time it wraps
// the first of them have long been answered or timed out.
type ackCounter struct{ n atomic.Uint64 }

func (c *ackCounter) next() uint64 { return FirstAckID + c.n.Add(1)%FirstAckID }

// pendingAck waits for one client's ack. Whoever takes it out of Socket.acks
// calls back, so that happens once.
type pendingAck struct {
	timer    *time.Timer // nil: waits until the socket closes
	callback func(Args, error)
}

// EmitWithAck sends an event and, unless it returns an error, calls back once:
// with the client's answer, ErrAckTimeout, or ErrClosed. A timeout of zero
// waits until the socket closes. callback must not block.
func (s *Socket) EmitWithAck(timeout time.Duration, callback func(Args, error), event string, args ...any) error {
	id := s.ns.server.ackIDs.next()
	msgs, err := encodeEvent(s.ns.name, int64(id), event, args)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.connectedLocked() {
		return ErrClosed
	}
	if err := s.session.Send(msgs...); err != nil {
		return err
	}
	// Nobody can answer before it is entered: answers need mu too.
	if s.acks == nil {
		s.acks = map[uint64]*pendingAck{}
	}
	p := &pendingAck{callback: callback}
	s.acks[id] = p
	if timeout > 0 {
		p.timer = time.AfterFunc(timeout, func() {
			if p := s.takeAck(id); p != nil {
				s.finish(p, Args{}, ErrAckTimeout)
			}
		})
	}
	return nil
}

// takeAck removes and returns a pending ack.
func (s *Socket) takeAck(id uint64) *pendingAck {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.acks[id]
	delete(s.acks, id)
	if len(s.acks) == 0 {
		s.acks = nil
	}
	return p
}

// finish calls back, on whatever goroutine has the answer: a panic must not
// get out.
func (s *Socket) finish(p *pendingAck, args Args, err error) {
	if p.timer != nil {
		p.timer.Stop()
	}
	defer func() {
		if r := recover(); r != nil {
			s.lane.conn.panicked(r)
		}
	}()
	p.callback(args, err)
}

// handleAck runs on the reading goroutine. Unknown, late and repeated ids are
// ignored.
func (s *Socket) handleAck(id uint64, args Args) {
	if id < FirstAckID {
		if s.ns.onAck != nil && s.connected() {
			s.ns.onAck(s, id, args)
		}
		return
	}
	if p := s.takeAck(id); p != nil {
		s.finish(p, args, nil)
		return
	}
	s.ns.broadcastAck(s, id, args)
}
