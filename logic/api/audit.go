package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/namespace"
)

// noted is an act of this request for the audit log.
type noted struct{ action, namespace, target, detail string }

// note makes the request one that is written to the audit log when it
// succeeds.
func (e *exchange) note(action, ns, target, detail string) {
	e.noted = &noted{action, ns, target, detail}
}

// sessionActs are written when they come from the console; business systems do
// them all the time.
var sessionActs = map[string]string{
	"/api/auth/push":               "push",
	"/api/auth/push/batch":         "push",
	"/api/auth/client":             "device.update",
	"/api/auth/room-apns":          "room.mute",
	"/api/auth/room-leave-message": "room.leaveMessage",
	"/api/auth/transfer":           "room.transfer",
	"/api/auth/apns/test":          "apns.test",
}

// auditTimeout bounds the writing of one act, behind the act itself.
const auditTimeout = 2 * time.Second

// auditSuccess writes what a request has done. A failure is logged: the act
// has been done.
func (a *API) auditSuccess(c *call) {
	if a.console == nil {
		return
	}
	if action, ok := sessionActs[c.gin.FullPath()]; ok && c.session && c.noted == nil && c.gin.Request.Method == http.MethodPost {
		target, _, _ := c.fields.Text("room", nameTextMax)
		if target == "" {
			target, _, _ = c.fields.Text("id", clientIDMax)
		}
		c.note(action, "", target, "")
	}
	if c.noted == nil {
		return
	}
	if c.noted.namespace == "" && c.ns != nil {
		c.noted.namespace = c.ns.Key
	}
	a.writeAct(c, console.Act{
		Actor: c.actor, Role: c.role, Action: c.noted.action, Namespace: c.noted.namespace,
		Target: c.noted.target, Detail: c.noted.detail,
	})
}

func (a *API) writeAct(c *call, act console.Act) {
	act.Time = a.o.Now().UnixMilli()
	if c.address.IsValid() {
		act.Address = c.address.String()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.gin.Request.Context()), auditTimeout)
	defer cancel()
	if err := a.console.audit.Add(ctx, act); err != nil {
		a.o.Logger.Error().Err(err).Str("request", c.id).Str("action", act.Action).Msg("audit log")
	}
}

// auditFailure writes a failed login, as long as there are few.
func (a *API) auditFailure(c *call, p *consoleParts, name string, err error) {
	failure := failureOf(err)
	if failure.Status >= http.StatusInternalServerError || !p.attempts.AllowN(a.o.Now(), 1) {
		return
	}
	act := console.Act{Actor: name, Action: "login.failed", Detail: failure.Msg}
	if _, ok := a.o.Namespaces.Get(name); ok {
		act.Namespace = name
	}
	a.writeAct(c, act)
}

// changedFields names what a save has changed, without its values: a console
// may send back a whole record. before is nil for a new namespace.
func changedFields(fields input.Fields, patch namespace.Patch, before, saved *namespace.Namespace) string {
	var names []string
	was, is := shownFields(before), shownFields(saved)
	for field, sent := range fields {
		switch {
		case field == "key" || field == "update_date" || field == "offline" || string(sent) == secretSent:
		case field == "apns_list" && before != nil && slices.Equal(before.APNs, saved.APNs):
		case was[field] != "" && was[field] == is[field] && !strings.Contains(is[field], namespace.SecretMark):
		default:
			names = append(names, field)
		}
	}
	slices.Sort(names)
	if patch.Offline != nil {
		state := "offline=off"
		if *patch.Offline {
			state = "offline=on"
		}
		names = append([]string{state}, names...)
	}
	return strings.Join(names, " ")
}

// secretSent is how a secret that was shown comes back.
const secretSent = `"` + namespace.SecretMark + `"`

// shownFields are the fields of a namespace as they are answered.
func shownFields(ns *namespace.Namespace) map[string]string {
	if ns == nil {
		return nil
	}
	var fields map[string]json.RawMessage
	data, err := json.Marshal(ns.Public())
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	if err != nil { // texts and numbers: cannot fail
		return nil
	}
	shown := make(map[string]string, len(fields))
	for name, value := range fields {
		if shown[name] = string(value); shown[name] == "null" {
			shown[name] = `""` // the same
		}
	}
	return shown
}

const (
	auditPageDefault = 50
	auditPageMax     = 500
)

// auditLog lists administrative acts, the newest first.
func (a *API) auditLog(ctx context.Context, c *call, p *consoleParts) (any, error) {
	query := c.gin.Request.URL.Query()
	key := query.Get("namespace")
	if key != "" {
		var err error
		if key, err = namespace.ParseKey(a.o.Rules.Names, key); err != nil {
			return nil, err
		}
	}
	return p.audit.List(ctx, key, positive(query, "page", 1), min(positive(query, "size", auditPageDefault), auditPageMax))
}
