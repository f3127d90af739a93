//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/test/dashboard"
	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

const (
	dashboardFile = "../../doc/operations/grafana-dashboard.json"
	alertsFile    = "../../doc/operations/alerts.yml"
	// rateInterval is what Grafana would choose for prometheusEvery.
	prometheusEvery = "1s"
	rateInterval    = "10s"
)

// without are the queries that give no number under the traffic of this test, and why. They must still be understood.
var without = map[string]string{
	"Time of a notification, p99 A": "there is no APNs here",
}

// TestPrometheus: the rule file and every query of the dashboard, run by a real Prometheus on live processes under a
// little traffic. Nothing fires while all is well; what may have been lost does.
func TestPrometheus(t *testing.T) {
	panels, err := dashboard.Panels(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := dashboard.Alerts(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(need(t, "promtool"), "check", "rules", alertsFile).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	env := []string{"LIGHTPUSH_METRICS_LISTEN=127.0.0.1:0", "LIGHTPUSH_AUTH_FAILURES_PER_MINUTE=100000", "LIGHTPUSH_WORKER_MESSAGE_TIMEOUT=300"}
	store := startRedis(t)
	roles := startOn(t, store, 1, 1, env...)
	alone := launchAllInOne(t, t.TempDir(), curlLine, nil, env...).deployment
	p := startPrometheus(t, append(slices.Clone(roles.procs), alone.procs...))
	for _, d := range []*deployment{roles, alone} {
		d.startTraffic(t)
	}

	t.Run("dashboard", func(t *testing.T) {
		empty := map[string]bool{}
		for _, q := range panels {
			expr := dashboard.Expand(q.Expr, "lightpush", ".*", rateInterval)
			// A rate needs two scrapes, and the rarer traffic some seconds.
			eventually(t, time.Minute, "an answer to "+q.Where+": "+expr, func() error {
				samples, err := p.query(expr)
				switch {
				case err != nil:
					return err
				case len(samples) == 0 || !slices.ContainsFunc(samples, sample.isNumber):
					if _, declared := without[q.Where]; !declared {
						return fmt.Errorf("no number among %v", samples)
					}
					empty[q.Where] = true
				}
				return nil
			})
		}
		for where, why := range without {
			if !empty[where] {
				t.Errorf("%s has numbers, although %q", where, why)
			}
		}
	})
	t.Run("figures", func(t *testing.T) { p.wantFigures(t) })
	t.Run("alerts", func(t *testing.T) {
		for _, q := range alerts {
			if _, err := p.query(q.Expr); err != nil {
				t.Errorf("%s: %v", q.Where, err)
			}
		}
		eventually(t, 20*time.Second, "all rules are evaluated", func() error { return p.rulesAreHealthy(len(alerts)) })
		// All have been evaluated a few times by now.
		if firing, err := p.query(`ALERTS{alertstate="firing"}`); err != nil || len(firing) > 0 {
			t.Errorf("all is well, and yet: %v, %v", firing, err)
		}
	})
	t.Run("a gap fires", func(t *testing.T) {
		// As when a node is swept although it lives, or its stream was cut before it was read.
		db := redis.NewClient(&redis.Options{Addr: store})
		defer func() { _ = db.Close() }()
		streams, err := db.Keys(t.Context(), "lp:s:*").Result()
		if err != nil || len(streams) == 0 {
			t.Fatalf("streams %v, %v", streams, err)
		}
		if err := db.Unlink(t.Context(), streams...).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, 30*time.Second, "the alert", func() error {
			firing, err := p.query(`ALERTS{alertname="LightpushMayHaveLost",alertstate="firing"}`)
			if err == nil && len(firing) == 0 {
				err = errors.New("it does not fire")
			}
			return err
		})
	})
}

// prometheus is a running server.
type prometheus struct{ base string }

// startPrometheus scrapes the processes as one job.
func startPrometheus(t *testing.T, processes []*process) *prometheus {
	t.Helper()
	var targets []string
	for _, p := range processes {
		eventually(t, startTimeout, "metrics of "+p.name, func() error {
			found := metricsLine.FindStringSubmatch(p.log())
			if found == nil {
				return errors.New("they are not served yet")
			}
			targets = append(targets, found[1])
			return nil
		})
	}
	rules, err := filepath.Abs(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	text, err := json.Marshal(map[string]any{ // JSON is YAML
		"global":         map[string]any{"scrape_interval": prometheusEvery, "scrape_timeout": prometheusEvery, "evaluation_interval": prometheusEvery},
		"rule_files":     []string{rules},
		"scrape_configs": []any{map[string]any{"job_name": "lightpush", "static_configs": []any{map[string]any{"targets": targets}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
	startProcess(t, "prometheus", nil, need(t, "prometheus"), "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--log.level=warn")
	p := &prometheus{base: "http://" + addr}
	eventually(t, startTimeout, "all targets are scraped", func() error {
		up, err := p.query(`up{job="lightpush"} == 1`)
		if err == nil && len(up) != len(targets) {
			err = fmt.Errorf("%d of %d are up", len(up), len(targets))
		}
		return err
	})
	return p
}

// sample is one series of an answer.
type sample struct {
	Metric map[string]string
	Value  [2]any // time, and the value as text
}

func (s sample) isNumber() bool { return s.Value[1] != "NaN" }

func (s sample) String() string { return fmt.Sprint(s.Metric, " ", s.Value[1]) }

func (p *prometheus) get(path string, into any) error {
	res, err := httpClient.Get(p.base + path)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer := struct {
		Status, Error string
		Warnings      []string
		Data          any
	}{Data: into}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: status %d: %w", path, res.StatusCode, err)
	}
	if answer.Status != "success" || len(answer.Warnings) > 0 {
		return fmt.Errorf("%s: %s %v", path, answer.Error, answer.Warnings)
	}
	return nil
}

// query asks for the values now.
func (p *prometheus) query(expr string) ([]sample, error) {
	var data struct {
		ResultType string
		Result     []sample
	}
	if err := p.get("/api/v1/query?"+url.Values{"query": {expr}}.Encode(), &data); err != nil {
		return nil, err
	}
	if data.ResultType != "vector" {
		return nil, fmt.Errorf("%s gives a %s", expr, data.ResultType)
	}
	return data.Result, nil
}

// rulesAreHealthy reports whether so many rules have been evaluated without a mistake.
func (p *prometheus) rulesAreHealthy(n int) error {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := p.get("/api/v1/rules", &data); err != nil {
		return err
	}
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" {
				return fmt.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
			}
			n--
		}
	}
	if n != 0 {
		return fmt.Errorf("%d rules are missing", n)
	}
	return nil
}

// wantFigures looks whether what the traffic does is what is counted, on the roles and in the one process.
func (p *prometheus) wantFigures(t *testing.T) {
	for expr, processes := range map[string]int{
		`lightpush_ready == 1`: 3,
		`sum by (instance) (lightpush_sessions{transport="websocket",protocol="4"}) >= 1`:                         2,
		`lightpush_sessions{transport="websocket",protocol="3"} == 1`:                                             2,
		`lightpush_sessions{transport="polling",protocol="4"} >= 1`:                                               2,
		`lightpush_devices{platform="web"} == 2`:                                                                  2,
		`lightpush_connects_total{platform="android",recovered="false"} > 1`:                                      2,
		`lightpush_clients_refused_total{reason="this namespace not found"} > 1`:                                  2,
		`lightpush_deliveries_total{way="live"} > 1`:                                                              2,
		`lightpush_deliveries_total{way="inbox"} > 0`:                                                             2,
		`lightpush_acks_total{platform="web"} > 1 and lightpush_acks_total <= 100000`:                             2,
		`lightpush_offline_devices_total{platform="android",state="inbox"} > 0`:                                   2,
		`lightpush_queue_attempts_total{queue="offline",outcome="done"} > 0`:                                      2,
		`lightpush_login_failures_total{account="namespace"} > 0`:                                                 2,
		`lightpush_push_seconds_count > 1 and lightpush_push_seconds_sum < 100`:                                   2,
		`lightpush_push_seconds_count == lightpush_push_commit_size_sum`:                                          3,
		`lightpush_delivery_seconds_count > 1 and lightpush_delivery_seconds_sum < 100`:                           2,
		`lightpush_stream_entries_total > 1`:                                                                      2,
		`lightpush_stream_lag_seconds < 5 and lightpush_stream_backlog < 1000`:                                    2,
		`lightpush_redis_seconds_count > 1 and lightpush_redis_seconds_sum / lightpush_redis_seconds_count < 1`:   3,
		`lightpush_redis_errors_total < 5`:                                                                        3,
		`lightpush_redis_connections{state="idle"} + on (instance) lightpush_redis_connections{state="used"} > 0`: 3,
		`go_gc_duration_seconds_count > 0`:                                                                        3,
	} {
		eventually(t, 30*time.Second, expr, func() error {
			samples, err := p.query(expr)
			if err == nil && len(samples) != processes {
				all, _ := p.query(strings.FieldsFunc(expr, func(r rune) bool { return strings.ContainsRune("<>=", r) })[0])
				err = fmt.Errorf("true of %d processes, not %d: %v; %v", len(samples), processes, samples, all)
			}
			return err
		})
	}
}

// startTraffic does a little of everything until the test ends: connections of each kind, pushes and acks, messages that
// wait for a device that comes and goes, and what is refused.
func (d *deployment) startTraffic(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	old, fresh := d.join(t, 3, "old", "web"), d.join(t, 4, "fresh", "web")
	var acked atomic.Int64
	for _, conn := range []*wsclient.Conn{old, fresh} {
		go func() { // ends with the connection
			for {
				p, err := conn.Next()
				if err != nil {
					return
				}
				if p.Type == wsclient.Event && p.ID >= 0 && conn.WriteText(fmt.Sprintf("43%s,%d[]", conn.Namespace, p.ID)) == nil {
					acked.Add(1)
				}
			}
		}()
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for n := 0; err == nil && ctx.Err() == nil; n++ {
			err = d.someTraffic(ctx, t, n, old)
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
		if ctx.Err() != nil { // whatever was cut off
			err = nil
		}
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("traffic: %v", err)
		}
		if acked.Load() == 0 {
			t.Error("the clients got nothing")
		}
	})
}

func (d *deployment) join(t *testing.T, eio int, user, platform string) *wsclient.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), eventTimeout)
	defer cancel()
	conn, err := d.dialAs(ctx, eio, user, platform)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (d *deployment) dialAs(ctx context.Context, eio int, user, platform string) (*wsclient.Conn, error) {
	return wsclient.Dial(ctx, wsclient.Config{
		Addr: d.host(0), EIO: eio, Namespace: d.namespace.name, Query: url.Values{"uuid": {user}, "userid": {user}, "platform": {platform}},
	})
}

