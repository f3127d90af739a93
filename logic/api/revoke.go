package api

import (
	"context"
	"strings"
	"time"

	clientauth "github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/input"
)

// Bounds of the list of revocations.
const (
	revocationsPage    = 100
	revocationsPageMax = 1000
	revokeDefault      = 24 * time.Hour
)

// shownRevocation is a revocation as the API answers it.
type shownRevocation struct {
	Kind   clientauth.Kind `json:"kind"`
	Value  string          `json:"value"`
	Since  int64           `json:"since"` // ms
	Until  int64           `json:"until"` // ms
	Reason string          `json:"reason"`
	By     string          `json:"by"`
}

func showRevocation(r clientauth.Revocation) shownRevocation {
	return shownRevocation{r.Kind, r.Value, r.Since, r.Until, r.Reason, r.By}
}

// revoke disconnects and blocks a user, a device or a token.
func (a *API) revoke(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	r, err := a.revocationOf(c, fields)
	if err != nil {
		return nil, err
	}
	hours, given, err := fields.Number("expire")
	life := revokeDefault
	if given {
		life = time.Duration(min(hours, 1e6) * float64(time.Hour))
	}
	if err != nil || life < time.Second || life > clientauth.RevocationMax {
		return nil, &input.FieldError{Field: "expire", Problem: "must be hours, above 0 and at most 8784"}
	}
	if r.Reason, _, err = fields.Text("reason", clientauth.ReasonMax); err != nil {
		return nil, err
	}
	if strings.ContainsFunc(r.Reason, isControl) {
		return nil, &input.FieldError{Field: "reason", Problem: "must not contain control characters"}
	}
	now := a.o.Now()
	r.Since, r.Until, r.By = now.UnixMilli(), now.Add(life).UnixMilli(), c.actor
	if err := a.o.Access.Revocations.Save(ctx, r); err != nil {
		return nil, err
	}
	a.o.Logger.Info().Str("request", c.id).Str("by", c.caller).Str("namespace", c.ns.Key).
		Str("kind", string(r.Kind)).Str("value", r.Value).Dur("life", life).Msg("access revoked")
	c.note("revoke", c.ns.Key, string(r.Kind)+" "+r.Value, r.Reason)
	return showRevocation(r), nil
}

// liftRevocation ends a revocation; one that is not there is no error.
func (a *API) liftRevocation(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	r, err := a.revocationOf(c, fields)
	if err != nil {
		return nil, err
	}
	r.Lifted = true
	if err := a.o.Access.Revocations.Save(ctx, r); err != nil {
		return nil, err
	}
	a.o.Logger.Info().Str("request", c.id).Str("by", c.caller).Str("namespace", c.ns.Key).
		Str("kind", string(r.Kind)).Str("value", r.Value).Msg("revocation lifted")
	c.note("revoke.lift", c.ns.Key, string(r.Kind)+" "+r.Value, "")
	return empty{}, nil
}

// revocationOf reads whom a request is about: exactly one field says it.
func (a *API) revocationOf(c *call, fields input.Fields) (r clientauth.Revocation, err error) {
	r.Namespace = c.ns.Key
	for _, field := range []struct {
		name  string
		kind  clientauth.Kind
		valid func(string) bool
	}{
		{"userid", clientauth.User, a.o.Rules.Names.UserID},
		{"uuid", clientauth.Device, a.o.Rules.Names.UUID},
		{"token_id", clientauth.Token, func(s string) bool { return !strings.ContainsFunc(s, isControl) }},
	} {
		text, given, err := fields.Text(field.name, clientauth.ValueMax)
		switch {
		case err != nil:
			return r, err
		case !given || text == "":
			continue
		case r.Kind != "":
			return r, &input.FieldError{Field: field.name, Problem: "must not stand beside another one: give userid, uuid or token_id"}
		case !field.valid(text):
			return r, &input.FieldError{Field: field.name, Problem: "invalid"}
		}
		r.Kind, r.Value = field.kind, text
	}
	if r.Kind == "" {
		return r, &input.FieldError{Field: "userid", Problem: "can not be empty: give userid, uuid or token_id"}
	}
	return r, nil
}

// listRevocations lists what is in force, the newest first.
func (a *API) listRevocations(_ context.Context, c *call) (any, error) {
	query := c.gin.Request.URL.Query()
	size := min(positive(query, "size", positive(query, "limit", revocationsPage)), revocationsPageMax)
	page := min(positive(query, "page", 1), clientauth.RevocationsMax)
	found, total := a.o.Access.Revocations.List(c.ns.Key, (page-1)*size, size)
	list := make([]shownRevocation, len(found))
	for i, r := range found {
		list[i] = showRevocation(r)
	}
	return struct {
		List  []shownRevocation `json:"list"`
		Total int               `json:"total"`
	}{list, total}, nil
}
