package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/lightpush/lightpush/test/dashboard"
	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// measured is a program that serves its figures.
type measured struct {
	t              *testing.T
	base, internal string
	stdout, stderr lockedBuffer
}

var (
	servedAt = regexp.MustCompile(`"address":"([^"]+)","time":"[^"]*","message":"metrics are served"`)
	listens  = regexp.MustCompile(`"role":"[^"]*","node":"[^"]*","address":"([^"]+)","version":"[^"]*","time":"[^"]*","message":"ready"`)
)

// measure runs a program until the test ends.
func measure(t *testing.T, args ...string) *measured {
	t.Helper()
	p := &measured{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	env := []string{"LIGHTPUSH_METRICS_LISTEN=127.0.0.1:0", "LIGHTPUSH_LOG_FORMAT=json", "LIGHTPUSH_ADMIN_PASSWD=measured-passwd", "LIGHTPUSH_LISTEN=127.0.0.1:0"}
	go func() { done <- run(ctx, args, env, &p.stdout, &p.stderr) }()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("%v: exit code %d\n%s", args, code, p.stderr.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		log := p.stderr.String()
		internal, public := servedAt.FindStringSubmatch(log), listens.FindStringSubmatch(log)
		if internal != nil && public != nil {
			p.internal, p.base = "http://"+internal[1], "http://"+public[1]
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready:\n%s%s", p.stdout.String(), log)
		}
	}
}

func (p *measured) get(address string) (int, string) {
	p.t.Helper()
	res, err := http.Get(address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (p *measured) post(path, user, body string) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.SetBasicAuth(user, "measured-passwd")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if text, _ := io.ReadAll(res.Body); res.StatusCode >= 300 {
		p.t.Fatalf("%s: %d %s", path, res.StatusCode, text)
	}
}

// scraped are the series of a process by their names in Prometheus.
type scraped map[string][]map[string]string

var labelPair = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)

func (p *measured) scrape() scraped {
	p.t.Helper()
	status, text := p.get(p.internal + "/metrics")
	if status != http.StatusOK {
		p.t.Fatalf("/metrics: %d %s", status, text)
	}
	found := scraped{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		name := line[:strings.IndexAny(line, "{ ")]
		labels := map[string]string{}
		for _, m := range labelPair.FindAllStringSubmatch(line, -1) {
			labels[m[1]] = m[2]
		}
		found[name] = append(found[name], labels)
	}
	return found
}

// labels are the names of the labels of a metric; "" for a metric that is not there.
func (s scraped) labels(name string) (labels []string, ok bool) {
	names := map[string]bool{}
	for _, base := range []string{name, name + "_bucket"} {
		for _, series := range s[base] {
			ok = true
			for label := range series {
				names[label] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), ok
}

// attempts is how traffic looks that nobody wants.
func (p *measured) attempts(ctx context.Context) {
	p.t.Helper()
	for i := range 5 {
		refused := map[string]url.Values{
			fmt.Sprintf("/nowhere%d", i): {"uuid": {"a"}},
			"/measured":                  {"uuid": {fmt.Sprintf("bad uuid %d", i)}},
		}
		for namespace, query := range refused {
			conn, err := wsclient.Dial(ctx, wsclient.Config{Addr: strings.TrimPrefix(p.base, "http://"), EIO: 4, Namespace: namespace, Query: query})
			if err == nil {
				_ = conn.Close()
				p.t.Errorf("%s %v is let in", namespace, query)
			}
		}
		for _, path := range []string{"/api/auth/nothing%d", "/x%d", "/api/auth/report/push/99%d", "/socket.io/?transport=smoke%d", "/socket.io/?EIO=4&transport=polling&sid=gone%d"} {
			p.get(p.base + fmt.Sprintf(path, i))
		}
	}
}

// TestFigures holds the documentation, the dashboard and the alerts against the figures of live processes.
func TestFigures(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	redis := miniredis.RunT(t)
	all := measure(t, "--data-dir", filepath.Join(t.TempDir(), "data"))
	logic := measure(t, "logic", "--redis", redis.Addr())
	connector := measure(t, "connector", "--redis", redis.Addr())

	all.post("/api/admin/namespace/save", "admin", `{"key":"/measured","auth_passwd":"measured-passwd"}`)
	logic.get(logic.base + "/health")
	before := all.scrape()
	all.attempts(ctx)
	conn, err := wsclient.Dial(ctx, wsclient.Config{
		Addr: strings.TrimPrefix(all.base, "http://"), EIO: 4, Namespace: "/measured", Query: url.Values{"uuid": {"a"}, "userid": {"ann"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	all.post("/api/auth/push", "/measured", `{"room":"user_ann","pushData":{"a":1}}`)

	seen := map[string]scraped{"all": all.scrape(), "L": logic.scrape(), "C": connector.scrape()}
	for name, series := range seen["all"] {
		// Everything a caller can cause is there from the start, but for routes and their status codes.
		if len(series) != len(before[name]) && !strings.HasPrefix(name, "lightpush_request") {
			t.Errorf("%s grows with what clients do: %d series, then %d", name, len(before[name]), len(series))
		}
	}
	if n := len(seen["all"]["lightpush_requests_total"]); n > 15 {
		t.Errorf("%d series of requests", n)
	}
	t.Run("documented", func(t *testing.T) { checkDocumented(t, seen) })
	t.Run("used", func(t *testing.T) { checkUsed(t, seen) })
	t.Run("internal", func(t *testing.T) {
		for path, want := range map[string]string{
			"/livez": `"ok"`, "/readyz": `"ok"`, "/health": "hello", "/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile",
			"/debug/pprof/cmdline": "Unknown profile", "/": "404", "/api/auth/login": "404",
		} {
			for _, p := range []*measured{all, logic, connector} {
				if _, text := p.get(p.internal + path); !strings.Contains(text, want) {
					t.Errorf("%s: %.200s", path, text)
				}
			}
		}
		if status, _ := all.get(all.base + "/debug/pprof/"); status != http.StatusNotFound {
			t.Errorf("profiles in public: %d", status)
		}
	})
}

var (
	tableRow = regexp.MustCompile("(?m)^\\| (`lightpush_[^|]*) \\| ?([^|]*) \\| ?([^|]*) \\| (.+) \\|$")
	quoted   = regexp.MustCompile("`([a-z_]+)`")
)

// checkDocumented: every figure is in monitor.md, with its labels and the roles it is of, and nothing else is.
func checkDocumented(t *testing.T, seen map[string]scraped) {
	text, err := os.ReadFile("../../doc/operations/monitor.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range tableRow.FindAllStringSubmatch(string(text), -1) {
		var want []string
		for _, label := range quoted.FindAllStringSubmatch(row[2], -1) {
			want = append(want, label[1])
		}
		if strings.Contains(row[4], "istogram") {
			want = append(want, "le")
		}
		slices.Sort(want)
		roles := append(strings.Fields(row[3]), "all")
		for _, name := range quoted.FindAllStringSubmatch(row[1], -1) {
			documented[name[1]] = true
			for _, role := range roles {
				if role == "all" && strings.Contains(row[4], "with Redis only") {
					continue
				}
				if labels, ok := seen[role].labels(name[1]); !ok {
					t.Errorf("%s is not served by %s", name[1], role)
				} else if !slices.Equal(labels, want) {
					t.Errorf("%s of %s has the labels %v, not %v", name[1], role, labels, want)
				}
			}
		}
	}
	if len(documented) < 60 {
		t.Errorf("only %d figures are in the tables", len(documented))
	}
	for role, figures := range seen {
		for name := range figures {
			base := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if trimmed := strings.TrimSuffix(name, suffix); documented[trimmed] {
					base = trimmed
				}
			}
			if strings.HasPrefix(name, "lightpush_") && !documented[base] {
				t.Errorf("%s of %s is not in monitor.md", name, role)
			}
		}
	}
}

// byPrometheus are figures and labels that Prometheus adds.
var byPrometheus = map[string][]string{"up": nil, "ALERTS": {"alertname", "alertstate", "severity"}}

// checkUsed: every figure and label of the dashboard and the alerts is served.
func checkUsed(t *testing.T, seen map[string]scraped) {
	panels, err := dashboard.Panels("../../doc/operations/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := dashboard.Alerts("../../doc/operations/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range append(panels, alerts...) {
		figures, groups := dashboard.Figures(q.Expr)
		if len(figures) == 0 {
			t.Errorf("%s: %s names no figure", q.Where, q.Expr)
		}
		known := []string{"job", "instance"}
		for _, f := range figures {
			labels, ok := byPrometheus[f.Name]
			for _, role := range []string{"all", "L", "C"} {
				more, served := seen[role].labels(f.Name)
				labels, ok = append(labels, more...), ok || served
			}
			if !ok {
				t.Errorf("%s: there is no %s", q.Where, f.Name)
			}
			labels = append(labels, "job", "instance")
			for _, l := range f.Labels {
				if !slices.Contains(labels, l) {
					t.Errorf("%s: %s has no label %s, only %v", q.Where, f.Name, l, labels)
				}
			}
			known = append(known, labels...)
		}
		for _, l := range groups {
			if !slices.Contains(known, l) {
				t.Errorf("%s: nothing in %s has the label %s", q.Where, q.Expr, l)
			}
		}
	}
}
