package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/namespace"
)

// scope is whose credential a route asks for.
type scope int

const (
	public scope = iota
	tenant       // /api/auth: a namespace's
	admin        // /api/admin: the administrator's
)

// call is one authenticated request with its body read.
type call struct {
	gin *gin.Context
	*exchange
	// ns is the caller's namespace on tenant routes, else nil.
	ns *namespace.Namespace
	// fields are the body's on POST routes, else nil.
	fields input.Fields
	// items are the members of the body on routes that take an array.
	items []json.RawMessage
	// text says that the body was plain text, so there are no fields.
	text bool
}

// form returns the fields of the body.
func (c *call) form() (input.Fields, error) {
	if c.text {
		return nil, errTextBody
	}
	return c.fields, nil
}

// plain is a successful answer that is text instead of JSON.
type plain string

// empty is the answer of actions without a result.
type empty struct{}

// nothing is the answer 204.
type nothing struct{}

type route struct {
	method string // GET routes answer HEAD too
	path   string // gin pattern, lower case but for parameters
	scope  scope
	// handle returns what is to be marshalled, or an error for failureOf.
	handle func(a *API, ctx context.Context, c *call) (any, error)
}

// routes are all routes there are; anything else is a 404.
var routes = []route{
	{http.MethodGet, "/health", public, (*API).health},
	{http.MethodPost, "/api/auth/login", tenant, (*API).login},
	{http.MethodPost, "/api/admin/login", admin, (*API).login},
	{http.MethodPost, "/api/auth/push", tenant, (*API).push},
	{http.MethodPost, batchPath, tenant, (*API).pushBatch},
	{http.MethodGet, "/api/auth/report/push", tenant, (*API).history},
	{http.MethodGet, "/api/auth/report/push/:id", tenant, (*API).message},
	{http.MethodGet, "/api/auth/report/push/:id/receipts", tenant, (*API).receipts},
	{http.MethodGet, "/api/auth/report/push/:id/states", tenant, (*API).states},
	{http.MethodGet, "/api/auth/message/:id/trace", tenant, (*API).trace},
	{http.MethodGet, "/api/auth/report/online", tenant, (*API).online},
	{http.MethodGet, "/api/admin/report/online", admin, (*API).adminOnline},
	{http.MethodGet, "/api/auth/namespace/current-message-stat", tenant, (*API).messageStat},
	{http.MethodPost, "/api/auth/transfer", tenant, (*API).transfer},
	{http.MethodPost, "/api/auth/client", tenant, (*API).client},
	{http.MethodPost, "/api/auth/room-apns", tenant, (*API).roomAPNs},
	{http.MethodPost, "/api/auth/room-leave-message", tenant, (*API).roomLeaveMessage},
	{http.MethodPost, "/api/auth/apns/test", tenant, (*API).testAPNs},
	{http.MethodGet, "/api/auth/namespace", tenant, (*API).namespace},
	{http.MethodGet, "/api/auth/namespace/limits", tenant, (*API).namespaceLimits},
	{http.MethodPost, "/api/auth/namespace/save", tenant, (*API).saveOwnNamespace},
	{http.MethodGet, "/api/admin/namespace/list", admin, (*API).listNamespaces},
	{http.MethodPost, "/api/admin/namespace/save", admin, (*API).saveNamespace},
	{http.MethodPost, "/api/admin/namespace/clear-realtime-data", admin, (*API).clearRealtime},
	{http.MethodPost, "/api/admin/clear-legacy-client", admin, (*API).clearLegacy},
	{http.MethodGet, "/api/admin/namespace/clear/:key", admin, (*API).clearNamespace},
	{http.MethodPost, "/api/admin/namespace/clear/:key", admin, (*API).clearNamespace},
	{http.MethodDelete, "/api/admin/namespace/clear/:key", admin, (*API).clearNamespace},
	{http.MethodGet, "/api/admin/namespace/flush/:key", admin, (*API).flushNamespace},
	{http.MethodPost, "/api/admin/namespace/flush/:key", admin, (*API).flushNamespace},
	{http.MethodDelete, "/api/admin/namespace/flush/:key", admin, (*API).flushNamespace},
	{http.MethodGet, "/api/admin/queue", admin, (*API).queues},
	{http.MethodGet, "/api/admin/queue/dead", admin, (*API).deadJobs},
	{http.MethodPost, "/api/admin/queue/requeue", admin, (*API).requeue},

	{http.MethodPost, "/api/console/login", public, withConsole((*API).openSession)},
	{http.MethodGet, "/api/console/session", public, withConsole((*API).showSession)},
	{http.MethodPost, "/api/console/logout", public, withConsole((*API).closeSession)},
	{http.MethodGet, "/api/auth/overview", tenant, withConsole((*API).overview)},
	{http.MethodGet, "/api/admin/overview", admin, withConsole((*API).adminOverview)},
	{http.MethodGet, "/api/auth/series", tenant, withConsole((*API).series)},
	{http.MethodGet, "/api/admin/series", admin, withConsole((*API).adminSeries)},
	{http.MethodGet, "/api/admin/nodes", admin, withConsole((*API).nodes)},
	{http.MethodGet, "/api/admin/redis", admin, withConsole((*API).redis)},
	{http.MethodGet, "/api/admin/audit", admin, withConsole((*API).auditLog)},
	{http.MethodGet, "/api/auth/rooms", tenant, withConsole((*API).rooms)},
	{http.MethodGet, "/api/auth/room", tenant, withConsole((*API).room)},
	{http.MethodGet, "/api/auth/room/clients", tenant, withConsole((*API).roomClients)},
	{http.MethodGet, "/api/auth/users", tenant, withConsole((*API).users)},
	{http.MethodGet, "/api/auth/clients", tenant, withConsole((*API).clients)},
	{http.MethodGet, "/api/auth/device", tenant, withConsole((*API).device)},
	{http.MethodPost, "/api/auth/device/kick", tenant, withConsole((*API).kickDevice)},
	{http.MethodPost, "/api/auth/device/mute", tenant, withConsole((*API).muteDevice)},
	{http.MethodGet, "/api/auth/messages", tenant, withConsole((*API).messages)},
	{http.MethodGet, "/api/auth/user/:id/messages", tenant, withConsole((*API).userMessages)},
	{http.MethodPost, "/api/auth/namespace/test-callback", tenant, withConsole((*API).testCallback)},

	{http.MethodGet, "/api/auth/apikeys", tenant, withAccess((*API).listKeys)},
	{http.MethodPost, "/api/auth/apikeys", tenant, withAccess((*API).createKey)},
	{http.MethodPost, "/api/auth/apikeys/remove", tenant, withAccess((*API).removeKey)},
	{http.MethodGet, "/api/auth/revoke", tenant, withAccess((*API).listRevocations)},
	{http.MethodPost, "/api/auth/revoke", tenant, withAccess((*API).revoke)},
	{http.MethodPost, "/api/auth/revoke/lift", tenant, withAccess((*API).liftRevocation)},
}

