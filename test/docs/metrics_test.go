package docs

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/test/dashboard"
)

// TestEveryMetricIsDocumented: a figure nobody explains is of no use. TestFigures of cmd/lightpush holds the tables
// against live processes.
func TestEveryMetricIsDocumented(t *testing.T) {
	page := read(t, "doc/operations/monitor.md")
	for name := range metricNames(t) {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("monitor.md does not explain %s", name)
		}
	}
}

// TestRunbooks: every alert leads to a place that says what to do, and every such place belongs to an alert.
func TestRunbooks(t *testing.T) {
	alerts, err := dashboard.Alerts(filepath.Join(root, "doc/operations/alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]page{}
	for _, p := range pages(t) {
		byPath[p.path] = p
	}
	explained := map[string]bool{}
	for _, a := range alerts {
		file, anchor, _ := strings.Cut(a.Runbook, "#")
		if p, ok := byPath[file]; !ok || anchor == "" || !p.anchors()[anchor] {
			t.Errorf("%s: %q leads nowhere", a.Where, a.Runbook)
		}
		explained[anchor] = true
	}
	for anchor := range byPath["doc/troubleshooting.md"].anchors() {
		if strings.HasPrefix(anchor, "lightpush") && !explained[anchor] {
			t.Errorf("there is no alert of %s", anchor)
		}
	}
}
