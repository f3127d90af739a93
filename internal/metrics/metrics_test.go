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
	s.Counter("handled_total", "Handled.", func() float64 { return 8 })
	s.Gauges("tables", "Tables.", []string{"colour", "legs"}, func(give func(float64, ...string)) {
		give(1, "red", "3")
		give(2, "blue", "4")
	})
	s.Info("thing_info", "What it is.", map[string]string{"version": "1"})
	Known(s.Packets, Each("in")...)
	Known(s.Connects, Pairs([]string{"web"}, []string{"true", "false"})...)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		"# TYPE lightpush_handled_total counter",
		"lightpush_handled_total 8",
		`lightpush_tables{colour="red",legs="3"} 1`,
		`lightpush_tables{colour="blue",legs="4"} 2`,
		`lightpush_thing_info{version="1"} 1`,
		`lightpush_packets_total{direction="in"} 0`,
		`lightpush_connects_total{platform="web",recovered="false"} 0`,
		"go_sched_latencies_seconds_count", "go_sched_pauses_total_gc_seconds_count",
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
