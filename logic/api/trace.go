package api

import (
	"context"
	"net/url"
	"strconv"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/logic/report"
)

// trace tells what did happen to a message, and when.
func (a *API) trace(ctx context.Context, c *call) (any, error) {
	id, err := messageID(c)
	if err != nil {
		return nil, err
	}
	query := c.gin.Request.URL.Query()
	q := report.TraceQuery{
		Namespace: c.ns.Key, ID: id, ClientID: query.Get("clientId"),
		Cursor: query.Get("cursor"), Size: positive(query, "size", report.TraceDefault),
	}
	if len(q.ClientID) > clientIDMax {
		return nil, &input.FieldError{Field: "clientId", Problem: "is too long"}
	}
	found, err := a.o.Reports.Trace(ctx, q)
	found.Time = a.o.Now().UnixMilli()
	return found, err
}

// userMessages lists what was sent to the devices of a user. One of another
// namespace is unknown here, like one that never was.
func (a *API) userMessages(ctx context.Context, c *call, p *consoleParts) (any, error) {
	query := c.gin.Request.URL.Query()
	q := console.UserQuery{
		Namespace: c.ns.Key, User: c.gin.Param("id"),
		Cursor: query.Get("cursor"), Size: positive(query, "size", console.PageDefault),
	}
	if len(q.User) > searchMax {
		return nil, &input.FieldError{Field: "id", Problem: "is too long"}
	}
	var err error
	if q.From, err = instant(query, "from"); err != nil {
		return nil, err
	}
	if q.To, err = instant(query, "to"); err != nil {
		return nil, err
	}
	return p.browser.UserMessages(ctx, q, a.o.Reports.Judge)
}

// instant reads a time, ms; 0 when there is none.
func instant(query url.Values, key string) (int64, error) {
	text := query.Get(key)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, &input.FieldError{Field: key, Problem: "must be a positive whole number"}
	}
	return n, nil
}