// someTraffic is one round. It does not end the test, for it runs beside it.
func (d *deployment) someTraffic(ctx context.Context, t *testing.T, n int, old *wsclient.Conn) error {
	api := d.api(t, 0)
	want := func(status int, method, path, body string) error {
		got, answer, err := api.do(method, path, []byte(body))
		if err == nil && got != status {
			err = fmt.Errorf("%s %s: %d %s", method, path, got, answer)
		}
		return err
	}
	if err := want(200, http.MethodPost, "/api/auth/push", `{"room":"user_old","pushData":{"a":1}}`); err != nil {
		return err
	}
	if err := want(200, http.MethodPost, "/api/auth/push", `{"room":"user_fresh","pushData":{"a":1}}`); err != nil {
		return err
	}
	if n%5 != 0 {
		return nil
	}
	if err := old.Ping(); err != nil {
		return err
	}
	// A device that comes, goes, misses a message and comes for it.
	if err := d.phone(ctx, "ok"); err != nil {
		return err
	}
	if err := want(200, http.MethodPost, "/api/auth/push", `{"room":"user_phone","pushData":{"a":2},"leaveMessage":true}`); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(time.Second): // mostly it is in the inbox by then (worker_message_timeout)
	}
	if err := d.phone(ctx, "offlineMessage", "push"); err != nil {
		return err
	}
	if conn, err := wsclient.Dial(ctx, wsclient.Config{Addr: d.host(0), EIO: 4, Namespace: "/nowhere", Query: url.Values{"uuid": {"a"}}}); err == nil {
		_ = conn.Close()
		return errors.New("an unknown namespace lets in")
	}
	api.as.passwd = "wrong"
	if err := want(401, http.MethodPost, "/api/auth/login", ""); err != nil {
		return err
	}
	res, err := httpClient.Get(d.sockets[0] + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// phone connects, waits for one of some events and leaves; messages are confirmed.
func (d *deployment) phone(ctx context.Context, events ...string) error {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	conn, err := d.dialAs(ctx, 4, "phone", "android")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(eventTimeout))
	for {
		p, err := conn.Next()
		if err != nil {
			return fmt.Errorf("the phone waits for %v: %w", events, err)
		}
		if p.ID >= 0 {
			if err := conn.WriteText(fmt.Sprintf("43%s,%d[]", conn.Namespace, p.ID)); err != nil {
				return err
			}
		}
		if slices.Contains(events, p.Name()) {
			return conn.WriteText("41" + conn.Namespace + ",")
		}
	}
}
