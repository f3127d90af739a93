package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

func TestNewNamesWhatIsMissing(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "Namespaces") {
		t.Errorf("got %v", err)
	}
}

func TestPaths(t *testing.T) {
	s := newServer(t)
	const (
		notFound = `{"code":1102,"msg":"Not Found"}`
		needAuth = `{"code":1001,"msg":"need authorization"}`
	)
	for _, tc := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/health", 200, "hello"},
		{"GET", "/health/", 200, "hello"},
		{"GET", "/HeaLTH", 200, "hello"},
		{"GET", "/health?x=1", 200, "hello"},
		{"GET", "/push-logic/health", 200, "hello"},
		{"GET", "/PUSH-logic/health/", 200, "hello"},
		{"HEAD", "/health", 200, ""},
		{"HEAD", "/Push-Logic/Health", 200, ""},
		{"GET", "/health//", 404, notFound},
		{"GET", "//health", 404, notFound},
		{"GET", "/push-logic", 404, notFound},
		{"GET", "/push-logic/", 404, notFound},
		{"GET", "/push-logic/push-logic/health", 404, notFound},
		{"GET", "/push-logichealth", 404, notFound},
		{"GET", "/%68ealth", 404, notFound},
		{"POST", "/health", 404, notFound},
		{"PUT", "/health", 404, notFound},
		{"DELETE", "/health", 404, notFound},
		{"GET", "/", 404, notFound},
		{"GET", "/nothing", 404, notFound},
		{"HEAD", "/nothing", 404, ""},
		{"GET", "/api/auth", 404, notFound},
		{"GET", "/" + strings.Repeat("a", 10_000), 404, notFound},
		{"GET", "/api/auth/login", 400, needAuth}, // the credential comes first
		{"GET", "/api/auth/", 400, needAuth},
		{"GET", "/API/Auth/nothing", 400, needAuth},
		{"GET", "/push-logic/api/admin/nothing", 400, needAuth},
		{"HEAD", "/api/admin/nothing", 400, ""},
		{"PATCH", "/api/admin/namespace/list", 400, needAuth},
	} {
		s.do(t, tc.method, tc.path).want(t, tc.method+" "+tc.path, tc.status, tc.body)
	}
	for _, path := range []string{
		"/api/auth/nothing", "/api/auth/", "/api/auth/login", "/API/AUTH/namespace/x", "/push-logic/api/auth/login/",
		"/api/auth/client/1", "/api/auth/report/push/1/2", "/api/auth/report//push",
	} {
		s.do(t, "GET", path, auth(tenantOK)).want(t, path, 404, notFound)
	}
	for _, path := range []string{"/api/admin/namespace/del/demo", "/api/admin/namespace", "/api/admin/nothing"} {
		s.do(t, "GET", path, auth(adminOK)).want(t, path, 404, notFound)
	}
	s.do(t, "GET", "/api/auth/push", auth(tenantOK)).want(t, "wrong method", 404, notFound)
	s.do(t, "POST", "/api/auth/namespace", auth(tenantOK)).want(t, "wrong method", 404, notFound)
	s.do(t, "DELETE", "/api/auth/report/push/1", auth(tenantOK)).want(t, "wrong method", 404, notFound)
}

func TestRouteParametersAreLeftAlone(t *testing.T) {
	p := newPaths([]route{{method: "GET", path: "/api/x/:key/y"}, {method: "GET", path: "/api/x"}})
	for path, want := range map[string]string{
		"/API/X/DeMo/Y":                   "/api/x/DeMo/y",
		"/Push-Logic/api/X/%2FDe%2fmo/Y/": "/api/x/%2FDe%2fmo/y",
		"/api/x//y":                       "/api/x//y",
		"/API/X/":                         "/api/x",
		"/API/Unknown/":                   "/api/unknown/",
	} {
		req, err := http.NewRequest("GET", "http://host"+path+"?Key=Value", nil)
		if err != nil {
			t.Fatal(err)
		}
		before := req.URL.String()
		got := p.canonical(req)
		if got.URL.EscapedPath() != want || got.URL.RawQuery != "Key=Value" || req.URL.String() != before {
			t.Errorf("%s = %s, want %s", path, got.URL, want)
		}
	}
}

