package metrics

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestQueues(t *testing.T) {
	s := New()
	var fail error
	s.Queues(func(ctx context.Context) ([]Queue, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("reading has no time limit")
		}
		return []Queue{{Name: "callback", Waiting: 1, Ready: 2, Working: 3, Dead: 4, OldestDue: 1500 * time.Millisecond}, {Name: "offline"}}, fail
	})
	scrape := func() string {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	got := scrape()
	for _, line := range []string{
		`lightpush_queue_jobs{queue="callback",state="waiting"} 1`, `lightpush_queue_jobs{queue="callback",state="ready"} 2`,
		`lightpush_queue_jobs{queue="callback",state="working"} 3`, `lightpush_queue_jobs{queue="callback",state="dead"} 4`,
		`lightpush_queue_oldest_due_seconds{queue="callback"} 1.5`, `lightpush_queue_jobs{queue="offline",state="ready"} 0`,
	} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in the metrics", line)
		}
	}
	fail = errors.New("store is away")
	if got = scrape(); strings.Contains(got, "lightpush_queue_jobs{") || !strings.Contains(got, "go_goroutines") {
		t.Error("a failure must cost these figures, and no others")
	}
}
