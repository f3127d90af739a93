package api

import (
	"context"
	"net/http"

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
	{http.MethodGet, "/api/auth/report/push", tenant, (*API).history},
	{http.MethodGet, "/api/auth/report/push/:id", tenant, (*API).message},
	{http.MethodGet, "/api/auth/report/push/:id/receipts", tenant, (*API).receipts},
	{http.MethodGet, "/api/auth/report/online", tenant, (*API).online},
	{http.MethodGet, "/api/admin/report/online", admin, (*API).adminOnline},
	{http.MethodGet, "/api/auth/namespace/current-message-stat", tenant, (*API).messageStat},
	{http.MethodPost, "/api/auth/transfer", tenant, (*API).transfer},
	{http.MethodPost, "/api/auth/client", tenant, (*API).client},
	{http.MethodPost, "/api/auth/room-apns", tenant, (*API).roomAPNs},
	{http.MethodPost, "/api/auth/room-leave-message", tenant, (*API).roomLeaveMessage},
	{http.MethodPost, "/api/auth/apns/test", tenant, (*API).testAPNs},
	{http.MethodGet, "/api/auth/namespace", tenant, (*API).namespace},
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
}

// serve runs one route: credential, body, handler, answer.
func (a *API) serve(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		ex := exchangeOf(c)
		in := &call{gin: c, exchange: ex}
		var err error
		if in.ns, err = a.authorize(c, r.scope); err != nil {
			a.refuse(c, err)
			return
		}
		if r.method == http.MethodPost {
			if in.fields, in.text, err = a.readBody(c); err != nil {
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
	if _, err := a.authorize(c, s); err != nil {
		a.refuse(c, err)
		return
	}
	a.refuse(c, FailNotFound)
}
