package api

import (
	"context"
	"fmt"
	"net/url"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/report"
)

// history lists messages, newest first (light-push-wire.md 1.4.3).
func (a *API) history(ctx context.Context, c *call) (any, error) {
	query := c.gin.Request.URL.Query()
	return a.o.Reports.History(ctx, c.ns.Key, positive(query, "page", 1), positive(query, "size", report.DefaultPageSize))
}

// message reports on one message (light-push-wire.md 1.4.4). detail is what
// the old console sends for ackDetail (B57).
func (a *API) message(ctx context.Context, c *call) (any, error) {
	id, err := messageID(c)
	if err != nil {
		return nil, err
	}
	return a.o.Reports.Message(ctx, c.ns.Key, id, given(c.gin.Request.URL.Query(), "ackDetail", "detail"))
}

// messageStat counts the pushes of now (light-push-wire.md 1.4.9).
func (a *API) messageStat(ctx context.Context, c *call) (any, error) {
	return a.o.Reports.MessageStat(ctx, c.ns.Key, a.o.Now())
}

// online shows the caller's own presence; namespace= is ignored
// (light-push-wire.md 1.4.5).
func (a *API) online(ctx context.Context, c *call) (any, error) {
	return a.presence(ctx, c.ns.Key, c.gin.Request.URL.Query())
}

// adminOnline shows the presence of everything or of one namespace.
func (a *API) adminOnline(ctx context.Context, c *call) (any, error) {
	query := c.gin.Request.URL.Query()
	if !a.o.Namespaces.Ready() {
		return nil, namespace.ErrUnavailable
	}
	wanted := query.Get("namespace")
	if wanted == "" {
		return a.o.Reports.Totals(ctx, keys(a.o.Namespaces.List()))
	}
	key, err := namespace.ParseKey(a.o.Rules.Names, wanted)
	if err != nil {
		return nil, err
	}
	if _, ok := a.o.Namespaces.Get(key); !ok {
		return nil, namespace.ErrNotFound
	}
	return a.presence(ctx, key, query)
}

func (a *API) presence(ctx context.Context, ns string, query url.Values) (any, error) {
	rooms, detail := query["room"], given(query, "detail")
	if len(rooms) == 0 || (len(rooms) == 1 && rooms[0] == "") {
		return a.o.Reports.Namespace(ctx, ns, detail)
	}
	if len(rooms) > a.o.RoomsMax {
		return nil, &input.FieldError{Field: "room", Problem: fmt.Sprintf("must have at most %d elements", a.o.RoomsMax)}
	}
	for _, room := range rooms {
		if !a.o.Rules.Names.Room(room) {
			return nil, push.ErrRoomInvalid
		}
	}
	return a.o.Reports.Rooms(ctx, ns, rooms, detail)
}

func keys(list []*namespace.Namespace) []string {
	keys := make([]string, len(list))
	for i, ns := range list {
		keys[i] = ns.Key
	}
	return keys
}
