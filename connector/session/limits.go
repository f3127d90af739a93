package session

import (
	"errors"
	"time"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/limits"
	"github.com/lightpush/lightpush/internal/room"
)

// Refusals by a limit; all are temporary.
var (
	errUserFull      = errors.New("too many connections of this user")
	errNamespaceFull = errors.New("too many connections of this namespace")
	errEvents        = errors.New("too many events")
)

// LimitErrors are the refusals and the reason of being sent away, for metrics.
var LimitErrors = []error{errUserFull, errNamespaceFull, errEvents}

// Ceilings are limits that may change while clients are connected. Each is of
// this node; 0 is none.
type Ceilings struct {
	PerUser      int // connections of one user
	PerNamespace int // connections of one namespace
	Events       int // events of one client per second, on average
}

// eventsBurst is for how many seconds the events of a client may come at once.
const eventsBurst = 5

// eventsPatience is how many events over the limit, in seconds of it, a client
// may send before it is sent away.
const eventsPatience = 5

// SetCeilings changes the limits for connections that come, and for events, at
// once. Safe for concurrent use.
func (h *Hub) SetCeilings(c Ceilings) { h.ceilings.Store(&c) }

// admitOne reports whether one more connection may come; the newest of a device
// takes the place of the one before. Connections that come at the same moment
// may exceed a limit by a few.
func (h *Hub) admitOne(d *device) error {
	c := h.ceilings.Load()
	if c == nil || c.PerUser <= 0 && c.PerNamespace <= 0 {
		return nil
	}
	if h.device(d.member.Namespace, d.member.ClientID) != nil {
		return nil
	}
	tenant := d.socket.Namespace()
	switch {
	case c.PerUser > 0 && tenant.RoomLen(room.ForUser(d.member.UserID)) >= c.PerUser:
		return tryLater(errUserFull)
	case c.PerNamespace > 0 && tenant.Len() >= c.PerNamespace:
		return tryLater(errNamespaceFull)
	}
	return nil
}

// mayEvent takes one event from the budget of the device. One without budget is
// answered, and the device that goes on is sent away.
func (d *device) mayEvent(e *socketio.Event) bool {
	c := d.hub.ceilings.Load()
	if c == nil || c.Events <= 0 {
		return true
	}
	if d.events == nil {
		d.events = &limits.Budget{}
	}
	ok, over := d.events.Take(time.Since(d.hub.started), c.Events, eventsBurst*c.Events)
	if ok {
		return true
	}
	if d.hub.opts.Access.Refused != nil {
		d.hub.opts.Access.Refused(errEvents.Error())
	}
	_ = e.Ack(answer{Status: 429, Msg: "limited access"})
	if over == eventsPatience*c.Events {
		d.dismiss(errEvents.Error())
	}
	return false
}
