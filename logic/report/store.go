package report

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/internal/room"
)

// Store answers the questions of the reports. Implementations are safe for
// concurrent use and wrap their errors once.
type Store interface {
	ReceiptStore
	TraceStore
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

// ReceiptStore answers the questions of the receipts. The walks begin and end
// with cursor 0 and give about count devices per step; one may come twice.
type ReceiptStore interface {
	// Audience walks the devices of a platform that have joined the room and
	// not left it; InAudience tells who is one of them.
	Audience(ctx context.Context, ns, room, platform string, cursor uint64, count int) (clients []string, next uint64, err error)
	InAudience(ctx context.Context, ns, room, platform string, clients []string) ([]bool, error)
	// AckedPage walks the devices of a platform that acked the message,
	// SettledPage those whose fate is kept.
	AckedPage(ctx context.Context, id int64, platform string, cursor uint64, count int) (clients []string, next uint64, err error)
	SettledPage(ctx context.Context, id int64, cursor uint64, count int) (clients []string, next uint64, err error)
	// Marks tells who of the devices has acked, and the fates.
	Marks(ctx context.Context, id int64, platform string, clients []string) (acked []bool, fates []push.Fate, err error)
	// MarkCounts tells how many have acked by platform, and how many fates
	// are kept; OnlineSince since when devices are online, ms, 0 for offline.
	MarkCounts(ctx context.Context, id int64) (acked map[string]int64, fates int64, err error)
	OnlineSince(ctx context.Context, ns string, clients []string) ([]int64, error)
	// DeviceTimes tells when the devices acked, and their earlier fates; of is
	// what the record of the message tells.
	DeviceTimes(ctx context.Context, id int64, of push.Times, clients []string) ([]push.DeviceTimes, error)
	// Recipients tells where devices are online.
	Recipients(ctx context.Context, ns, room string, clients []string) ([]push.Recipient, error)
}

// TraceStore is what a trace asks of the store besides.
type TraceStore interface {
	// Devices reads devices in their order; an unknown one has no user.
	Devices(ctx context.Context, ns string, ids []string) ([]console.Device, error)
	// OfflineJob tells how the offline delivery of a message stands.
	OfflineJob(ctx context.Context, id int64) (queue.Status, error)
}

// Online is the presence of one namespace.
type Online = room.Online
