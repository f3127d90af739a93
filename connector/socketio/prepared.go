package socketio

import (
	"slices"

	"github.com/lightpush/lightpush/connector/engineio"
)

// Prepared is an encoded event. It is immutable and may be sent to any number
// of sockets of the namespace it was prepared for.
type Prepared struct {
	event *engineio.Bundle
	// tailed is the event and an offset event, for clients that can be
	// recovered; nil without offset.
	tailed *engineio.Bundle
	offset string
}

// eventOffset is the event that tells an offset when the event before cannot:
// JavaScript clients remember the last argument of every event that ends in a
// string, and with an ack id the callback stands there.
const eventOffset = "offset"

// Offset names the event for recovery (Recovery.ByApplication). The event
// itself stays as it is, with its ack id if it has one; clients that can be
// recovered get an event "offset" right behind it, in the same write, whose
// only argument is this. Volatile broadcasts have none.
func (b Broadcast) Offset(offset string) Broadcast {
	b.offset = offset
	return b
}

// Prepare encodes an event once, for Send and Socket.Replay.
func (b Broadcast) Prepare(event string, args ...any) (*Prepared, error) {
	msgs, err := encodeEvent(b.ns.name, b.ackID, event, args)
	if err != nil {
		return nil, err
	}
	p := &Prepared{event: engineio.NewBundle(msgs...), offset: b.offset}
	if b.offset != "" && b.ns.server.opts.Recovery != nil {
		tail, err := encodeEvent(b.ns.name, noAck, eventOffset, []any{b.offset})
		if err != nil {
			return nil, err
		}
		p.tailed = engineio.NewBundle(slices.Concat(msgs, tail)...)
	}
	return p, nil
}

// form is what this client gets of an event.
func (s *Socket) form(p *Prepared) *engineio.Bundle {
	if p.tailed != nil && s.pid != "" {
		return p.tailed
	}
	return p.event
}

func (s *Socket) appendForms(msgs []*engineio.Message, events []*Prepared) []*engineio.Message {
	for _, p := range events {
		msgs = append(msgs, s.form(p).Messages()...)
	}
	return msgs
}

// size is what the event counts against the bounds of what waits.
func (p *Prepared) size() int {
	if p.tailed != nil {
		return p.tailed.Len()
	}
	return p.event.Len()
}
