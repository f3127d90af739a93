package socketio

import (
	"sync"
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

// pendingAck waits for one client's ack.
type pendingAck struct {
	once     sync.Once
	timer    *time.Timer // nil: waits until the socket closes
	callback func(Args, error)
}

func (p *pendingAck) finish(args Args, err error) {
	p.once.Do(func() {
		if p.timer != nil {
			p.timer.Stop()
		}
		p.callback(args, err)
	})
}

// EmitWithAck sends an event and calls back once: with the client's answer,
// ErrAckTimeout, or ErrClosed. A timeout of zero waits until the socket
// closes. callback must not block.
func (s *Socket) EmitWithAck(timeout time.Duration, callback func(Args, error), event string, args ...any) error {
	id := s.ns.server.ackIDs.next()
	msgs, err := encodeEvent(s.ns.name, int64(id), event, args)
	if err != nil {
		return err
	}
	p := &pendingAck{callback: callback}
	s.mu.Lock()
	if s.state != stateHolding && s.state != stateReady {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.acks == nil {
		s.acks = map[uint64]*pendingAck{}
	}
	s.acks[id] = p
	if timeout > 0 {
		p.timer = time.AfterFunc(timeout, func() {
			s.takeAck(id)
			p.finish(Args{}, ErrAckTimeout)
		})
	}
	s.mu.Unlock()
	if err := s.Session().Send(msgs...); err != nil {
		if s.takeAck(id) != nil {
			p.finish(Args{}, ErrClosed)
		}
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

// handleAck runs on the reading goroutine. Unknown, late and repeated ids are
// ignored.
func (s *Socket) handleAck(id uint64, args Args) {
	if id < FirstAckID {
		if s.connected() && s.ns.onAck != nil {
			s.ns.onAck(s, id, args)
		}
		return
	}
	if p := s.takeAck(id); p != nil {
		p.finish(args, nil)
		return
	}
	s.ns.broadcastAck(s, id, args)
}
