package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/config"
)

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	existing := filepath.Join(dir, "existing.yaml")
	if err := os.WriteFile(existing, []byte("pingInterval: twenty\nnonsense: 1\npush_message_expire: 99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(dir, "fresh.yaml")
	for _, c := range []struct {
		args   string
		env    []string
		code   int
		stdout []string
		stderr []string
	}{
		{"version", nil, 0, []string{"lightpush " + release}, nil},
		{"--help", nil, 0, []string{"connector", "logic", "--data-dir", "127.0.0.1:21314"}, nil},
		{"connector --help", nil, 0, []string{":21314", "--redis"}, nil},
		{"logic --help", nil, 0, []string{":56789", "--redis"}, nil},
		{"nonsense", nil, 2, nil, []string{`unknown command "nonsense"`}},
		{"--nonsense", nil, 2, nil, []string{"--nonsense"}},
		{"connector", nil, 2, nil, []string{"connector needs Redis", "--redis"}},
		{"logic", nil, 2, nil, []string{"logic needs Redis"}},
		{"logic --data-dir x", nil, 2, nil, []string{"--data-dir"}},
		{"config init", nil, 0, []string{"pingInterval: 20000"}, nil},
		{"config init " + fresh, nil, 0, []string{"wrote " + fresh}, nil},
		{"config init " + fresh, nil, 1, nil, []string{"exists already", "--force"}},
		{"config init --force " + fresh, nil, 0, []string{"wrote"}, nil},
		{"config check " + fresh, nil, 0, []string{"configuration is valid"}, nil},
		{"config check a b", nil, 2, nil, []string{"at most one file"}},
		// All mistakes in one message, each with its path and place.
		{"config check " + existing, nil, 2, nil, []string{"pingInterval", ":1", "nonsense", ":2", "push_message_expire"}},
		{"--config " + existing, nil, 2, nil, []string{"pingInterval", "nonsense", "push_message_expire"}},
		{"config check", []string{"LIGHTPUSH_PINGTIMEOUT=-1"}, 2, nil, []string{"pingTimeout", "LIGHTPUSH_PINGTIMEOUT"}},
		{"config check", []string{"LIGHTPUSH_NO_SUCH=1"}, 2, nil, []string{"LIGHTPUSH_NO_SUCH"}},
		{"config check", []string{"LIGHTPUSH_ADMIN_PASSWD=hush-hush"}, 0, []string{"admin_passwd", "LIGHTPUSH_ADMIN_PASSWD"}, nil},
		{"--config " + filepath.Join(dir, "missing.yaml"), nil, 2, nil, []string{"missing.yaml"}},
		{"--listen nonsense", nil, 2, nil, []string{"listen"}},
		{"logic --redis 127.0.0.1:1 --listen 127.0.0.1:0", nil, 1, nil, []string{"connect to Redis"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), strings.Fields(c.args), c.env, &stdout, &stderr)
			if code != c.code {
				t.Errorf("exit code %d, want %d\n%s%s", code, c.code, &stdout, &stderr)
			}
			for _, want := range c.stdout {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("stdout lacks %q:\n%s", want, &stdout)
				}
			}
			for _, want := range c.stderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("stderr lacks %q:\n%s", want, &stderr)
				}
			}
			if strings.Contains(stdout.String()+stderr.String(), "hush-hush") {
				t.Error("a secret was printed")
			}
		})
	}
}

