package api

import "context"

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
	req, err := a.o.Rules.Parse(fields, c.ns)
	if err != nil {
		return nil, err
	}
	id, err := a.o.Push.Push(ctx, c.ns, req)
	if err != nil {
		return nil, err
	}
	return pushed{ID: id}, nil
}
