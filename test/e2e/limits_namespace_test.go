//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// TestNamespaceLimits hits every limit of a namespace from outside; each is changed while clients are connected.
func TestNamespaceLimits(t *testing.T) {
	s := surface{startRoles(t, 1, 1, append([]string{withMetrics}, offlineEnv...)...), t, startNode(t)}
	api := s.api(t, 0)
	set := func(limits map[string]any) { t.Helper(); api.post("/api/auth/namespace/save", limits, 200) }
	// refused waits until a connection is turned away with that text.
	refused := func(text, userid string) {
		t.Helper()
		n := 0
		eventually(t, eventTimeout, text, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			n++
			conn, err := wsclient.Dial(ctx, wsclient.Config{Addr: s.host(0), EIO: 4, Namespace: s.namespace.name,
				Query: url.Values{"uuid": {fmt.Sprint("probe", n)}, "userid": {userid}}})
			var why *wsclient.Refused
			switch {
			case err == nil:
				_ = conn.Close()
				return errors.New("it was let in")
			case errors.As(err, &why) && why.Text == text:
				return nil
			}
			return err
		})
	}
	s.open("ann", 0, "v4", identity{"a1", "ann", "web"})
	s.open("old", 0, "v2", identity{"o1", "old", "web"})

	set(map[string]any{"max_connections": 2})
	refused("too many connections of this namespace", "eve")
	set(map[string]any{"max_connections": "", "max_connections_per_user": 1})
	refused("too many connections of this user", "ann")
	set(map[string]any{"max_connections_per_user": nil, "max_rooms_per_client": 3})
	for c, n := range map[string]int{"ann": 0, "old": 0} {
		eventually(t, eventTimeout, "rooms are limited", func() error {
			n++
			got := s.ask(c, "joinRoom", []string{fmt.Sprint(c, n), fmt.Sprint(c, n, "b"), fmt.Sprint(c, n, "c")})
			if got != `{"status":500,"msg":"joinOrleaveRoom error: Error: too many rooms"}` {
				return errors.New(got)
			}
			return nil
		})
	}
	set(map[string]any{"max_rooms_per_client": 0, "max_push_bytes": 20})
	const large = `{"room":"r","pushData":{"text":"more than twenty bytes"}}`
	const largeText = "pushData is larger than this namespace allows"
	for c, pause := range map[string]time.Duration{"ann": 1100 * time.Millisecond, "old": 1100 * time.Millisecond} {
		next := time.Now()
		eventually(t, eventTimeout, "pushes of clients are limited", func() error {
			if wait := time.Until(next); wait > 0 { // client_push_interval
				return fmt.Errorf("the next in %s", wait)
			}
			next = time.Now().Add(pause)
			if got := s.ask(c, "push", json.RawMessage(large)); !strings.Contains(got, largeText) {
				return errors.New(got)
			}
			return nil
		})
	}
	post := func(body string) (int, string, string) {
		t.Helper()
		req, err := http.NewRequest("POST", s.apis[0]+"/api/auth/push", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(s.namespace.name, s.namespace.passwd)
		req.Header.Set("Content-Type", "application/json")
		resp, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text), resp.Header.Get("Retry-After")
	}
	if status, text, _ := post(large); status != 413 || !strings.Contains(text, `"code":1108`) {
		t.Errorf("too large: %d %s", status, text)
	}

	set(map[string]any{"max_push_bytes": 0, "default_expire": 2, "max_expire": 3})
	if status, text, _ := post(`{"room":"r","pushData":{},"expire":4}`); status != 400 || text != `{"code":9999,"msg":"expire invalid"}` {
		t.Errorf("too long a life: %d %s", status, text)
	}
	var shown struct{ Expire string }
	api.get(fmt.Sprintf("/api/auth/report/push/%d", api.push("r", map[string]any{})), &shown)
	if shown.Expire != "2" {
		t.Errorf("a push without expire lives %q hours", shown.Expire)
	}
	// The owner may not lift what the operator has set; an administrator may.
	api.post("/api/auth/namespace/save", map[string]any{"max_expire": 11}, 400)
	s.adminAPI(t, 0).post("/api/admin/namespace/save", map[string]any{"key": s.namespace.name, "max_expire": 20}, 200)
	api.post("/api/auth/namespace/save", map[string]any{"max_expire": 21}, 400)
	if status, text, _ := post(`{"room":"r","pushData":{},"expire":15}`); status != 200 {
		t.Errorf("an administrator has raised the limit: %d %s", status, text)
	}

	set(map[string]any{"history_max": 3})
	for range 5 {
		api.push("r", map[string]any{})
	}
	var history []json.RawMessage
	if api.get("/api/auth/report/push?size=100", &history); len(history) != 3 {
		t.Errorf("the history has %d messages", len(history))
	}

	set(map[string]any{"inbox_max": 2})
	r := rig{drv: s.drv, lib: "v4", mode: modes[0], url: s.sockets[0], namespace: s.namespace.name, api: api}
	dan := identity{"d1", "dan", "android"}
	r.visit(t, "dan", dan, "box")
	var last int64
	for i := range 4 {
		last = api.leave("box", map[string]int{"n": i}, nil)
		api.waitStates(last, "inbox dan#android-d1")
	}
	var states struct {
		States   map[string]map[string]int
		Total    int
		Complete bool
	}
	api.get(fmt.Sprintf("/api/auth/report/push/%d/states", last), &states)
	if states.Total != 1 || !states.Complete || states.States["android"]["inbox"] != 1 {
		t.Errorf("states %+v", states)
	}
	offered, dropped := r.back(t, "dan", dan, "event")
	if len(offered) != 2 || dropped != 2 {
		t.Errorf("offered %v, dropped %d", offered, dropped)
	}

	set(map[string]any{"max_pushes_per_second": 1})
	limited := false
	for range 20 {
		status, text, retry := post(`{"room":"r","pushData":{}}`)
		if limited = status == 429; limited {
			if !strings.Contains(text, `"code":1012`) || retry == "" {
				t.Errorf("too fast: %s, Retry-After %q", text, retry)
			}
			break
		}
	}
	if !limited {
		t.Error("20 pushes at once, and none was refused")
	}
	set(map[string]any{"max_pushes_per_second": 0, "max_events_per_second": 1})
	eventually(t, eventTimeout, "events are limited", func() error {
		if got := s.ask("ann", "leaveRoom", "x"); got != `{"status":429,"msg":"limited access"}` {
			return errors.New(got)
		}
		return nil
	})
	for process, metrics := range map[*process][]string{
		s.procs[0]: {`lightpush_requests_limited_total{limit="max_push_bytes"`, `lightpush_requests_limited_total{limit="max_pushes_per_second"`},
		s.connectorProcess(0): {
			`lightpush_clients_refused_total{reason="too many connections of this namespace"`, `lightpush_clients_refused_total{reason="too many connections of this user"`,
			`lightpush_clients_refused_total{reason="too many rooms"`, `lightpush_clients_refused_total{reason="` + largeText + `"`,
			`lightpush_clients_refused_total{reason="too many events"`,
		},
	} {
		for _, name := range metrics {
			if metric(t, process, name) < 1 {
				t.Errorf("nothing is counted as %s", name)
			}
		}
	}
}
