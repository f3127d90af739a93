package api

import (
	"context"

	"github.com/lightpush/lightpush/internal/console"
)

// nodes lists the processes of the installation.
func (a *API) nodes(ctx context.Context, _ *call, p *consoleParts) (any, error) {
	return console.Nodes(ctx, p.Store, a.o.Now(), p.Beat)
}

// redis tells how the store's server is; one that is away is an answer too.
func (a *API) redis(ctx context.Context, _ *call, p *consoleParts) (any, error) {
	return p.Store.RedisHealth(ctx), nil
}
