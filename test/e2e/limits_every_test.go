//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// limited is a process with one small limit, and everything to run against it.
type limited struct {
	t testing.TB
	d *deployment
}

// want fails unless a request is refused with that status and code, and says when to come back if it has to.
func (l limited) want(what string, req *http.Request, status, code int, retry bool) {
	l.t.Helper()
	resp, err := httpClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	var answer struct {
		Code         int
		Msg, Message string // of REST, and of Engine.IO
	}
	if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != status || answer.Code != code || answer.Msg+answer.Message == "" ||
		(resp.Header.Get("Retry-After") != "") != retry {
		l.t.Errorf("%s: %d, Retry-After %q, %s", what, resp.StatusCode, resp.Header.Get("Retry-After"), body)
	}
}

func (l limited) shake() *http.Request {
	l.t.Helper()
	req, err := http.NewRequest(http.MethodGet, l.d.sockets[0]+"/socket.io/?EIO=4&transport=polling", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "192.0.2.1")
	return req
}

// shaken makes handshakes that succeed.
func (l limited) shaken(n int) {
	l.t.Helper()
	for range n {
		resp, err := httpClient.Do(l.shake())
		if err != nil {
			l.t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 {
			l.t.Fatalf("status %d below the limit", resp.StatusCode)
		}
	}
}

func (l limited) rest(method, path, passwd, contentType, body string) *http.Request {
	l.t.Helper()
	req, err := http.NewRequest(method, l.d.apis[0]+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.SetBasicAuth(l.d.namespace.name, passwd)
	req.Header.Set("Content-Type", contentType)
	return req
}

func (l limited) dial(uuid, userid string) (*wsclient.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return wsclient.Dial(ctx, wsclient.Config{Addr: l.d.host(0), EIO: 4, Namespace: l.d.namespace.name, Query: url.Values{"uuid": {uuid}, "userid": {userid}}})
}

func (l limited) dialed(uuid, userid string) *wsclient.Conn {
	l.t.Helper()
	conn, err := l.dial(uuid, userid)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

func (l limited) wantRefused(uuid, userid, text string) {
	l.t.Helper()
	conn, err := l.dial(uuid, userid)
	if err == nil {
		_ = conn.Close()
	}
	var refused *wsclient.Refused
	if !errors.As(err, &refused) || refused.Text != text {
		l.t.Errorf("connecting beyond the limit: %v", err)
	}
}

// wantAck waits for an ack that holds text.
func (l limited) wantAck(conn *wsclient.Conn, text string) {
	l.t.Helper()
	var seen []string
	for {
		p, err := conn.Next()
		if err != nil {
			l.t.Fatalf("no ack with %q: %v after %q", text, err, seen)
		}
		if p.Type == wsclient.Ack {
			if strings.Contains(string(p.Data), text) {
				return
			}
			seen = append(seen, string(p.Data))
		}
	}
}

const jsonType = "application/json"

// everyLimit hits each limit of the configuration at the value 1, or the one given, as a stranger would.
var everyLimit = map[string]struct {
	value string
	hit   func(l limited)
}{
	"connections_per_node":    {"1", func(l limited) { l.shaken(1); l.want("another", l.shake(), 503, 1301, true) }},
	"connections_per_address": {"1", func(l limited) { l.shaken(1); l.want("another", l.shake(), 429, 1302, true) }},
	"connections_per_user": {"1", func(l limited) {
		l.dialed("a", "joe")
		l.wantRefused("b", "joe", "too many connections of this user")
	}},
	"connections_per_namespace": {"1", func(l limited) {
		l.dialed("a", "joe")
		l.wantRefused("b", "ann", "too many connections of this namespace")
	}},
	"handshakes_per_second": {"1", func(l limited) { l.shaken(5); l.want("the sixth", l.shake(), 429, 1303, true) }},
	"events_per_second": {"1", func(l limited) {
		conn := l.dialed("a", "joe")
		for i := range 8 {
			_ = conn.Emit(i, "joinRoom", []string{"r"})
		}
		l.wantAck(conn, `"status":429,"msg":"limited access"`)
	}},
	"requests_per_second": {"1", func(l limited) {
		for range 2 {
			resp, err := httpClient.Do(l.rest("GET", "/api/auth/namespace", l.d.namespace.passwd, "", ""))
			if err != nil {
				l.t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
		l.want("the third", l.rest("GET", "/api/auth/namespace", l.d.namespace.passwd, "", ""), 429, 1011, true)
	}},
	"auth_failures_per_minute": {"1", func(l limited) {
		l.want("a wrong password", l.rest("POST", "/api/auth/login", "wrong", "", ""), 401, 1003, false)
		l.want("another", l.rest("POST", "/api/auth/login", "wrong", "", ""), 429, 1005, true)
	}},
	"rest_body_limit": {"1024", func(l limited) {
		l.want("a large body", l.rest("POST", "/api/auth/push", l.d.namespace.passwd, jsonType, `{"room":"`+strings.Repeat("x", 2000)+`"}`), 413, 1103, false)
	}},
	"form_body_limit": {"1024", func(l limited) {
		l.want("a large form", l.rest("POST", "/api/auth/push", l.d.namespace.passwd, "application/x-www-form-urlencoded", "room="+strings.Repeat("x", 2000)), 413, 1103, false)
	}},
	"client_rooms_max": {"2", func(l limited) {
		conn := l.dialed("a", "joe")
		_ = conn.Emit(1, "joinRoom", []string{"r1", "r2", "r3"})
		l.wantAck(conn, "too many rooms")
	}},
	"max_payload": {"2000", func(l limited) {
		conn := l.dialed("a", "joe")
		_ = conn.WriteText("42" + l.d.namespace.name + `,["joinRoom","` + strings.Repeat("x", 3000) + `"]`)
		for {
			if _, err := conn.Next(); err != nil {
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					l.t.Error("a message beyond the limit does not end the connection")
				}
				return
			}
		}
	}},
}

// TestEveryLimitIsHit: each limit is hit from outside and answers as doc/authentication.md says. A new key in the group
// of limits must come into the table.
func TestEveryLimitIsHit(t *testing.T) {
	for _, key := range config.Keys() {
		if key.Topic == "Limits" && everyLimit[key.Name].hit == nil {
			t.Errorf("%s is not hit by a test", key.Name)
		}
	}
	for name, limit := range everyLimit {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.yaml")
			writeConfig(t, file, fmt.Sprintf("trusted_proxies: [127.0.0.1/32]\nlog_format: json\n%s: %s\n", name, limit.value))
			_, d := startConfigured(t, file)
			limit.hit(limited{t, d})
		})
	}
}
