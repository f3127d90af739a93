package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/store"
	"github.com/lightpush/lightpush/internal/store/redistest"
)

// line finds a check.
func line(t *testing.T, lines []Line, check string) Line {
	t.Helper()
	for _, l := range lines {
		if l.Check == check {
			return l
		}
	}
	t.Fatalf("no check %q in %+v", check, lines)
	return Line{}
}

func TestSystem(t *testing.T) {
	proc := func(somaxconn, backlog, ports, filemax string) fstest.MapFS {
		file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
		return fstest.MapFS{
			"sys/net/core/somaxconn": file(somaxconn), "sys/net/ipv4/tcp_max_syn_backlog": file(backlog),
			"sys/net/ipv4/ip_local_port_range": file(ports), "sys/fs/file-max": file(filemax),
		}
	}
	lines := System(proc("4096\n", "2048\n", "32768\t60999\n", "9223372036854775807\n"), 20_000, 10_000)
	if !Healthy(lines) {
		t.Errorf("%+v", lines)
	}
	for _, l := range lines {
		if l.Level != OK || l.Mend != "" {
			t.Errorf("%+v", l)
		}
	}
	lines = System(proc("128\n", "512\n", "40000 41000\n", "100\n"), 1024, 10_000)
	for check, mend := range map[string]string{
		"open files, process": "LimitNOFILE=11000", "open files, machine": "sysctl -w fs.file-max=11000", "accept queue": "sysctl -w net.core.somaxconn=4096",
		"SYN backlog": "sysctl -w net.ipv4.tcp_max_syn_backlog=2048", "local ports": "sysctl -w net.ipv4.ip_local_port_range",
	} {
		if l := line(t, lines, check); l.Level == OK || !strings.Contains(l.Mend, mend) || l.Found == "" || l.Needed == "" {
			t.Errorf("%+v, want %q", l, mend)
		}
	}
	if Healthy(lines) {
		t.Error("healthy")
	}
	for _, l := range System(fstest.MapFS{}, 0, 10) {
		if l.Level != Skip || l.Mend != "" {
			t.Errorf("%+v", l)
		}
	}
	var b bytes.Buffer
	Print(&b, lines)
	if !strings.Contains(b.String(), "FAIL  accept queue") || !strings.Contains(b.String(), "→ sysctl -w net.core.somaxconn=4096") {
		t.Error(b.String())
	}
}

func TestClockLine(t *testing.T) {
	for _, tt := range []struct {
		ahead, within time.Duration
		want          Level
	}{{0, 0, OK}, {time.Second, time.Second, OK}, {-400 * time.Millisecond, 0, OK}, {time.Second, 0, Warn}, {-time.Second, 0, Warn}, {3 * time.Second, 500 * time.Millisecond, Fail}, {-time.Hour, 0, Fail}} {
		if l := clockLine("x", tt.ahead, tt.within); l.Level != tt.want || (l.Mend == "") != (tt.want == OK) {
			t.Errorf("%v ± %v: %+v", tt.ahead, tt.within, l)
		}
	}
}

