package api

import (
	"context"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/namespace"
)

// overview is the state of the caller's namespace.
func (a *API) overview(ctx context.Context, c *call, p *consoleParts) (any, error) {
	return console.ReadOverview(ctx, p.Store, []string{c.ns.Key}, a.o.Now())
}

// adminOverview is the state of all namespaces together.
func (a *API) adminOverview(ctx context.Context, _ *call, p *consoleParts) (any, error) {
	if !a.o.Namespaces.Ready() {
		return nil, namespace.ErrUnavailable
	}
	return console.ReadOverview(ctx, p.Store, keys(a.o.Namespaces.List()), a.o.Now())
}
