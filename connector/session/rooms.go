package session

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

func isSuperseded(err error) bool { return errors.Is(err, client.ErrSuperseded) }

// answerError is the wire form of failed joins and leaves (2.7).
func answerError(text string) answer {
	return answer{Status: 500, Msg: "joinOrleaveRoom error: Error: " + text}
}

// joinRoom joins an array of rooms or a single one. Valid rooms are joined
// even when the answer is an error about others (2.7).
func (d *device) joinRoom(e *socketio.Event) {
	rooms, bad := d.roomArgs(e)
	if bad != nil {
		_ = e.Ack(*bad)
		return
	}
	result := answerOK
	var join []string
	refused := false // by the limit
	in, most := d.socket.Rooms(), d.ceilings().Rooms
	for _, r := range rooms {
		switch {
		case !d.hub.opts.Names.Room(r):
			result = answerError("room invalid")
		case d.foreign(r):
			result = answer{Status: 403, Msg: "Forbidden"}
		case slices.Contains(in, r) || slices.Contains(join, r):
		case len(in)+len(join) >= most:
			result, refused = answerError(errRooms.Error()), true
		default:
			join = append(join, r)
		}
	}
	if refused {
		d.hub.opts.Observer.Refused(errRooms.Error())
	}
	if len(join) > 0 {
		if err := d.join(join); err != nil {
			result = answerError(err.Error())
		}
	}
	_ = e.Ack(result)
}

// foreign reports whether r is the reserved room of another user (B36).
func (d *device) foreign(r string) bool {
	return room.IsUser(r) && r != room.ForUser(d.member.UserID) && !d.mayJoinForeign()
}

// mayJoinForeign: the namespace decides, and where it says nothing the
// configuration.
func (d *device) mayJoinForeign() bool {
	if ns, ok := d.hub.opts.Namespaces.Get(d.member.Namespace); ok && ns.JoinForeign != nil {
		return *ns.JoinForeign
	}
	return d.hub.opts.Limits.JoinForeignUserRoom
}

// join makes the connection a member here first and in the store second: a
// push that is accepted after the store knows of the membership finds it
// here. The ack follows both.
func (d *device) join(rooms []string) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	if d.gone {
		return socketio.ErrClosed
	}
	if err := d.socket.Join(rooms...); err != nil {
		return err
	}
	give, err := d.hub.turns.take(d.hub.closing)
	if err != nil {
		d.socket.Leave(rooms...)
		return errStore
	}
	defer give()
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	err = d.hub.opts.Presence.Join(ctx, d.member, rooms)
	if err == nil {
		return nil
	}
	d.socket.Leave(rooms...)
	if isSuperseded(err) {
		d.orphaned()
		return errConflict
	}
	d.hub.opts.Logger.Error().Err(err).Str("client", d.member.ClientID).Msg("join rooms")
	return errStore
}

// leaveRoom leaves rooms for good: also their offline delivery ends (B10).
// Rooms one is not in, and names that are no rooms, are fine.
func (d *device) leaveRoom(e *socketio.Event) {
	rooms, bad := d.roomArgs(e)
	if bad != nil {
		_ = e.Ack(*bad)
		return
	}
	rooms = slices.DeleteFunc(rooms, func(r string) bool { return !d.hub.opts.Names.Room(r) })
	if len(rooms) > 0 {
		if err := d.leave(rooms); err != nil {
			_ = e.Ack(answerError(err.Error()))
			return
		}
	}
	_ = e.Ack(answerOK)
}

// leave ends the membership in the store first, so that a failure leaves
// everything as it was.
func (d *device) leave(rooms []string) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	if d.gone {
		return socketio.ErrClosed
	}
	give, err := d.hub.turns.take(d.hub.closing)
	if err != nil {
		return errStore
	}
	defer give()
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	switch err := d.hub.opts.Presence.Leave(ctx, d.member, rooms); {
	case isSuperseded(err):
		d.orphaned()
		return errConflict // it has not left: its offline delivery goes on
	case err != nil:
		d.hub.opts.Logger.Error().Err(err).Str("client", d.member.ClientID).Msg("leave rooms")
		return errStore
	}
	d.socket.Leave(rooms...)
	return nil
}

// roomArgs reads the first argument: one name or an array of names; numbers
// and null count by their text, as they always did.
func (d *device) roomArgs(e *socketio.Event) (rooms []string, bad *answer) {
	raw := e.Args.Raw(0)
	if raw == nil {
		return nil, &answer{Status: 400, Msg: "room can not be empty"}
	}
	items := []json.RawMessage{raw}
	if raw[0] == '[' {
		items = nil
		if json.Unmarshal(raw, &items) != nil {
			return nil, &answer{Status: 400, Msg: "room invalid"}
		}
	}
	if len(items) > d.hub.opts.Limits.RoomsPerRequest {
		return nil, &answer{Status: 400, Msg: "too many rooms"}
	}
	for _, item := range items {
		text := string(item)
		if item[0] == '"' {
			_ = json.Unmarshal(item, &text)
		}
		if !slices.Contains(rooms, text) {
			rooms = append(rooms, text)
		}
	}
	return rooms, nil
}
