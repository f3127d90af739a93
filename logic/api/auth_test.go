package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lightpush/lightpush/internal/namespace"
)

func TestCredentials(t *testing.T) {
	s := newServer(t)
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	const (
		need    = `{"code":1001,"msg":"need authorization"}`
		unknown = `{"code":1002,"msg":"namespace not found"}`
		passwd  = `{"code":1003,"msg":"passwd error"}`
		other   = `{"code":1004,"msg":"auth error"}`
	)
	tenantCases := []struct {
		header string
		status int
		body   string
	}{
		{"", 400, need},
		{"Basic " + b64("/demo:123456"), 200, "{}"},
		{b64("/demo:123456"), 200, "{}"}, // what the console sends
		{strings.TrimRight(b64("/demo:123456"), "="), 200, "{}"},
		{"Basic  " + b64("/demo:123456") + " ", 200, "{}"},
		{"Basic " + b64("/closed:123456"), 200, "{}"}, // offline namespaces authenticate
		{"Basic " + b64("/:123456"), 200, "{}"},
		{"Basic " + b64("/demo:wrong"), 401, passwd},
		{"Basic " + b64("/demo:123456:junk"), 401, passwd},
		{"Basic " + b64("/demo: 123456"), 401, passwd},
		{"Basic " + b64("/demo:0x1E240"), 401, passwd},
		{"Basic " + b64("/demo:"), 401, passwd},
		{"Basic " + b64("/demo"), 401, passwd},
		{"Basic " + b64("/bare:"), 401, passwd}, // no password never authenticates (B30)
		{"Basic " + b64("/bare"), 401, passwd},
		{"Basic " + b64("/bare:undefined"), 401, passwd},
		{"Basic " + b64("/demo:"+strings.Repeat("x", 2000)), 401, passwd},
		{"Basic " + b64("demo:123456"), 400, unknown},
		{"Basic " + b64("/Demo:123456"), 400, unknown},
		{"Basic " + b64("/nobody:123456"), 400, unknown},
		{"Basic " + b64("constructor"), 400, unknown}, // B29
		{"Basic " + b64("constructor:"), 400, unknown},
		{"Basic " + b64("__proto__:undefined"), 400, unknown},
		{"Basic " + b64("/toString:"), 400, unknown},
		{"Basic " + b64(":"), 400, unknown},
		{"Basic " + b64(":123456"), 400, unknown},
		{"Basic " + b64("/demo\x00:123456"), 400, unknown},
		{"Basic " + b64("/demo\xff:123456"), 400, unknown},
		{"basic " + b64("/demo:123456"), 400, unknown},
		{"Bearer " + b64("/demo:123456"), 400, unknown},
		{"Basic", 400, unknown},
		{"Basic !!!", 400, unknown},
		{"Basic L2Rl\tbW8=", 400, unknown},
		{"Basic " + b64("/demo:123456") + "," + b64("/demo:123456"), 400, unknown},
		{"Basic " + b64("/demo:"+strings.Repeat("x", 10_000)), 400, unknown},
		{"%2Fdemo:123456", 400, unknown},
	}
	for _, tc := range tenantCases {
		s.do(t, "POST", "/api/auth/login", header("Authorization", tc.header)).want(t, fmt.Sprintf("%.60q", tc.header), tc.status, tc.body)
	}
	for _, tc := range []struct {
		header string
		status int
		body   string
	}{
		{"", 400, need},
		{"Basic " + b64(adminOK), 200, "{}"}, // the password has colons (B31)
		{b64(adminOK), 200, "{}"},
		{"Basic " + b64("root:s3cret"), 401, other},
		{"Basic " + b64("root:"), 401, other},
		{"Basic " + b64("root"), 401, other},
		{"Basic " + b64(":"), 401, other},
		{"Basic " + b64("admin:123456"), 401, other},
		{"Basic " + b64(tenantOK), 401, other},
		{"Basic !!!", 401, other},
		{"Bearer x", 401, other},
	} {
		s.do(t, "POST", "/api/admin/login", header("Authorization", tc.header)).want(t, "admin "+tc.header, tc.status, tc.body)
	}
	s.do(t, "GET", "/api/auth/namespace", auth(adminOK)).want(t, "an administrator is no tenant", 400, unknown)
}

