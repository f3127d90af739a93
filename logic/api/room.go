package api

import (
	"context"
	"errors"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/push"
)

var errNoRoom = errors.New("can not find room")

// wholeRoomTime bounds what is done to all devices of a room. It goes on when
// the caller has gone: all of it is better than a part.
const wholeRoomTime = 45 * time.Second

func wholeRoom(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), wholeRoomTime)
}

func (a *API) roomOf(fields input.Fields) (string, error) {
	room, _, err := fields.Text("room", 4*a.o.Rules.Names.RoomMax)
	switch {
	case err == nil && room == "":
		return "", errNoRoom
	case err != nil || !a.o.Rules.Names.Room(room):
		return "", push.ErrRoomInvalid
	}
	return room, nil
}

// roomAPNs changes the rooms that all devices of a room have muted
// (light-push-wire.md 1.4.8).
func (a *API) roomAPNs(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	room, err := a.roomOf(fields)
	if err != nil {
		return nil, err
	}
	change, err := client.ParseMutes(a.o.Rules.Names, fields, a.o.RoomsMax)
	if err != nil {
		return nil, err
	}
	if len(change.Add) == 0 && len(change.Remove) == 0 {
		return empty{}, nil
	}
	ctx, cancel := wholeRoom(ctx)
	defer cancel()
	return empty{}, a.o.Devices.MuteRoom(ctx, c.ns.Key, room, change.Add, change.Remove)
}

// roomLeaveMessage switches offline delivery for all devices of a room; a
// missing value is stored as "", which allows it (1.4.8).
func (a *API) roomLeaveMessage(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	room, err := a.roomOf(fields)
	if err != nil {
		return nil, err
	}
	value, _, err := client.LeaveMessage(fields)
	if err != nil {
		return nil, err
	}
	ctx, cancel := wholeRoom(ctx)
	defer cancel()
	return empty{}, a.o.Devices.SetRoomLeaveMessage(ctx, c.ns.Key, room, value)
}
