package report

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/internal/room"
)

// Store answers the questions of the reports. Implementations are safe for
// concurrent use and wrap their errors once.
type Store interface {
	// MessageIDs returns the ids of the namespace's history, newest first.
	MessageIDs(ctx context.Context, ns string) ([]int64, error)
	// Alive reports which of the messages still exist.
	Alive(ctx context.Context, ids []int64) ([]bool, error)
	// Records returns the stored fields of the messages, nil for those
	// that are gone.
	Records(ctx context.Context, ids []int64) ([]map[string]string, error)
	// Acked returns the client ids of that platform that acked the
	// message; full is true, and the list empty, when there are limit or
	// more.
	Acked(ctx context.Context, id int64, platform string, limit int) (clients []string, full bool, err error)
	// Counters returns the pushes of the minute, hour and day that now is in.
	Counters(ctx context.Context, ns string, now time.Time) (minute, hour, day int64, err error)
	// Online returns the presence figures of a namespace.
	Online(ctx context.Context, ns string) (Online, error)
	// OnlineRooms, OnlineClients and OnlineUsers list what Online counts.
	OnlineRooms(ctx context.Context, ns string) ([]string, error)
	OnlineClients(ctx context.Context, ns string) ([]string, error)
	OnlineUsers(ctx context.Context, ns string) ([]string, error)
	// RoomCounts returns the presence figures of rooms, in their order.
	RoomCounts(ctx context.Context, ns string, rooms []string) ([]room.Count, error)
	// RoomClients and RoomUsers list who is online in a room.
	RoomClients(ctx context.Context, ns, room string) ([]string, error)
	RoomUsers(ctx context.Context, ns, room string) ([]string, error)
}

// Online is the presence of one namespace.
type Online = room.Online
