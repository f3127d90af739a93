package console

import "context"

// Store is everything the console needs of the store.
type Store interface {
	SessionStore
	AuditStore
	SamplerStore
	OverviewStore
	BrowseStore
	MessageStore
	HeartbeatStore
	RedisStore
	// KickDevice ends the connection of a device, on whatever node; one that
	// is offline is no error. client.ErrUnknown.
	KickDevice(ctx context.Context, ns, id string) error
	// ChangeMutes changes the rooms a device mutes. client.ErrUnknown,
	// client.ErrMutesFull.
	ChangeMutes(ctx context.Context, ns, id string, add, remove []string) error
}
