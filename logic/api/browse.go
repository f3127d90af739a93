package api

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/push"
)

// Bounds of what a list may be asked for, in bytes.
const (
	searchMax = 1000
	cursorMax = 100
)

// browseQuery reads what all lists take.
func browseQuery(c *call) (q console.Query, query url.Values, err error) {
	query = c.gin.Request.URL.Query()
	q = console.Query{
		Namespace: c.ns.Key, Q: query.Get("q"), Cursor: query.Get("cursor"),
		Size: positive(query, "size", console.PageDefault), Online: on(query, "online"),
		Platform: query.Get("platform"), User: query.Get("user"),
	}
	switch {
	case len(q.Q) > searchMax:
		return q, query, &input.FieldError{Field: "q", Problem: "is too long"}
	case len(q.User) > searchMax:
		return q, query, &input.FieldError{Field: "user", Problem: "is too long"}
	case !utf8.ValidString(q.Q): // no name is like that, and not every store can look for it
		return q, query, &input.FieldError{Field: "q", Problem: "must be UTF-8"}
	case len(q.Cursor) > cursorMax:
		return q, query, console.ErrCursor
	case q.Platform != "" && !slices.Contains(client.Platforms[:], q.Platform):
		return q, query, &input.FieldError{Field: "platform", Problem: "must be one of " + strings.Join(client.Platforms[:], ", ")}
	}
	return q, query, nil
}

// on reads a switch of the console's own routes.
func on(query url.Values, key string) bool {
	switch query.Get(key) {
	case "1", "true", "on":
		return true
	}
	return false
}

// off reports that a switch is given as off, not only absent.
func off(query url.Values, key string) bool {
	switch query.Get(key) {
	case "0", "false", "off":
		return true
	}
	return false
}

// rooms lists rooms with somebody online.
func (a *API) rooms(ctx context.Context, c *call, p *consoleParts) (any, error) {
	q, _, err := browseQuery(c)
	if err != nil {
		return nil, err
	}
	return p.browser.Rooms(ctx, q)
}

// room shows one room; zeros for one that nobody ever joined.
func (a *API) room(ctx context.Context, c *call, p *consoleParts) (any, error) {
	name, err := a.roomName(c.gin.Request.URL.Query())
	if err != nil {
		return nil, err
	}
	return p.browser.Room(ctx, c.ns.Key, name)
}

func (a *API) roomName(query url.Values) (string, error) {
	name := query.Get("name")
	switch {
	case name == "":
		return "", errNoRoom
	case !a.o.Rules.Names.Room(name):
		return "", push.ErrRoomInvalid
	}
	return name, nil
}

// roomClients lists the devices of a room.
func (a *API) roomClients(ctx context.Context, c *call, p *consoleParts) (any, error) {
	q, query, err := browseQuery(c)
	if err != nil {
		return nil, err
	}
	name, err := a.roomName(query)
	if err != nil {
		return nil, err
	}
	return p.browser.Members(ctx, name, q)
}

// users lists the users online.
func (a *API) users(ctx context.Context, c *call, p *consoleParts) (any, error) {
	q, _, err := browseQuery(c)
	if err != nil {
		return nil, err
	}
	return p.browser.Users(ctx, q)
}

// clients lists devices.
func (a *API) clients(ctx context.Context, c *call, p *consoleParts) (any, error) {
	q, query, err := browseQuery(c)
	if err != nil {
		return nil, err
	}
	q.Offline = off(query, "online")
	return p.browser.Clients(ctx, q)
}