func TestSeveralAuthorizationHeadersUseTheFirst(t *testing.T) {
	s := newServer(t)
	wrong := base64.StdEncoding.EncodeToString([]byte("/demo:wrong"))
	right := base64.StdEncoding.EncodeToString([]byte(tenantOK))
	s.do(t, "POST", "/api/auth/login", header("Authorization", wrong), func(r *http.Request) { r.Header.Add("Authorization", right) }).
		want(t, "two headers", 401, `{"code":1003,"msg":"passwd error"}`)
}

func TestFailedLoginsAreLimited(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var mu sync.Mutex
	s := newServer(t, func(o *Options) {
		o.FailuresPerMinute = 6
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	from := func(address string) with { return header("X-Forwarded-For", address) }
	const (
		passwd  = `{"code":1003,"msg":"passwd error"}`
		unknown = `{"code":1002,"msg":"namespace not found"}`
		other   = `{"code":1004,"msg":"auth error"}`
		limited = `{"code":1005,"msg":"too many failed logins, try again later"}`
	)
	for i := range 6 {
		s.do(t, "POST", "/api/auth/login", auth("/demo:wrong"), from("198.51.100.1")).want(t, "failure "+itoa(i), 401, passwd)
		// Success neither costs nor resets anything.
		if i < 5 {
			s.do(t, "POST", "/api/auth/login", auth(tenantOK), from("198.51.100.1")).want(t, "success", 200, "{}")
		}
	}
	for _, credential := range []string{"/demo:wrong", tenantOK} {
		a := s.do(t, "POST", "/api/auth/push", auth(credential), from("198.51.100.1"))
		a.want(t, "limited "+credential, 429, limited)
		if got := a.header.Get("Retry-After"); got != "10" {
			t.Errorf("Retry-After = %s, want 10", got)
		}
	}
	s.do(t, "POST", "/api/auth/login", auth(tenantOK), from("198.51.100.2")).want(t, "another address", 200, "{}")
	s.do(t, "POST", "/api/auth/login", auth("/other:123456"), from("198.51.100.1")).want(t, "another name", 200, "{}")
	// Unknown names share a budget, whatever they are.
	for i := range 6 {
		s.do(t, "POST", "/api/auth/login", auth("/n"+itoa(i)+":x"), from("198.51.100.1")).want(t, "unknown", 400, unknown)
	}
	s.do(t, "POST", "/api/auth/login", auth("/n7:x"), from("198.51.100.1")).want(t, "unknown", 429, limited)
	// An IPv6 household is one address.
	for i := range 6 {
		s.do(t, "POST", "/api/admin/login", auth("root:x"), from(fmt.Sprintf("2001:db8::%d", i+1))).want(t, "admin", 401, other)
	}
	s.do(t, "POST", "/api/admin/login", auth(adminOK), from("2001:db8::99")).want(t, "admin", 429, limited)
	s.do(t, "POST", "/api/admin/login", auth(adminOK), from("2001:db8:0:1::1")).want(t, "admin elsewhere", 200, "{}")

	mu.Lock()
	now = now.Add(10 * time.Second)
	mu.Unlock()
	s.do(t, "POST", "/api/auth/login", auth(tenantOK), from("198.51.100.1")).want(t, "after the wait", 200, "{}")
	s.do(t, "POST", "/api/auth/login", auth("/demo:wrong"), from("198.51.100.1")).want(t, "one more", 401, passwd)
	s.do(t, "POST", "/api/auth/login", auth(tenantOK), from("198.51.100.1")).want(t, "limited again", 429, limited)
}

// Without a trusted proxy nobody chooses the address that is counted.
func TestForwardedAddressNeedsTrust(t *testing.T) {
	s := newServer(t, func(o *Options) { o.FailuresPerMinute = 1 })
	for i, want := range []int{401, 429} {
		a := s.do(t, "POST", "/api/auth/login", auth("/demo:wrong"), header("X-Forwarded-For", "198.51.100."+itoa(i)))
		if a.status != want {
			t.Errorf("failure %d: %d, want %d", i, a.status, want)
		}
	}
}

var errWrong = errors.New("wrong")

func always(error) bool { return true }

// Many wrong credentials at once must not get through before the first is
// counted.
func TestLimitHoldsForConcurrentLogins(t *testing.T) {
	f := newFailures(5, time.Now)
	var checked atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, _ = f.attempt(attemptKey{name: "/demo"}, func() error { checked.Add(1); return errWrong }, always)
		})
	}
	wg.Wait()
	if n := checked.Load(); n != 5 {
		t.Errorf("%d credentials were looked at, want 5", n)
	}
}