func TestPreflight(t *testing.T) {
	s := newServer(t)
	for path, status := range map[string]int{
		"/api/auth/push": 200, "/api/auth/nothing": 200, "/API/Admin/x/y": 200, "/push-logic/api/auth/push/": 200, "/api/auth/": 200,
		"/health": 404, "/nothing": 404, "/": 404,
	} {
		body := ""
		if status == 404 {
			body = `{"code":1102,"msg":"Not Found"}`
		}
		a := s.do(t, "OPTIONS", path, header("Origin", "https://console.example"), header("Access-Control-Request-Method", "POST"))
		a.want(t, path, status, body)
		for key, want := range map[string]string{
			"Access-Control-Allow-Methods": "GET, POST",
			"Access-Control-Allow-Headers": "Content-Type, AdminKey, Nonce, Timestamp, Signature, AppKey, Token, AppId, RefKey, Authorization",
			"Access-Control-Max-Age":       "2592000",
		} {
			if got := a.header.Get(key); got != want {
				t.Errorf("OPTIONS %s: %s = %q, want %q", path, key, got, want)
			}
		}
	}
}

func TestOriginIsEchoedOnErrorsToo(t *testing.T) {
	s := newServer(t)
	origin := header("Origin", "https://console.example")
	// checkHeaders compares the echo.
	s.do(t, "GET", "/health", origin)
	s.do(t, "GET", "/nothing", origin)
	s.do(t, "POST", "/api/auth/push", origin)
	s.do(t, "POST", "/api/auth/push", origin, auth("/demo:wrong"))
	s.do(t, "POST", "/api/auth/push", origin, auth(tenantOK), jsonBody("{}"))
}

func TestOnlyAllowedOriginsAreEchoed(t *testing.T) {
	o := newOrigins([]string{"https://a.example", "https://b.example"})
	for origin, want := range map[string]string{
		"https://a.example": "https://a.example", "https://b.example": "https://b.example",
		"https://c.example": "", "": "", "https://a.example.evil.example": "", "null": "",
	} {
		h := http.Header{}
		o.setHeaders(h, origin)
		if got := h.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%q: %q, want %q", origin, got, want)
		}
	}
}

func TestEmptyListAllowsNoForeignOrigin(t *testing.T) {
	h := http.Header{}
	newOrigins(nil).setHeaders(h, "https://a.example")
	if got := h.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("%q is echoed", got)
	}
}

func TestHealthFollowsReady(t *testing.T) {
	var ready error
	s := newServer(t, func(o *Options) { o.Ready = func() error { return ready } })
	s.do(t, "GET", "/health").want(t, "ready", 200, "hello")
	ready = errors.New("redis at 10.1.2.3 refused")
	s.do(t, "GET", "/health").want(t, "not ready", 503, `{"code":1202,"msg":"service temporarily unavailable"}`)
	if !strings.Contains(s.log.String(), "redis at 10.1.2.3 refused") {
		t.Error("the log lacks the reason")
	}
}

func TestNothingWorksBeforeNamespacesAreLoaded(t *testing.T) {
	s := newServer(t, func(o *Options) {
		o.Namespaces = namespace.NewRegistry(&namespaces{}, time.Hour, nil)
	})
	const body = `{"code":1202,"msg":"service temporarily unavailable"}`
	s.do(t, "GET", "/health").want(t, "health", 503, body)
	s.do(t, "POST", "/api/auth/login", auth(tenantOK)).want(t, "login", 503, body)
	s.do(t, "GET", "/api/admin/namespace/list", auth(adminOK)).want(t, "list", 503, body)
	s.do(t, "GET", "/api/admin/report/online", auth(adminOK)).want(t, "online", 503, body)
	s.do(t, "POST", "/api/admin/login", auth(adminOK)).want(t, "the administrator may log in", 200, "{}")
}

func TestPanicIsNeutral(t *testing.T) {
	s := newServer(t)
	s.pushes.set(nil, "secret inside")
	a := s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`))
	a.want(t, "panic", 500, `{"code":1500,"msg":"internal error"}`)
	log := s.log.String()
	if !strings.Contains(log, "secret inside") || strings.Count(log, a.header.Get("X-Request-Id")) < 2 {
		t.Errorf("the log lacks the panic or its request id: %s", log)
	}
	s.pushes.set(nil, nil)
	s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`)).want(t, "next", 200, `{"id":1}`)
}

