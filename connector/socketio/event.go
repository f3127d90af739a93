package socketio

import "sync/atomic"

// Event is one event of a client.
type Event struct {
	Name string
	Args Args

	socket *Socket
	ackID  int64 // noAck when the client wants none
	acked  atomic.Bool
}

// WantsAck reports whether the client waits for an ack.
func (e *Event) WantsAck() bool { return e.ackID != noAck }

// Ack answers the event. Only the first call counts; without a waiting
// client it does nothing. It may be called from any goroutine, also later.
// ErrClosed when the client has gone.
func (e *Event) Ack(args ...any) error {
	if !e.WantsAck() || e.acked.Load() {
		return nil
	}
	msgs, err := encodeAck(e.socket.ns.name, e.ackID, args)
	if err != nil || e.acked.Swap(true) {
		return err
	}
	return e.socket.send(msgs)
}
