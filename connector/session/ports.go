// Package session is the push domain on a socket: handshake rules, rooms,
// acks and client pushes of light-push-wire.md section 2, on top of the
// Socket.IO engine.
package session

import (
	"context"

	"github.com/lightpush/lightpush/internal/client"
)

// Presence is what the session domain asks of the store about who is online
// where. All writes compare generations (client.Member.Gen); operations of
// one member are called one after the other.
type Presence interface {
	// Claim makes the connection the newest of its client id: it writes
	// the device record and returns the connection's generation and who
	// held the id before. Gen of m is ignored.
	Claim(ctx context.Context, m client.Member) (gen int64, prev client.Holder, err error)
	// Enter registers a claimed connection: online in the namespace,
	// listed under its node, member of rooms.
	Enter(ctx context.Context, m client.Member, rooms []string) error
	// Join and Leave change the rooms of a connection. Leave is the
	// explicit kind that ends offline membership too.
	Join(ctx context.Context, m client.Member, rooms []string) error
	Leave(ctx context.Context, m client.Member, rooms []string) error
	// Release ends a connection that is in rooms; memberships for offline
	// delivery stay.
	Release(ctx context.Context, m client.Member, rooms []string, reason string) error
}

// Nodes sends messages to other connectors.
type Nodes interface {
	Kick(ctx context.Context, node string, k client.Kick) error
}
