package offline

import (
	"context"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

// Store is what the worker asks of the store. Implementations are safe for
// concurrent use and wrap their errors once.
type Store interface {
	// Message reads a message, nil when it is gone.
	Message(ctx context.Context, id int64) (*push.Message, error)
	// Audience reads one step, of about count, of the devices of a platform
	// that have joined the room and not left it; the walk begins and ends
	// with cursor 0. A device may come twice.
	Audience(ctx context.Context, ns, room, platform string, cursor uint64, count int) (clients []string, next uint64, err error)
	// Marks reads who of the devices has acked, and the fates so far.
	Marks(ctx context.Context, id int64, platform string, clients []string) (acked []bool, fates []push.Fate, err error)
	// Recipients reads what decides about devices, in their order.
	Recipients(ctx context.Context, ns, room string, clients []string) ([]push.Recipient, error)
	// Place puts the message into inboxes of at most limit entries; Unplace
	// takes it out of them.
	Place(ctx context.Context, m *push.Message, clients []string, limit int) ([]push.Placed, error)
	Unplace(ctx context.Context, m *push.Message, clients []string) error
	// Direct sends the message to devices on the nodes they are connected to.
	Direct(ctx context.Context, m *push.Message, clients, nodes []string) error
	// Settle keeps fates; a final one is never replaced. Those that are new
	// are counted and reported in the record when there is a run.
	Settle(ctx context.Context, id int64, run push.Run, fates []push.Settled) error
	// Finish notes that all is decided. A result is set unless there is one;
	// "" is none.
	Finish(ctx context.Context, id int64, result string) error
	// DropToken removes a push token if the device still has it.
	DropToken(ctx context.Context, ns, clientID, token string) (dropped bool, err error)
}

// Namespaces is the part of namespace.Registry the worker needs.
type Namespaces interface {
	Ready() bool
	Get(key string) (*namespace.Namespace, bool)
	Reload(ctx context.Context) error
}
