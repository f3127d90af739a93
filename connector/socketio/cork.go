package socketio

import (
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
)

// corkLimit bounds how long the CONNECT answer waits for what the connection
// handler sends: a handler that takes longer gets no less of the protocol, it
// only costs a further write.
const corkLimit = 5 * time.Millisecond

// cork gathers the CONNECT answer and what the connection handler sends, so
// that they leave in one write: a write to a socket costs more than everything
// else that is done for a client here. On polling it gathers nothing. It is
// guarded by Socket.mu.
type cork struct {
	batch engineio.Batch
	in    bool // what is sent goes to batch
	timer *engineio.Timer
}

// corkLocked begins to gather, until uncorkLocked or corkLimit.
func (s *Socket) corkLocked() {
	c := &s.joining.cork
	c.in = true
	c.timer = s.ns.server.engine.AfterFunc(corkLimit, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.joining != nil {
			s.uncorkLocked()
		}
	})
}

func (s *Socket) uncorkLocked() {
	c := &s.joining.cork
	if c.in {
		c.in = false
		c.timer.Stop()
		c.batch.Flush()
	}
}

// sendLocked sends to the client, or leaves the messages to the cork.
func (s *Socket) sendLocked(msgs []*engineio.Message) error {
	if s.joining != nil && s.joining.cork.in {
		return s.session.SendDeferred(&s.joining.cork.batch, msgs...)
	}
	return s.session.Send(msgs...)
}
