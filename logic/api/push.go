package api

import (
	"context"

	"github.com/lightpush/lightpush/internal/push"
)

type pushed struct {
	ID int64 `json:"id"`
}

// push accepts a message (light-push-wire.md 1.4.2). The namespace is always
// the credential's.
func (a *API) push(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	req, err := a.parsePush(fields, c.ns)
	if err != nil {
		return nil, err
	}
	if explains(c.gin) {
		return a.explain(ctx, c, req)
	}
	if err := a.pacePushes(c, 1); err != nil {
		return nil, err
	}
	if hasKey(c) {
		return a.pushOnce(ctx, c, []push.Request{req}, func(ids []int64) any { return pushed{ID: ids[0]} })
	}
	id, err := a.o.Push.Push(ctx, c.ns, req)
	if err != nil {
		return nil, err
	}
	c.message = id
	return pushed{ID: id}, nil
}