func TestLogHasNoSecrets(t *testing.T) {
	s := newServer(t)
	s.do(t, "POST", "/api/auth/push?token=QuerySecret", auth(tenantOK), jsonBody(`{"room":"r","pushData":{"m":"BodySecret"}}`))
	s.do(t, "POST", "/api/auth/push", auth("/demo:PasswordSecret"), jsonBody(`{"room":"r 1"}`))
	s.do(t, "POST", "/api/admin/namespace/save", auth(adminOK), jsonBody(`{"key":"/new","auth_passwd":"NewSecret"}`))
	log := s.log.String()
	for _, secret := range []string{"QuerySecret", "BodySecret", "PasswordSecret", "NewSecret", "s3cret", "Basic "} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	for _, fact := range []string{`"caller":"/demo"`, `"route":"/api/auth/push"`, `"status":401`, `"code":1003`, "namespace saved"} {
		if !strings.Contains(log, fact) {
			t.Errorf("the log lacks %s", fact)
		}
	}
}

// TestLogNamesMessagesAndGuesses: a push can be found by its message, and who guesses passwords by its address; names are
// not logged, for passwords are typed there, too. A flood of guesses is no flood of lines.
func TestLogNamesMessagesAndGuesses(t *testing.T) {
	s := newServer(t)
	pushed := s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`))
	pushed.want(t, "push", 200, `{"id":1}`)
	for i := range 50 {
		s.do(t, "POST", "/api/auth/login", auth(fmt.Sprintf("/demo%d:GuessSecret", i)))
		s.do(t, "POST", "/api/admin/login", auth("NameSecret:GuessSecret"))
	}
	log := s.log.String()
	found := false
	for line := range strings.Lines(log) {
		if twice := repeatedKey(line); twice != "" {
			t.Errorf("%s is twice in %s", twice, line)
		}
		found = found || strings.Contains(line, pushed.header.Get("X-Request-Id")) && strings.Contains(line, `"message_id":1,`)
	}
	if !found {
		t.Errorf("no line has request and message: %.500s", log)
	}
	n := strings.Count(log, "login failed")
	if n == 0 || n > 60 || !strings.Contains(log, `"address":"127.0.0.1"`) {
		t.Errorf("%d lines about 100 guesses", n)
	}
	if strings.Contains(log, "GuessSecret") || strings.Contains(log, "NameSecret") {
		t.Error("what was guessed is in the log")
	}
}

// repeatedKey is a key of a JSON object that has another value behind it: most readers would see only one of the two.
func repeatedKey(line string) string {
	d := json.NewDecoder(strings.NewReader(line))
	_, _ = d.Token()
	for seen := map[string]bool{}; d.More(); {
		key, err := d.Token()
		name, _ := key.(string)
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil || seen[name] {
			return name
		}
		seen[name] = true
	}
	return ""
}

func TestObserverHearsEveryAnswer(t *testing.T) {
	s := newServer(t, func(o *Options) { o.FailuresPerMinute = 1 })
	s.do(t, "GET", "/api/auth/report/push/7", auth(tenantOK))
	s.do(t, "GET", "/nothing")
	s.do(t, "POST", "/api/auth/login", auth("/other:x"))
	s.do(t, "POST", "/api/auth/login", auth("/other:x"))
	for _, key := range []string{
		"GET /api/auth/report/push/:id 400 9999", "GET  404 1102",
		"POST /api/auth/login 401 1003", "POST /api/auth/login 429 1005",
		"login admin=false limited=false", "login admin=false limited=true",
	} {
		if s.observed.get(key) != 1 {
			t.Errorf("%s was heard %d times", key, s.observed.get(key))
		}
	}
}

func TestFailureTable(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want *Failure
	}{
		{push.ErrOverloaded, FailOverloaded},
		{push.ErrClosed, FailOverloaded},
		{namespace.ErrUnavailable, FailUnavailable},
		{namespace.ErrNotFound, FailUnknownNamespace},
		{errors.New("dial tcp 10.1.2.3:6379: connection refused"), FailUnavailable},
		{FailNotFound, FailNotFound},
	} {
		for _, err := range []error{tc.err, errors.Join(errors.New("outer"), tc.err)} {
			if got := failureOf(err); got != tc.want {
				t.Errorf("%v: %+v, want %+v", err, got, tc.want)
			}
		}
	}
	wrapped := errors.Join(errors.New("secret"), namespace.ErrOffline)
	if got := failureOf(wrapped); *got != (Failure{400, CodeValidation, "this namespace offline"}) {
		t.Errorf("a wrapped rule answers %+v", got)
	}
}
