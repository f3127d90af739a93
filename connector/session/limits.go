package session

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/limits"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/room"
)

// Refusals by a limit; all are temporary.
var (
	errUserFull      = errors.New("too many connections of this user")
	errNamespaceFull = errors.New("too many connections of this namespace")
	errEvents        = errors.New("too many events")
	errRooms         = errors.New("too many rooms")
)

// Refusals are the texts of this package with which clients are refused or
// sent away, for metrics.
var Refusals = []error{errUserFull, errNamespaceFull, errEvents, errRooms, errConflict, errStore}

// Ceilings are limits that may change while clients are connected. Each is of
// this node; 0 is none, but for Rooms.
type Ceilings struct {
	PerUser      int // connections of one user
	PerNamespace int // connections of one namespace
	Events       int // events of one client per second, on average
	Rooms        int // rooms of one client; 0: Limits.RoomsPerClient
}

// bounds are the ceilings of one namespace, those of the configuration and its
// own: the Data of its engine's namespace, so that they cost a device nothing
// and looking costs no map.
type bounds struct{ atomic.Pointer[Ceilings] }

// ceilings are those of the namespace of the device.
func (d *device) ceilings() *Ceilings { return d.socket.Namespace().Data.(*bounds).Load() }

// eventsBurst is for how many seconds the events of a client may come at once.
const eventsBurst = 5

// eventsPatience is how many events over the limit, in seconds of it, a client
// may send before it is sent away.
const eventsPatience = 5

// SetCeilings changes the limits for connections that come, and for events, at
// once. Safe for concurrent use.
func (h *Hub) SetCeilings(c Ceilings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ceilings = c
	for _, tenant := range h.tenants {
		h.boundLocked(tenant)
	}
}

// bound takes the ceilings of a namespace that has changed.
func (h *Hub) bound(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if tenant, ok := h.tenants[key]; ok {
		h.boundLocked(tenant)
	}
}

// boundLocked reads the registry under the lock, so that what is stored last is
// what the registry has shown last.
func (h *Hub) boundLocked(tenant *socketio.Namespace) {
	c := h.ceilings
	if c.Rooms <= 0 {
		c.Rooms = h.opts.Limits.RoomsPerClient
	}
	ns, _ := h.opts.Namespaces.Get(tenant.Name())
	l := ns.InForce(namespace.Limits{
		Connections: c.PerNamespace, ConnectionsPerUser: c.PerUser, EventsPerSecond: c.Events, RoomsPerClient: c.Rooms,
	})
	if tenant.Data == nil {
		tenant.Data = &bounds{}
	}
	tenant.Data.(*bounds).Store(&Ceilings{
		PerUser: l.ConnectionsPerUser, PerNamespace: l.Connections, Events: l.EventsPerSecond, Rooms: l.RoomsPerClient,
	})
}

// admitOne reports whether one more connection may come; the newest of a device
// takes the place of the one before. Connections that come at the same moment
// may exceed a limit by a few.
func (h *Hub) admitOne(d *device) error {
	c := d.ceilings()
	if c.PerUser <= 0 && c.PerNamespace <= 0 {
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
	c := d.ceilings()
	if c.Events <= 0 {
		return true
	}
	if d.events == nil {
		d.events = &limits.Budget{}
	}
	ok, over := d.events.Take(time.Since(d.hub.started), c.Events, eventsBurst*c.Events)
	if ok {
		return true
	}
	d.hub.opts.Observer.Refused(errEvents.Error())
	_ = e.Ack(answer{Status: 429, Msg: "limited access"})
	if over == eventsPatience*c.Events {
		d.dismiss(errEvents.Error())
	}
	return false
}
