package main

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/lightpush/lightpush/internal/namespace"
)

var (
	errDraining = errors.New("this process is about to stop")
	errLease    = errors.New("the lease of this node has run out")
)

// probe is the answer of /livez and /readyz.
type probe struct {
	Status  string   `json:"status"` // ok or unready
	Reasons []reason `json:"reasons"`
}

// reason is one thing that keeps a process from serving.
type reason struct {
	Check  string `json:"check"` // draining, namespaces, store, lease or canary
	Reason string `json:"reason"`
}

// reasons are all that keep the process from serving.
func (p *process) reasons() (found []reason) {
	add := func(check string, err error) {
		if err != nil {
			found = append(found, reason{check, err.Error()})
		}
	}
	b := p.backend
	if b.draining.Load() {
		add("draining", errDraining)
	}
	if !b.namespaces.Ready() {
		add("namespaces", namespace.ErrUnavailable)
	}
	if b.readiness.check() != nil {
		add("store", errStoreAway) // what it wraps may name addresses
	}
	if p.connector != nil && !p.connector.lease.Held() {
		add("lease", errLease)
	}
	add("canary", p.canaryReason())
	return found
}

// answerProbe answers /livez and /readyz; reasons is nil for the first, which
// only says that the process serves HTTP.
func answerProbe(w http.ResponseWriter, reasons func() []reason) {
	answer := probe{Status: "ok", Reasons: []reason{}}
	if reasons != nil {
		answer.Reasons = append(answer.Reasons, reasons()...)
	}
	status := http.StatusOK
	h := w.Header()
	if len(answer.Reasons) > 0 {
		answer.Status, status = "unready", http.StatusServiceUnavailable
		h.Set("Retry-After", "1")
	}
	body, _ := json.Marshal(answer) // texts only: cannot fail
	h.Set("From", "light-push")
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
