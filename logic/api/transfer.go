package api

import (
	"context"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/room"
)

// transfer moves the devices of some rooms into or out of another, connected
// ones on all nodes and offline ones (light-push-wire.md 1.4.7, 4.10).
func (a *API) transfer(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	switch {
	case err != nil:
		return nil, err
	case c.ns.Key == namespace.Root:
		return nil, namespace.ErrLost
	case c.ns.Offline:
		return nil, namespace.ErrOffline
	}
	t, err := room.ParseTransfer(a.o.Rules.Names, fields, c.ns.Key, a.o.RoomsMax)
	if err != nil {
		return nil, err
	}
	ctx, cancel := wholeRoom(ctx)
	defer cancel()
	return empty{}, a.o.Devices.Transfer(ctx, t)
}