func TestRedis(t *testing.T) {
	r, err := redistest.StartServer("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	lines := Redis(t.Context(), store.Options{Addresses: r.Addresses})
	for check, want := range map[string]struct {
		level Level
		mend  string
	}{
		"Redis version": {OK, ""}, "Redis permissions": {OK, ""}, "clock against Redis": {OK, ""},
		"Redis eviction": {Fail, "maxmemory-policy noeviction"}, "Redis persistence": {Warn, "appendonly yes"},
	} {
		if l := line(t, lines, check); l.Level != want.level || !strings.Contains(l.Mend, want.mend) {
			t.Errorf("%+v, want %+v", l, want)
		}
	}
	if l := line(t, lines, "Redis latency"); !strings.Contains(l.Found, "100 PINGs") {
		t.Errorf("%+v", l)
	}

	// Permissions, and that the line which mends them does.
	s, err := store.Open(t.Context(), store.Options{Addresses: r.Addresses})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	admin := s.Dedicated()
	defer admin.Close()
	acl := func(rules ...any) {
		t.Helper()
		if err := admin.Do(t.Context(), append([]any{"ACL", "SETUSER", "limited"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	limited := store.Options{Addresses: r.Addresses, Username: "limited", Password: "secret"}
	acl("reset", "on", ">secret", "~*", "&*", "+@all", "-xadd")
	l := line(t, Redis(t.Context(), limited), "Redis permissions")
	words := strings.Fields(l.Mend)
	if l.Level != Fail || !strings.Contains(l.Found, "XADD") || len(words) < 5 || words[3] != "limited" {
		t.Fatalf("%+v", l)
	}
	var rules []any
	for _, word := range words[4:] {
		rules = append(rules, word)
	}
	acl(rules...)
	if l := line(t, Redis(t.Context(), limited), "Redis permissions"); l.Level != OK {
		t.Errorf("the advice does not mend it: %+v", l)
	}
	limited.Password = "wrong"
	if l := line(t, Redis(t.Context(), limited), "Redis"); l.Level != Fail || !strings.Contains(l.Mend, "PASSWORD") {
		t.Errorf("%+v", l)
	}
	if l := line(t, Redis(t.Context(), store.Options{Addresses: []string{"127.0.0.1:1"}}), "Redis"); l.Level != Fail || !strings.Contains(l.Mend, "systemctl start redis-server") {
		t.Errorf("%+v", l)
	}
}

const origin = "https://app.example.org"

// site is a server of this project with a heartbeat every 300 ms, behind front.
func site(t *testing.T, front func(next http.Handler) http.Handler, change func(*engineio.Options)) Site {
	t.Helper()
	o := engineio.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 5 * time.Second, AllowOrigin: func(string) bool { return true }}
	if change != nil {
		change(&o)
	}
	server, err := socketio.NewServer(socketio.Options{Engine: o})
	if err != nil {
		t.Fatal(err)
	}
	server.Of("/demo")
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	mux.HandleFunc("OPTIONS /api/auth/push", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type, Authorization")
	})
	var handler http.Handler = mux
	if front != nil {
		handler = front(mux)
	}
	web := httptest.NewServer(handler)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		web.CloseClientConnections()
		web.Close()
	})
	return Site{URL: web.URL, Path: "/socket.io/", Origin: origin, Namespace: "/demo", Patience: 10 * time.Second}
}

func TestWebHealthy(t *testing.T) {
	lines := Web(t.Context(), site(t, nil, nil))
	for _, check := range []string{"long-polling", "polling through the proxy", "WebSocket upgrade", "held poll", "clock against HTTP Date", "CORS, Socket.IO", "CORS, REST"} {
		if l := line(t, lines, check); l.Level != OK {
			t.Errorf("%+v", l)
		}
	}
	if l := line(t, lines, "WebSocket upgrade"); !strings.Contains(l.Found, "heartbeat") {
		t.Errorf("%+v", l)
	}
}

// TestWebFaults: each fault of a proxy or a server is seen in its line, with what mends it.
func TestWebFaults(t *testing.T) {
	request := func(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(w, r, next) })
		}
	}
	polls := 0
	for name, tt := range map[string]struct {
		front      func(http.Handler) http.Handler
		options    func(*engineio.Options)
		site       func(*Site)
		check      string
		level      Level
		found, how string
	}{
		"upgrade headers dropped": {front: request(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Upgrade")
			r.Header.Set("Connection", "close")
			next.ServeHTTP(w, r)
		}), check: "WebSocket upgrade", level: Fail, found: "HTTP 400: the upgrade headers did not survive", how: "proxy_set_header Upgrade $http_upgrade"},
		"sessions spread over nodes": {front: request(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if polls++; r.URL.Query().Get("sid") != "" && polls%3 == 0 {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
				return
			}
			next.ServeHTTP(w, r)
		}), check: "polling through the proxy", level: Fail, found: "another node", how: "hash $arg_uuid consistent"},
		"polls cut early": {front: request(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodGet && r.URL.Query().Get("sid") != "" && r.URL.Query().Get("transport") == "polling" && polls < 0 {
				w.WriteHeader(http.StatusGatewayTimeout)
				return
			}
			if r.Method == http.MethodPost {
				if body := new(bytes.Buffer); r.Body != nil {
					_, _ = body.ReadFrom(r.Body)
					if strings.Contains(body.String(), "/demo") {
						polls = -1 // from now on
					}
					r.Body = http.NoBody
					r = r.Clone(r.Context())
					r.Body = readCloser{body}
				}
			}
			next.ServeHTTP(w, r)
		}), check: "held poll", level: Fail, found: "HTTP 504", how: "proxy_read_timeout 120s"},
		"another path": {site: func(s *Site) { s.Path = "/other/" }, check: "long-polling", level: Fail, found: "HTTP 404", how: "--push-option-path"},
		"nobody there": {site: func(s *Site) { s.URL = "http://127.0.0.1:1" }, check: "long-polling", level: Fail, found: "refused", how: "--url"},
		"no polling":   {options: func(o *engineio.Options) { o.DisablePolling = true }, check: "long-polling", level: Warn, found: "switched off", how: "transports:"},
		"origin refused": {options: func(o *engineio.Options) { o.AllowOrigin = func(o string) bool { return o != origin } }, check: "CORS, Socket.IO", level: Fail,
			found: "refuses the origin", how: `allowed_origins: ["https://app.example.org"]`},
		"origin twice": {front: request(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodOptions {
				w.Header().Set("Access-Control-Allow-Headers", "authorization")
				w.Header()["Access-Control-Allow-Origin"] = []string{"*", origin}
				return
			}
			next.ServeHTTP(w, r)
		}), check: "CORS, REST", level: Fail, found: "several values", how: "remove add_header"},
		"no authorization header": {front: request(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodOptions {
				w.Header().Set("Access-Control-Allow-Origin", "*")
				return
			}
			next.ServeHTTP(w, r)
		}), check: "CORS, REST", level: Fail, found: "Authorization is not allowed", how: "Access-Control-Allow-Headers"},
		"login before OPTIONS": {front: request(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodOptions {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		}), check: "CORS, REST", level: Fail, found: "HTTP 401", how: "hand OPTIONS on"},
		"clock": {front: request(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			w.Header().Set("Date", time.Now().Add(-time.Hour+10*time.Second).UTC().Format(http.TimeFormat))
			next.ServeHTTP(w, r)
		}), check: "clock against HTTP Date", level: Fail, found: "-59m", how: "timedatectl set-ntp true"},
		"namespace refused": {site: func(s *Site) { s.Namespace = "/none" }, check: "held poll", level: Fail, found: "Invalid namespace", how: "--namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			polls = 0
			s := site(t, tt.front, tt.options)
			if tt.site != nil {
				tt.site(&s)
			}
			if l := line(t, Web(t.Context(), s), tt.check); l.Level != tt.level || !strings.Contains(l.Found, tt.found) || !strings.Contains(l.Mend, tt.how) {
				t.Errorf("%+v; want %s, %q, %q", l, tt.level, tt.found, tt.how)
			}
		})
	}
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// TestWebSocketCutEarly: a proxy that ends silent connections before the heartbeat.
func TestWebSocketCutEarly(t *testing.T) {
	s := site(t, nil, func(o *engineio.Options) { o.PingInterval = 2 * time.Second })
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 300*time.Millisecond)
		defer cancel()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	}))
	defer front.Close()
	s.URL, s.Origin = front.URL, ""
	lines := Web(t.Context(), s)
	if l := line(t, lines, "WebSocket upgrade"); l.Level != Fail || !strings.Contains(l.Found, "cut off") || !strings.Contains(l.Mend, "proxy_read_timeout") {
		t.Errorf("%+v", l)
	}
	// Without a namespace nobody waits, and the upgrade alone is fine.
	s.Namespace = ""
	if l := line(t, Web(t.Context(), s), "WebSocket upgrade"); l.Level != OK {
		t.Errorf("%+v", l)
	}
}
