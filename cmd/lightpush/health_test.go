package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/logic/api"
)

func TestHealthCommand(t *testing.T) {
	healthy := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" || !healthy {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("hello"))
	}))
	address := strings.TrimPrefix(server.URL, "http://")
	ask := func(args ...string) (int, string) {
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), append([]string{"health"}, args...), []string{"LIGHTPUSH_LISTEN=" + address}, &stdout, &stderr)
		return code, stdout.String() + stderr.String()
	}
	if code, text := ask(); code != 0 || text != "healthy\n" {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := ask("logic"); code != 0 {
		t.Errorf("logic: %d", code)
	}
	healthy = false
	if code, text := ask("connector"); code != 1 || !strings.Contains(text, "503 not ready") {
		t.Errorf("%d %s", code, text)
	}
	server.Close()
	if code, text := ask(); code != 1 || !strings.Contains(text, "does not answer") {
		t.Errorf("%d %s", code, text)
	}
	for _, args := range [][]string{{"simulator"}, {"logic", "connector"}, {"--nothing"}} {
		if code, text := ask(args...); code != 2 {
			t.Errorf("%v: %d %s", args, code, text)
		}
	}
}

func TestHealthURL(t *testing.T) {
	for listen, want := range map[string]string{
		"": "http://127.0.0.1:21314/health", ":8080": "http://127.0.0.1:8080/health", "0.0.0.0:80": "http://127.0.0.1:80/health",
		"[::]:80": "http://127.0.0.1:80/health", "[::1]:80": "http://[::1]:80/health", "host:80": "http://host:80/health",
	} {
		cfg := config.Default()
		cfg.Listen = listen
		if got := healthURL(roleAll, cfg); got != want {
			t.Errorf("%q: %s, want %s", listen, got, want)
		}
	}
	cfg := config.Default()
	if got := healthURL(roleLogic, cfg); got != "http://127.0.0.1:56789/health" {
		t.Errorf("logic: %s", got)
	}
	if got := healthURL(roleConnector, cfg); got != "http://127.0.0.1:21314/health" {
		t.Errorf("connector: %s", got)
	}
}

func TestDocsAreServed(t *testing.T) {
	docs, err := api.NewDocs()
	if err != nil {
		t.Fatal(err)
	}
	rest := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	m := &mux{docs: docs, rest: rest, ready: func() error { return nil }}
	for path, want := range map[string]int{
		"/docs/": 200, "/docs": 301, "/push-logic/docs/events": 200, "/docs/openapi.yaml": 200, "/docs/x": 404, "/doc": 418, "/api/auth/push": 418,
	} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest("GET", "http://host"+path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	var b bytes.Buffer
	banner{role: roleAll, base: "http://127.0.0.1:1"}.print(&b)
	if !strings.Contains(b.String(), "http://127.0.0.1:1/docs/") {
		t.Errorf("the banner lacks the documentation:\n%s", &b)
	}
}
