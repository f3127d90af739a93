package session

import (
	"encoding/json"
	"strconv"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/push"
)

// Deliver hands one message to the members of its room on this node. Calls
// must not overlap: their order is the order clients see. What it sends leaves
// at the next Flush, so that messages the bus has read together reach a client
// in one write.
//
// The event carries an ack id made of the message id, so that a client may
// confirm by the native Socket.IO ack as well as by ackPush, and nothing has
// to be remembered per message to understand the answer.
func (h *Hub) Deliver(m push.Delivery) {
	h.saw(m.MessageID)
	tenant, ok := h.existingTenant(m.Namespace)
	if !ok {
		return
	}
	to := skipClient(broadcast(tenant, &m).Deferred(&h.batch), m.Except)
	n, err := to.Emit("push", m.Payload)
	if err != nil {
		h.opts.Logger.Error().Err(err).Int64("message_id", m.MessageID).Msg("encode push")
		h.opts.Observer.Dropped(DropEncode)
		return
	}
	h.opts.Receipts.Delivered(m.Namespace, m.MessageID, n)
	if n > 0 {
		h.opts.Observer.Delivered(WayLive, n)
		if at := acceptedAt(m.Payload); at > 0 {
			h.leaving = append(h.leaving, at)
		}
	}
}

// Flush sends what Deliver has gathered; it comes from the same goroutine.
func (h *Hub) Flush() {
	h.batch.Flush()
	h.written()
}

// broadcast is a message on its way to a room: with the ack id, and with the
// offset from which a client that can be recovered goes on.
func broadcast(tenant *socketio.Namespace, m *push.Delivery) socketio.Broadcast {
	return tenant.To(m.Room).AckID(uint64(m.MessageID)).Offset(push.MessageOffset(m.MessageID))
}

// saw notes the greatest message id, to complete native ack ids.
func (h *Hub) saw(id int64) {
	for {
		latest := h.latest.Load()
		if id <= latest || h.latest.CompareAndSwap(latest, id) {
			return
		}
	}
}

// nativeAck takes the answer to a push event.
func (h *Hub) nativeAck(s *socketio.Socket, id uint64, _ socketio.Args) {
	if d, ok := s.Data.(*device); ok {
		if message := h.completeID(id); message > 0 {
			d.ack(message)
		}
	}
}

// completeID returns the message id an ack id was cut from: the greatest one
// not above the latest that was delivered.
func (h *Hub) completeID(ackID uint64) int64 {
	latest := h.latest.Load()
	full := latest&^(socketio.FirstAckID-1) | int64(ackID)
	if full > latest {
		full -= socketio.FirstAckID
	}
	return full
}

// ackIDsMax bounds the ids of one ackPush.
const ackIDsMax = 1000

// ackPush confirms one message, {id}, or several, {ids:[…]}. Anything that is
// no id is ignored (2.7).
func (d *device) ackPush(e *socketio.Event) {
	if id, ok := plainID(e.Args.Raw(0)); ok {
		d.ack(id)
		_ = e.Ack(answerOK)
		return
	}
	var arg struct {
		ID  json.RawMessage   `json:"id"`
		IDs []json.RawMessage `json:"ids"`
	}
	if err := e.Args.Decode(0, &arg); err != nil || len(arg.IDs) > ackIDsMax {
		_ = e.Ack(answer{Status: 400, Msg: "id invalid"})
		return
	}
	for _, raw := range append(arg.IDs, arg.ID) {
		if id, ok := messageID(raw); ok {
			d.ack(id)
		}
	}
	_ = e.Ack(answerOK)
}

// plainID reads {"id":1} and {"id":"1"}, written without white space, as nearly
// every client does for every message: that needs no decoder. Whatever else it
// is, ok is false.
func plainID(arg json.RawMessage) (id int64, ok bool) {
	const head, tail = `{"id":`, `}`
	if n := len(arg) - len(tail); n > len(head) && string(arg[:len(head)]) == head && string(arg[n:]) == tail {
		return messageID(arg[len(head):n])
	}
	return 0, false
}

// messageID reads a positive integer, as number or as text.
func messageID(raw json.RawMessage) (int64, bool) {
	text := string(raw)
	if len(text) > 1 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0
}

func (d *device) ack(id int64) {
	if b := d.mail.Load(); b != nil {
		d.confirmDropped(b)
	}
	d.hub.opts.Observer.Acked(d.member.Platform)
	d.hub.opts.Receipts.Ack(push.Ack{
		MessageID: id,
		Namespace: d.member.Namespace,
		ClientID:  d.member.ClientID,
		Platform:  d.member.Platform,
	})
}
