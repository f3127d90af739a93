package dashboard

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFigures(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`up == 0`, `[{up []}] []`},
		{`up{job="a b{c}"} == 0`, `[{up [job]}] []`},
		{`sum by (job, le) (rate(x_bucket{le=~"0.5|1", a!="\"}"}[5m])) > 1e3`, `[{x_bucket [le a]}] [job le]`},
		{`sum(a{x="1"}) by (y) / on (job) group_left (role) b and c unless d offset 5m`, `[{a [x]} {b []} {c []} {d []}] [y job role]`},
		{`topk(8, sum (rate(a[1h]))) or vector(0)`, `[{a []}] []`},
		{`histogram_quantile(0.99, sum by (le) (rate(a{job=~"$job"}[$__rate_interval])))`, `[{a [job]}] [le]`},
	} {
		figures, groups := Figures(c.expr)
		if got := fmt.Sprint(figures, groups); got != c.want {
			t.Errorf("%s: %s, want %s", c.expr, got, c.want)
		}
	}
}

func TestExpand(t *testing.T) {
	if got := Expand(`rate(a{job=~"$job",instance=~"$instance"}[$__rate_interval])`, "j", ".*", "1m"); got != `rate(a{job=~"j",instance=~".*"}[1m])` {
		t.Error(got)
	}
}

func TestFiles(t *testing.T) {
	board, rules := "../../doc/operations/grafana-dashboard.json", "../../doc/operations/alerts.yml"
	panels, err := Panels(board)
	if err != nil || len(panels) < 50 {
		t.Errorf("%d queries, %v", len(panels), err)
	}
	alerts, err := Alerts(rules)
	if err != nil || len(alerts) < 15 {
		t.Errorf("%d alerts, %v", len(alerts), err)
	}
	// What is wrong with a file is found.
	spoil := func(file, old, fresh string) string {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), old) {
			t.Fatalf("%q is not in %s: %v", old, file, err)
		}
		spoilt := filepath.Join(t.TempDir(), "spoilt")
		if err := os.WriteFile(spoilt, []byte(strings.Replace(string(text), old, fresh, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		return spoilt
	}
	for _, change := range [][2]string{
		{`"uid": "${datasource}"`, `"uid": "mine"`}, {`"name": "instance"`, `"name": "node"`}, {`"title": "Memory"`, `"title": ""`},
		{`"id": 3,`, `"id": 2,`}, {`"x": 8`, `"x": 0`}, {"{", "["},
	} {
		if _, err := Panels(spoil(board, change[0], change[1])); err == nil {
			t.Errorf("a dashboard with %s is taken", change[1])
		}
	}
	for _, change := range [][2]string{
		{"severity: critical", "severity: urgent"}, {"summary:", "title:"}, {"alert: LightpushNotReady", "alert: LightpushDown"}, {"groups:", "groups"},
	} {
		if _, err := Alerts(spoil(rules, change[0], change[1])); err == nil {
			t.Errorf("rules with %s are taken", change[1])
		}
	}
	if _, err := Panels("missing"); err == nil {
		t.Error("a missing dashboard is taken")
	}
	if _, err := Alerts("missing"); err == nil {
		t.Error("missing rules are taken")
	}
}