// lockedBuffer may be read while the program writes.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// program is one run of the all-in-one process.
type program struct {
	t              *testing.T
	stdout, stderr lockedBuffer
	stop           context.CancelFunc
	done           chan int
	base           string
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{t: t, stop: cancel, done: make(chan int, 1)}
	go func() { p.done <- run(ctx, args, []string{"LIGHTPUSH_LOG_LEVEL=debug"}, &p.stdout, &p.stderr) }()
	deadline := time.Now().Add(20 * time.Second)
	ready := regexp.MustCompile(`(?m)^  REST API   (http://\S+)/api/$`)
	for p.base == "" {
		if m := ready.FindStringSubmatch(p.stdout.String()); m != nil {
			p.base = m[1]
		} else if time.Now().After(deadline) {
			t.Fatalf("not ready:\n%s%s", p.stdout.String(), p.stderr.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return p
}

func (p *program) end() {
	p.t.Helper()
	p.stop()
	select {
	case code := <-p.done:
		if code != 0 {
			p.t.Errorf("exit code %d\n%s", code, p.stderr.String())
		}
	case <-time.After(20 * time.Second):
		p.t.Fatal("does not stop")
	}
}

func (p *program) request(method, path, user, password, body string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func credential(t *testing.T, output, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^  ` + name + ` +\S+ / (\S+)$`).FindStringSubmatch(output)
	if m == nil {
		t.Fatalf("no %s line in\n%s", name, output)
	}
	return m[1]
}

func TestAllInOne(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, "--listen", "127.0.0.1:0", "--data-dir", data)
	first := p.stdout.String()
	namespacePassword := credential(t, first, "Namespace")
	adminPassword := credential(t, first, "Admin")
	if !strings.Contains(first, "curl -u '/demo:"+namespacePassword+"'") {
		t.Errorf("no curl line:\n%s", first)
	}
	for _, c := range []struct {
		method, path, user, password, body string
		status                             int
		holds                              string
	}{
		{"GET", "/health", "", "", "", 200, "hello"},
		{"GET", "/push-admin/", "", "", "", 200, "lightpush"},
		{"POST", "/api/auth/login", "/demo", namespacePassword, "", 200, "{}"},
		{"POST", "/push-logic/api/admin/login", "admin", adminPassword, "", 200, "{}"},
		{"POST", "/api/admin/login", "admin", "123456", "", 401, "auth error"},
		{"POST", "/api/auth/push", "/demo", namespacePassword, `{"room":"news","pushData":{"a":1}}`, 200, `{"id":1}`},
		{"GET", "/api/auth/report/push/1", "/demo", namespacePassword, "", 200, `"ackCount":"0"`},
		{"GET", "/socket.io/?EIO=4&transport=polling", "", "", "", 200, `0{"sid":`},
		{"GET", "/push/socket.io?EIO=3&transport=polling", "", "", "", 200, `"upgrades":["websocket"]`},
		{"GET", "/socket.iox", "", "", "", 404, `"code"`},
		{"GET", "/socket.io/socket.io.js", "", "", "", 200, "* Socket.IO v2."},
		{"GET", "/push/socket.io/socket.io.v4.js", "", "", "", 200, "* Socket.IO v4."},
		{"GET", "/docs/", "", "", "", 200, "/api/auth/push"},
	} {
		if status, text := p.request(c.method, c.path, c.user, c.password, c.body); status != c.status || !strings.Contains(text, c.holds) {
			t.Errorf("%s %s = %d %s", c.method, c.path, status, text)
		}
	}
	p.end()

	// A second start finds everything and shows no password again.
	p = start(t, "--listen", "127.0.0.1:0", "--data-dir", data)
	for _, secret := range []string{namespacePassword, adminPassword, " / "} {
		if strings.Contains(p.stdout.String(), secret) {
			t.Errorf("the second start printed %q:\n%s", secret, p.stdout.String())
		}
	}
	if status, text := p.request("GET", "/api/auth/report/push/1", "/demo", namespacePassword, ""); status != 200 {
		t.Errorf("report after restart = %d %s", status, text)
	}
	if status, _ := p.request("POST", "/api/admin/login", "admin", adminPassword, ""); status != 200 {
		t.Errorf("admin login after restart = %d", status)
	}
	for _, secret := range []string{namespacePassword, adminPassword} {
		if strings.Contains(p.stderr.String(), secret) {
			t.Error("a password is in the log")
		}
	}
	p.end()
}

func TestDataDirInUse(t *testing.T) {
	data := t.TempDir()
	p := start(t, "--listen", "127.0.0.1:0", "--data-dir", data)
	defer p.end()
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), []string{"--listen", "127.0.0.1:0", "--data-dir", data}, nil, &stdout, &stderr); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(stderr.String(), "in use by another process") {
		t.Errorf("stderr: %s", &stderr)
	}
}

func TestPortInUse(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	var stdout, stderr bytes.Buffer
	args := []string{"--listen", strings.TrimPrefix(taken.URL, "http://"), "--data-dir", t.TempDir()}
	if code := run(context.Background(), args, nil, &stdout, &stderr); code != 1 || !strings.Contains(stderr.String(), "address already in use") {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
}

func TestConnectorMux(t *testing.T) {
	engine := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	m := &mux{
		engine: map[string]http.Handler{"/socket.io": engine, "/push/socket.io": engine},
		ready:  func() error { return nil },
	}
	for path, want := range map[string]int{
		"/socket.io/": 418, "/socket.io": 418, "/push/socket.io/": 418, "/socket.io/x": 418,
		"/socket.iox": 404, "/Socket.io/": 404, "/health": 200, "/health/": 404, "/": 404, "/api/auth/push": 404,
		"/push-admin/": 404,
	} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest("GET", "http://host"+path, nil))
		if w.Code != want {
			t.Errorf("%s = %d, want %d", path, w.Code, want)
		}
	}
}

func TestReadiness(t *testing.T) {
	asked := 0
	away := errors.New("away")
	r := readiness{ping: func(context.Context) error { asked++; return away }}
	for range 3 {
		if err := r.check(); !errors.Is(err, away) || !errors.Is(err, errStoreAway) {
			t.Errorf("error = %v", err)
		}
	}
	if asked != 1 {
		t.Errorf("the store was asked %d times within a second", asked)
	}
	m := &mux{ready: r.check}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "http://host/health", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("health without a store = %d %v", w.Code, w.Header())
	}
}

func TestListenAddress(t *testing.T) {
	cfg := config.Default()
	for r, want := range map[role]string{
		roleAll: "127.0.0.1:21314", roleConnector: "0.0.0.0:21314", roleLogic: "0.0.0.0:56789",
	} {
		if got := listenAddress(r, cfg); got != want {
			t.Errorf("%s listens on %s, want %s", r, got, want)
		}
	}
	cfg.Listen = "127.0.0.1:1"
	if got := listenAddress(roleLogic, cfg); got != "127.0.0.1:1" {
		t.Errorf("listen: %s", got)
	}
}
