package session

import (
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// Direct hands one message to one device, if it is connected here: as a push
// event that can be confirmed by ackPush and by the native ack, like any
// other. It carries no recovery offset: a message that comes late must not set
// the device back. What it sends leaves at the next Flush.
func (h *Hub) Direct(m push.Direct) {
	h.saw(m.MessageID)
	d := h.device(m.Namespace, m.ClientID)
	if d == nil || !d.wrote(m.MessageID) {
		return
	}
	n, err := only(d).AckID(uint64(m.MessageID)).Deferred(&h.batch).Emit("push", m.Payload)
	if err != nil {
		h.opts.Logger.Error().Err(err).Int64("message_id", m.MessageID).Msg("encode push")
		h.opts.Observer.Dropped(DropEncode)
		return
	}
	h.opts.Receipts.Delivered(m.Namespace, m.MessageID, n)
	h.opts.Observer.Delivered(WayDirect, n)
}

// Event hands an event to the members of a room on this node. What it sends
// leaves at the next Flush.
func (h *Hub) Event(e room.Event) {
	tenant, ok := h.existingTenant(e.Namespace)
	if !ok {
		return
	}
	to := skipClient(tenant.To(e.Room).Deferred(&h.batch), e.Except)
	if _, err := to.Emit(e.Name, e.Payload); err != nil {
		h.opts.Logger.Error().Err(err).Str("event", e.Name).Msg("encode event")
	}
}

// device is the newest connection of a client id on this node, nil when there
// is none.
func (h *Hub) device(ns, clientID string) *device {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.devices[deviceKey{ns, clientID}]
}

// only is a broadcast to one connection. It goes by a room, because a client
// that is still being admitted is found by no other way: what it is sent now
// waits until it is ready.
func only(d *device) socketio.Broadcast {
	at := room.ForUser(d.member.UserID)
	if !d.socket.In(at) { // it has left, so it is ready
		at = d.socket.ID()
	}
	return d.socket.Namespace().To(at).Skip(func(s *socketio.Socket) bool { return s != d.socket })
}

// skipClient excludes the connections of a client id, "" for none.
func skipClient(to socketio.Broadcast, clientID string) socketio.Broadcast {
	if clientID == "" {
		return to
	}
	return to.Skip(func(s *socketio.Socket) bool {
		d, ok := s.Data.(*device)
		return ok && d.member.ClientID == clientID
	})
}
