package socketio

import (
	"slices"

	"github.com/lightpush/lightpush/connector/engineio"
)

// emitKept sends an event to one client and keeps it for recovery.
func (s *Socket) emitKept(event string, args []any) error {
	s.ns.keeping.Lock()
	defer s.ns.keeping.Unlock()
	if !s.connected() {
		return ErrClosed
	}
	p, err := s.ns.keepEvent([]string{s.id}, nil, event, args)
	if err != nil {
		return err
	}
	return s.send(p.event.Messages())
}

// emitKept is Emit for a namespace that keeps its events. The store gets them
// in the order in which clients do: a client that has seen one has seen all
// that were kept before.
func (b Broadcast) emitKept(event string, args []any) (n int, err error) {
	b.ns.keeping.Lock()
	defer b.ns.keeping.Unlock()
	p, err := b.ns.keepEvent(b.rooms, b.except, event, args)
	if err != nil {
		return 0, err
	}
	return b.Send(p), nil
}

// keepEvent encodes an event with its offset and keeps it. The caller holds
// keeping.
func (ns *Namespace) keepEvent(rooms, except []string, event string, args []any) (*Prepared, error) {
	store := ns.server.recoveryStore
	offset := store.NextOffset(ns.name)
	e := newEncoder()
	defer e.free()
	attachments, err := e.event(ns.name, noAck, event, append(slices.Clip(args), any(offset)))
	if err != nil {
		return nil, err
	}
	kept := RecoveryEvent{
		Offset: offset, Rooms: slices.Clone(rooms), Except: slices.Clone(except), Text: slices.Clone(e.text()),
	}
	for _, a := range attachments {
		kept.Attachments = append(kept.Attachments, slices.Clone(a))
	}
	store.Append(ns.name, kept)
	return &Prepared{event: engineio.NewBundle(e.messages(attachments)...)}, nil
}
