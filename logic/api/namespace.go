package api

import (
	"context"
	"net/url"
	"strings"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/logic/report"
)

// namespace shows the caller's configuration, secrets masked (B33).
func (a *API) namespace(_ context.Context, c *call) (any, error) { return c.ns.Public(), nil }

// namespaceLimits tells what limits hold for the caller, and which it may set.
func (a *API) namespaceLimits(_ context.Context, c *call) (any, error) {
	configured := a.o.Namespaces.Configured()
	return struct {
		Configured namespace.PublicLimits `json:"configured"`
		Ceiling    namespace.PublicLimits `json:"ceiling"`
		InForce    namespace.PublicLimits `json:"inForce"`
	}{
		namespace.PublicLimits(configured), namespace.PublicLimits(c.ns.Ceilings(configured)), namespace.PublicLimits(c.ns.InForce(configured)),
	}, nil
}

// saveOwnNamespace changes the caller's configuration; key is the
// credential's whatever the body says (light-push-wire.md 1.4.10).
func (a *API) saveOwnNamespace(ctx context.Context, c *call) (any, error) {
	return a.save(ctx, c, c.ns.Key)
}

// saveNamespace creates or changes any namespace.
func (a *API) saveNamespace(ctx context.Context, c *call) (any, error) { return a.save(ctx, c, "") }

func (a *API) save(ctx context.Context, c *call, own string) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	patch, err := namespace.ParsePatch(a.o.Rules.Names, fields, own)
	if err != nil {
		return nil, err
	}
	patch.ByAdmin = c.role == console.Admin // also for a namespace it acts for
	before, _ := a.o.Namespaces.Get(patch.Key)
	saved, err := a.o.Namespaces.Save(ctx, patch, a.o.Now())
	if err != nil {
		return nil, err
	}
	a.o.Logger.Info().Str("request", c.id).Str("by", c.caller).Str("namespace", patch.Key).Msg("namespace saved")
	c.note("namespace.save", patch.Key, "", changedFields(fields, patch, before, saved))
	return empty{}, nil
}

type namespaceList struct {
	List  []listedNamespace `json:"list"`
	Total int               `json:"total"` // of all pages
}

type listedNamespace struct {
	namespace.Public
	*report.Presence // nil, and absent, unless online was asked for
}

// listNamespaces filters and pages all namespaces (light-push-wire.md 1.4.10).
func (a *API) listNamespaces(ctx context.Context, c *call) (any, error) {
	if !a.o.Namespaces.Ready() {
		return nil, namespace.ErrUnavailable
	}
	query := c.gin.Request.URL.Query()
	matches := filterNamespaces(a.o.Namespaces.List(), query)
	answer := namespaceList{List: []listedNamespace{}, Total: len(matches)}
	size := min(positive(query, "pageSize", report.DefaultPageSize), a.o.ListMax)
	if page := positive(query, "page", 1); page-1 <= len(matches)/size {
		from := min((page-1)*size, len(matches))
		matches = matches[from:min(from+size, len(matches))]
	} else {
		matches = nil
	}
	var presence []report.Presence
	if given(query, "online") {
		var err error
		if presence, err = a.o.Reports.Presence(ctx, keys(matches)); err != nil {
			return nil, err
		}
	}
	for i, ns := range matches {
		entry := listedNamespace{Public: ns.Public()}
		if presence != nil {
			entry.Presence = &presence[i]
		}
		answer.List = append(answer.List, entry)
	}
	return answer, nil
}

// filterNamespaces keeps what contains the texts key and name and has the
// state offline; a namespace without a name has the name "" (B43).
func filterNamespaces(all []*namespace.Namespace, query url.Values) (matches []*namespace.Namespace) {
	key, name, offline := query.Get("key"), query.Get("name"), query.Get("offline")
	for _, ns := range all {
		own := ""
		if ns.Name != nil {
			own = *ns.Name
		}
		state := "off"
		if ns.Offline {
			state = "on"
		}
		if strings.Contains(ns.Key, key) && strings.Contains(own, name) &&
			(offline == "" || offline == "all" || offline == state) {
			matches = append(matches, ns)
		}
	}
	return matches
}
