// Package session is the push domain on a socket: handshake rules, rooms,
// acks and client pushes of light-push-wire.md section 2, on top of the
// Socket.IO engine.
package session

import (
	"context"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// Presence is what the session domain asks of the store about who is online
// where. All writes compare generations (client.Member.Gen); operations of
// one member are called one after the other.
type Presence interface {
	// Claim makes the connection the newest of its client id: it writes
	// the device record and returns the connection's generation, who held
	// the id before, and the session that could be recovered. Gen of m is
	// ignored.
	Claim(ctx context.Context, m client.Member) (client.Claim, error)
	// Enter registers a claimed connection: online in the namespace,
	// listed under its node, member of rooms. Its session, if it can be
	// recovered, takes the place of the one Claim has named.
	Enter(ctx context.Context, m client.Member, rooms []string) error
	// Join and Leave change the rooms of a connection. Leave is the
	// explicit kind that ends offline membership too.
	Join(ctx context.Context, m client.Member, rooms []string) error
	Leave(ctx context.Context, m client.Member, rooms []string) error
	// Release ends a connection that is in rooms; memberships for offline
	// delivery stay, and so does its session when it is recoverable.
	Release(ctx context.Context, m client.Member, rooms []string, reason string, recoverable bool) error
}

// Clients is what the session domain asks of the store about the records of
// devices. An unknown device is client.ErrUnknown.
type Clients interface {
	// Client reads a record; it is empty for an unknown device.
	Client(ctx context.Context, ns, clientID string) (client.Record, error)
	// UpdateClient changes a record. With owner it must be of a device of
	// that user, else client.ErrForbidden.
	UpdateClient(ctx context.Context, ns, clientID, owner string, u client.Update) error
	// Mutes lists the rooms whose messages are not sent by APNs.
	Mutes(ctx context.Context, ns, clientID string) ([]string, error)
	// ChangeMutes adds rooms, then removes others; client.ErrMutesFull.
	ChangeMutes(ctx context.Context, ns, clientID string, add, remove []string) error
	// Nearby finds connected devices.
	Nearby(ctx context.Context, a client.Area) ([]client.Neighbour, error)
	// TransferDone confirms a transfer to whoever waits for it.
	TransferDone(ctx context.Context, token string) error
}

// Recovery is what the session domain asks of the store to continue the
// session of a device whose connection broke.
type Recovery interface {
	// Session returns the rooms of the session a claim has named, and a
	// time, ms, at which its device was still connected as far as its node
	// knew; 0 when nobody knows.
	Session(ctx context.Context, m client.Member, c client.Claim) (rooms []string, alive int64, err error)
	// Missed returns the messages a device has not got, in the order of
	// their ids, or push.ErrUnreachable. What was accepted before the call
	// is among them; what is accepted later is sent to the node of a device
	// that has entered.
	Missed(ctx context.Context, q push.MissedQuery) ([]push.Delivery, error)
}

// Nodes sends messages to other connectors.
type Nodes interface {
	Kick(ctx context.Context, node string, k client.Kick) error
}
