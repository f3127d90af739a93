package main

import (
	"io"
	"net/http"
	"strings"
)

// mux sends requests to the role whose path they name. Socket.IO paths are
// case-sensitive and may or may not end with a slash; the REST API
// normalises its own.
type mux struct {
	engine  map[string]http.Handler // by path without its trailing slash
	console http.Handler            // nil: not served here
	docs    docs                    // nil: not served here
	rest    http.Handler            // nil: not served here; takes all other paths
	ready   func() error            // for /health, which the REST API answers where there is one
	reasons func() []reason         // for /readyz: why this process can not serve
	tls     bool
}

// docs is the documentation of the API for people.
type docs interface {
	http.Handler
	Serves(r *http.Request) bool
}

func (m *mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	for prefix, handler := range m.engine {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			handler.ServeHTTP(w, r)
			return
		}
	}
	setSecurityHeaders(w.Header(), m.tls)
	switch {
	case path == "/livez":
		answerProbe(w, nil)
	case path == "/readyz" && m.reasons != nil:
		answerProbe(w, m.reasons)
	case m.console != nil && path == "/push-admin":
		http.Redirect(w, r, "push-admin/", http.StatusMovedPermanently)
	case m.console != nil && strings.HasPrefix(path, "/push-admin/"):
		m.console.ServeHTTP(w, r)
	case m.docs != nil && m.docs.Serves(r):
		m.docs.ServeHTTP(w, r)
	case m.rest != nil:
		m.rest.ServeHTTP(w, r)
	case path == "/health":
		w.Header().Set("From", "light-push")
		if err := m.ready(); err != nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "hello")
	default:
		w.Header().Set("From", "light-push")
		w.WriteHeader(http.StatusNotFound)
	}
}
