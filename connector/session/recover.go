package session

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// eventOffset is the name under which the engine tells clients their offset.
const eventOffset = "offset"

// Bounds of what one device gets at its return; one that has missed more
// begins anew.
const (
	missedMax      = 1_000
	missedBytesMax = 1 << 20 // of payloads
)

// earlier is the session a device continues.
type earlier struct {
	device *device
	rooms  []string
	query  push.MissedQuery
}

// lookBack finds the session that a device wants to continue; nil when it does
// not want to or must not. Whoever comes here has passed the handshake rules
// and the connect callback like everybody: the pid opens nothing to somebody
// they would refuse, and nothing of another client id, whose record has another
// pid. Nothing is changed yet: Enter takes the session over, and only for the
// newest claim of the client id, so that there is one winner.
func (d *device) lookBack(ctx context.Context, c client.Claim) (*earlier, error) {
	request := d.socket.Handshake().Recovery
	if d.hub.opts.Recovery == nil || request.PID == "" || request.Offset == "" || c.Session.PID == "" ||
		subtle.ConstantTimeCompare([]byte(request.PID), []byte(c.Session.PID)) != 1 ||
		c.Session.UserID != d.member.UserID { // the business system has given the device to somebody else
		return nil, nil
	}
	rooms, alive, err := d.hub.opts.Recovery.Session(ctx, d.member, c)
	if err != nil {
		return nil, err
	}
	rooms = slices.DeleteFunc(rooms, d.foreign) // what was allowed then may not be now
	e := &earlier{device: d, rooms: rooms, query: push.MissedQuery{
		Namespace: d.member.Namespace, ClientID: d.member.ClientID, Rooms: rooms,
		Offset: request.Offset, Alive: alive, MessagesMax: missedMax,
		BytesMax: min(missedBytesMax, d.hub.server.ReplayMax()/2), // the rest is for the frames around the payloads
	}}
	// Asked before anything is changed, so that one who is refused is simply
	// a new client; and again when nothing can fall between any more.
	switch _, err = d.hub.opts.Recovery.Missed(ctx, e.query); {
	case errors.Is(err, push.ErrUnreachable):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return e, d.socket.Resume(c.Session.SID, c.Session.PID)
}

// catchUp replays what the device has missed. It is a member of its rooms by
// now, here and in the store: what is accepted from now on reaches it live.
func (e *earlier) catchUp(ctx context.Context) error {
	h := e.device.hub
	missed, err := h.opts.Recovery.Missed(ctx, e.query)
	if err != nil {
		return err
	}
	tenant := e.device.socket.Namespace()
	events := make([]*socketio.Prepared, len(missed))
	for i := range missed {
		m := &missed[i]
		h.saw(m.MessageID)
		e.device.wrote(m.MessageID)
		if events[i], err = broadcast(tenant, m).Prepare("push", m.Payload); err != nil {
			return err
		}
	}
	if err := e.device.socket.Replay(events...); err != nil {
		return err
	}
	for i := range missed {
		h.opts.Receipts.Delivered(e.device.member.Namespace, missed[i].MessageID, 1)
	}
	h.opts.Observer.Delivered(WayRecovered, len(missed))
	return nil
}

// union appends what more has and rooms has not.
func union(rooms, more []string) []string {
	for _, r := range more {
		if !slices.Contains(rooms, r) {
			rooms = append(rooms, r)
		}
	}
	return rooms
}