func TestUnrelatedErrorsAreNotCounted(t *testing.T) {
	f := newFailures(1, time.Now)
	for range 10 {
		_, err := f.attempt(attemptKey{name: "/demo"}, func() error { return namespace.ErrUnavailable }, isWrongCredential)
		if !errors.Is(err, namespace.ErrUnavailable) {
			t.Fatal(err)
		}
	}
}

func TestFailureMemoryIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	f := newFailures(5, func() time.Time { return now })
	fail := func(i int) {
		_, _ = f.attempt(attemptKey{admin: true, name: itoa(i)}, func() error { return errWrong }, always)
	}
	for i := range budgetsMax + 1000 {
		fail(i)
	}
	if n := len(f.budgets); n > budgetsMax || f.recent.Len() != n {
		t.Errorf("%d budgets (%d in order), want at most %d", n, f.recent.Len(), budgetsMax)
	}
	now = now.Add(2 * time.Minute)
	fail(0)
	if n := len(f.budgets); n != 1 {
		t.Errorf("%d budgets after all were full again, want 1", n)
	}
}

func TestNoLimit(t *testing.T) {
	f := newFailures(-1, time.Now)
	for range 1000 {
		if _, err := f.attempt(attemptKey{}, func() error { return errWrong }, always); !errors.Is(err, errWrong) {
			t.Fatal(err)
		}
	}
}

func FuzzParseCredential(f *testing.F) {
	for _, seed := range []string{
		"", "Basic", "Basic ", "Basic Lw==", "L2RlbW86MTIzNDU2", "Basic L2RlbW86MTIzNDU2", "basic L2RlbW86MTIzNDU2", "Bearer x",
		"Basic Og==", "Basic Ojo6", "Basic ====", "Basic -_-_", "Basic \xff", "Basic L2RlbW8\n6", strings.Repeat("A", authorizationMax+1),
	} {
		f.Add(seed)
	}
	registry := namespace.NewRegistry(&namespaces{all: map[string]*namespace.Namespace{"/bare": {Key: "/bare"}}}, time.Hour, nil)
	if err := registry.Reload(context.Background()); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		name, password, ok := parseCredential(header)
		if ok != (name != "") {
			t.Errorf("ok = %v for name %q", ok, name)
		}
		if strings.Contains(name, ":") || !utf8.ValidString(name) || !utf8.ValidString(password) {
			t.Errorf("name %q, password %q", name, password)
		}
		if _, err := registry.Authenticate(name, password); err == nil {
			t.Errorf("%q authenticates without any password", header)
		}
		if !ok {
			return
		}
		again, pass, ok := parseCredential("Basic " + base64.URLEncoding.EncodeToString([]byte(name+":"+password)))
		if len(header) < authorizationMax/2 && (!ok || again != name || pass != password) {
			t.Errorf("%q:%q reads back as %q:%q", name, password, again, pass)
		}
	})
}
