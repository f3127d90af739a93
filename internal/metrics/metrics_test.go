package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	s := New()
	s.SessionsClosed.WithLabelValues("transport close").Inc()
	s.CommitSize.Observe(3)
	s.Gauge("push_queue", "Pushes that wait.", func() float64 { return 7 })
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`lightpush_sessions_closed_total{reason="transport close"} 1`,
		`lightpush_push_commit_size_sum 3`,
		`lightpush_push_queue 7`,
		`go_goroutines`,
	} {
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("no %q in the metrics", line)
		}
	}
}

// Two processes' worth of metrics may live in one test binary.
func TestSetsAreIndependent(t *testing.T) {
	New()
	New()
}
