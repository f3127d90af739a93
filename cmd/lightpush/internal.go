package main

import (
	"net/http"
	"net/http/pprof" // what it registers for everybody is not served: no server here uses the default mux

	"github.com/lightpush/lightpush/internal/metrics"
)

// internalRoutes are for operators: figures, probes and profiles. The command
// line is not among them, nor is anything that changes something.
func (p *process) internalRoutes(set *metrics.Set) http.Handler {
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", set.Handler())
	probes := &mux{ready: p.backend.ready, reasons: p.reasons}
	for _, path := range []string{"/health", "/livez", "/readyz"} {
		routes.Handle("GET "+path, probes)
	}
	routes.HandleFunc("GET /debug/pprof/", pprof.Index)
	routes.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	routes.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	routes.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return routes
}