// changes reports that a request does more than look, so that not every role
// may send it and a cookie alone is not enough.
func (r route) changes(c *gin.Context) bool {
	switch {
	case strings.HasSuffix(r.path, "/:key"): // also by GET, as light-push had it
		return true
	case r.path == "/api/auth/push":
		return !explains(c)
	}
	return changesByMethod(c)
}

func changesByMethod(c *gin.Context) bool {
	return c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead
}

// serve runs one route: credential, body, handler, answer.
func (a *API) serve(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		ex := exchangeOf(c)
		in := &call{gin: c, exchange: ex}
		var err error
		if in.ns, err = a.authorize(c, r.scope, r.changes(c)); err != nil {
			a.refuse(c, err)
			return
		}
		if err = a.pace(c, ex.caller); err != nil {
			a.refuse(c, err)
			return
		}
		if r.method == http.MethodPost {
			if r.path == batchPath {
				in.items, err = a.readItems(c)
			} else {
				in.fields, in.text, err = a.readBody(c)
			}
			if err != nil {
				a.refuse(c, err)
				return
			}
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), a.o.Timeout)
		defer cancel()
		answer, err := r.handle(a, ctx, in)
		if err != nil {
			a.refuse(c, err)
			return
		}
		a.auditSuccess(in)
		a.succeed(c, answer)
	}
}

// unknown answers paths and methods without a route. Under a protected prefix
// the credential comes first, so that nobody can probe for routes.
func (a *API) unknown(c *gin.Context) {
	s := scopeOf(c.Request.URL.EscapedPath())
	if c.Request.Method == http.MethodOptions {
		a.preflight(c, s)
		return
	}
	if _, err := a.authorize(c, s, changesByMethod(c)); err != nil {
		a.refuse(c, err)
		return
	}
	a.refuse(c, FailNotFound)
}
