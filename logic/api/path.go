package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// externalPrefix is where the reverse proxy of light-push shows the API; it
// may strip the prefix or leave it.
const externalPrefix = "/push-logic"

// pathMax bounds, in bytes, what is compared with the routes.
const pathMax = 4096

// paths knows the canonical form of every route.
type paths struct {
	fixed    map[string]struct{}
	patterns [][]string // segments; those that start with ':' are parameters
}

func newPaths(routes []route) paths {
	p := paths{fixed: map[string]struct{}{}}
	for _, r := range routes {
		if strings.Contains(r.path, ":") {
			p.patterns = append(p.patterns, strings.Split(r.path, "/"))
		} else {
			p.fixed[r.path] = struct{}{}
		}
	}
	return p
}

// canonical returns r with the path gin knows (light-push-wire.md 1.1): no
// external prefix, fixed parts in lower case, no trailing slash, parameters
// untouched and still percent-encoded. A path without a route comes back in
// lower case. r itself is not changed.
func (p paths) canonical(r *http.Request) *http.Request {
	path := r.URL.EscapedPath()
	if len(path) > pathMax {
		path = "/"
	}
	path = p.find(withoutPrefix(path))
	if path == r.URL.EscapedPath() {
		return r
	}
	if prefix := r.URL.EscapedPath(); len(prefix) > len(externalPrefix) && withoutPrefix(prefix) != prefix {
		r = r.WithContext(context.WithValue(r.Context(), prefixKey{}, prefix[:len(externalPrefix)]))
	}
	u := *r.URL
	u.RawPath = path
	var err error
	if u.Path, err = url.PathUnescape(path); err != nil {
		u.Path, u.RawPath = "/", "" // cannot happen: net/http has parsed it
	}
	c := *r
	c.URL = &u
	return &c
}

// prefixKey finds the external prefix a request came with.
type prefixKey struct{}

func withoutPrefix(path string) string {
	n := len(externalPrefix)
	if len(path) > n && path[n] == '/' && strings.EqualFold(path[:n], externalPrefix) {
		return path[n:]
	}
	return path
}

func (p paths) find(path string) string {
	lower := strings.ToLower(path)
	trimmed := lower
	if len(lower) > 1 {
		trimmed = strings.TrimSuffix(lower, "/")
	}
	if _, ok := p.fixed[trimmed]; ok {
		return trimmed
	}
	given := strings.Split(path[:len(trimmed)], "/")
	for _, pattern := range p.patterns {
		if found, ok := match(pattern, given); ok {
			return found
		}
	}
	return lower
}

// match returns the given segments with the fixed ones as in pattern.
func match(pattern, given []string) (string, bool) {
	if len(pattern) != len(given) {
		return "", false
	}
	for i, segment := range pattern {
		if strings.HasPrefix(segment, ":") {
			if given[i] == "" {
				return "", false
			}
		} else if !strings.EqualFold(segment, given[i]) {
			return "", false
		}
	}
	found := make([]string, len(given))
	for i, segment := range pattern {
		if found[i] = segment; strings.HasPrefix(segment, ":") {
			found[i] = given[i]
		}
	}
	return strings.Join(found, "/"), true
}

// scopeOf tells which credential a canonical path without a route asks for.
func scopeOf(path string) scope {
	switch {
	case strings.HasPrefix(path, "/api/auth/"):
		return tenant
	case strings.HasPrefix(path, "/api/admin/"):
		return admin
	}
	return public
}
