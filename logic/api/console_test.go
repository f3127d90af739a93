package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/store"
	"github.com/lightpush/lightpush/logic/offline"
	"github.com/lightpush/lightpush/logic/report"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// viewer is the account that only looks.
type viewer struct{}

func (viewer) Verify(name, password string) bool { return name == "watcher" && password == "watch" }
func (viewer) Named(name string) bool            { return name == "watcher" }
func (viewer) Mark() string                      { return "watch" }

// tester is a CallbackTester that answers what it was asked.
type tester struct{}

func (tester) Test(_ context.Context, ns *namespace.Namespace, kind string, query url.Values) (callback.Probed, error) {
	if ns.ConnectCallback == nil {
		return callback.Probed{}, callback.ErrNoCallback
	}
	return callback.Probed{Status: 200, Ms: 3, Body: kind + " " + query.Encode()}, nil
}

// consoleServer is an API whose console stands on a real store.
type consoleServer struct {
	*server
	store *store.Store
	redis *miniredis.Miniredis
	clock *clock
}

// viewerHash is of the password "look", at the lowest cost, as passwordHash.
var viewerHash = sync.OnceValue(func() string { return cheapHash("look") })

// newConsoleServer has the tenants of newServer and, of /demo, a viewer's
// password "look" and some devices.
func newConsoleServer(t *testing.T, change ...func(*Options)) *consoleServer {
	t.Helper()
	m := miniredis.RunT(t)
	c := &consoleServer{redis: m, clock: &clock{at: time.Now()}}
	var err error
	if c.store, err = store.Open(t.Context(), store.Options{Addresses: []string{m.Addr()}, OnError: func(err error) { t.Error(err) }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.store.Close() })
	explainer, err := offline.NewExplainer(offline.Options{
		Store: c.store, Namespaces: openNamespaces{}, InboxPlatforms: []string{client.Android},
	}, c.store)
	if err != nil {
		t.Fatal(err)
	}
	all := append([]func(*Options){func(o *Options) {
		o.Now = c.clock.now
		o.Devices = c.store
		o.Reports = report.New(c.store, report.Options{OfflinePlatforms: []string{client.Android}})
		o.Queues = c.store.Queues()
		o.Console = &ConsoleOptions{Store: c.store, Viewer: viewer{}, Explain: explainer, Callbacks: tester{}, OfflinePlatforms: []string{client.Android}}
	}}, change...)
	c.server = newServer(t, all...)
	c.changeDemo(t, func(ns *namespace.Namespace) { ns.ViewerHash = viewerHash() })
	for i, platform := range client.Platforms {
		c.enter(t, "/demo", fmt.Sprint("ann", i), platform, "r1", fmt.Sprint("user_ann", i))
	}
	c.enter(t, "/other", "eve", client.Web, "secret")
	return c
}

// changeDemo changes the stored namespace /demo: a save would hash passwords at
// their full cost.
func (c *consoleServer) changeDemo(t *testing.T, change func(*namespace.Namespace)) {
	t.Helper()
	demo := c.namespaces.get("/demo").Clone()
	change(demo)
	c.namespaces.mu.Lock()
	c.namespaces.all["/demo"] = demo
	c.namespaces.mu.Unlock()
	if err := c.registry.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type openNamespaces struct{}

func (openNamespaces) Ready() bool                                 { return true }
func (openNamespaces) Reload(context.Context) error                { return nil }
func (openNamespaces) Get(key string) (*namespace.Namespace, bool) { return nil, false }

// enter connects a device and returns its id.
func (c *consoleServer) enter(t *testing.T, ns, user, platform string, rooms ...string) string {
	t.Helper()
	id := client.Identity{Namespace: ns, UserID: user, Platform: platform, UUID: "1"}.ID()
	m := client.Member{Namespace: ns, ClientID: id, UserID: user, Platform: platform, Node: "n1"}
	claim, err := c.store.Claim(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Gen = claim.Gen
	if err := c.store.Enter(t.Context(), m, rooms); err != nil {
		t.Fatal(err)
	}
	return id
}

// message accepts a message and returns its id.
func (c *consoleServer) message(t *testing.T, ns, room, data string) int64 {
	t.Helper()
	leave := true
	m := push.Request{Room: room, PushData: json.RawMessage(data), ExpireHours: 1, LeaveMessage: &leave}.Message(ns, c.clock.now())
	if err := c.store.Accept(t.Context(), []*push.Message{m}); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

// login is a session of the console.
type login struct {
	sessionAnswer
	cookie *http.Cookie
}

func (c *consoleServer) login(t *testing.T, name, password string, options ...with) login {
	t.Helper()
	body := fmt.Sprintf(`{"name":%q,"password":%q}`, name, password)
	a := c.do(t, "POST", "/api/console/login", append([]with{jsonBody(body)}, options...)...)
	l := login{}
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &l.sessionAnswer) != nil {
		t.Fatalf("login of %s: %d %s", name, a.status, a.body)
	}
	l.cookie = cookieOf(t, a)
	return l
}

func cookieOf(t *testing.T, a answer) *http.Cookie {
	t.Helper()
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a session may be kept in a cache")
	}
	list := (&http.Response{Header: a.header}).Cookies()
	if len(list) != 1 || list[0].Name != sessionCookie {
		t.Fatalf("cookies %v", list)
	}
	return list[0]
}

// by sends a session's cookie, and its token.
func (l login) by() with {
	return func(r *http.Request) {
		r.Header.Set("Cookie", sessionCookie+"="+l.cookie.Value)
		r.Header.Set(csrfHeader, l.CSRF)
	}
}

func of(ns string) with { return header(namespaceHeader, url.PathEscape(ns)) }

func TestSessions(t *testing.T) {
	c := newConsoleServer(t)
	for _, tc := range []struct {
		name, password, role, account, ns string
	}{
		{"root", "s3cret:with:colons", "admin", "root", ""},
		{"watcher", "watch", "viewer", "watcher", ""},
		{"demo", password, "owner", "/demo", "/demo"},
		{"/demo", password, "owner", "/demo", "/demo"},
		{"demo", "look", "reader", "/demo", "/demo"},
		{"other", password, "owner", "/other", "/other"},
	} {
		l := c.login(t, tc.name, tc.password)
		if string(l.Role) != tc.role || l.Name != tc.account || l.Namespace != tc.ns || len(l.CSRF) != 43 {
			t.Errorf("%s: %+v", tc.name, l.sessionAnswer)
		}
		if l.cookie.Path != "/api/" || !l.cookie.HttpOnly || l.cookie.SameSite != http.SameSiteStrictMode || l.cookie.Secure || l.cookie.Domain != "" {
			t.Errorf("%s: cookie %s", tc.name, l.cookie)
		}
		a := c.do(t, "GET", "/api/console/session", l.by())
		if shown := sessionOf(t, a); shown.CSRF != l.CSRF || shown.Role != l.Role {
			t.Errorf("%s: session %+v", tc.name, shown)
		}
		c.do(t, "POST", "/api/console/logout", header("Cookie", sessionCookie+"="+l.cookie.Value)).want(t, "logout without the token", 403, refused(1007, "csrf token invalid"))
		out := c.do(t, "POST", "/api/console/logout", l.by())
		out.want(t, "logout", 200, "{}")
		if gone := cookieOf(t, out); gone.Value != "" || gone.MaxAge >= 0 || gone.Path != "/api/" {
			t.Errorf("logout leaves %s", gone)
		}
		c.do(t, "GET", "/api/console/session", l.by()).want(t, "after logout", 401, refused(1006, "session expired"))
		c.do(t, "POST", "/api/console/logout", l.by()).want(t, "logout again", 200, "{}")
	}
	c.do(t, "GET", "/api/console/session").want(t, "no cookie", 401, refused(1006, "session expired"))
	c.do(t, "GET", "/api/auth/overview", header("Cookie", sessionCookie+"=x")).want(t, "odd cookie", 401, refused(1006, "session expired"))
	c.do(t, "GET", "/api/auth/overview", header("Cookie", "other=x")).want(t, "other cookie", 400, refused(1001, "need authorization"))
}

func sessionOf(t *testing.T, a answer) (s sessionAnswer) {
	t.Helper()
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &s) != nil {
		t.Errorf("session: %d %s", a.status, a.body)
	}
	return s
}

func TestLoginRefusals(t *testing.T) {
	c := newConsoleServer(t)
	for _, tc := range []struct {
		name, password string
		status, code   int
		msg            string
	}{
		{"root", "wrong", 401, 1004, "auth error"},
		{"root", "", 401, 1004, "auth error"},
		{"watcher", "", 401, 1004, "auth error"},
		{"watcher", "s3cret:with:colons", 401, 1004, "auth error"},
		{"demo", "wrong", 401, 1003, "passwd error"},
		{"demo", "", 401, 1003, "passwd error"},
		{"bare", "", 401, 1003, "passwd error"},
		{"nobody", "x", 400, 1002, "namespace not found"},
		{"", "", 401, 1003, "passwd error"}, // the root namespace
	} {
		a := c.do(t, "POST", "/api/console/login", jsonBody(fmt.Sprintf(`{"name":%q,"password":%q}`, tc.name, tc.password)))
		a.want(t, tc.name+" "+tc.password, tc.status, refused(tc.code, tc.msg))
		if len(a.header["Set-Cookie"]) > 0 {
			t.Errorf("%s: a cookie for a failed login", tc.name)
		}
	}
	good := `{"name":"root","password":"s3cret:with:colons"}`
	c.do(t, "POST", "/api/console/login", formBody("name=demo&password="+password)).want(t, "form", 400, refused(1101, "Bad Request"))
	c.do(t, "POST", "/api/console/login", typed("text/plain", good)).want(t, "text", 400, refused(1101, "Bad Request"))
	c.do(t, "POST", "/api/console/login", jsonBody(good), header("Sec-Fetch-Site", "cross-site")).want(t, "another site", 400, refused(1101, "Bad Request"))
	c.do(t, "POST", "/api/console/login", jsonBody(`{"name":"root","password":"s3cret:with:colons","prefix":"/a;b"}`)).
		want(t, "prefix", 400, refused(9999, "prefix must be the path before /api"))
}

// Login shares the limit of failed logins with every other credential.
func TestLoginIsLimited(t *testing.T) {
	c := newConsoleServer(t, func(o *Options) { o.FailuresPerMinute = 3 })
	wrong := jsonBody(`{"name":"root","password":"wrong"}`)
	for range 2 {
		c.do(t, "POST", "/api/console/login", wrong).want(t, "wrong", 401, refused(1004, "auth error"))
	}
	c.do(t, "POST", "/api/admin/login", auth("root:wrong")).want(t, "wrong by header", 401, refused(1004, "auth error"))
	a := c.do(t, "POST", "/api/console/login", jsonBody(`{"name":"root","password":"s3cret:with:colons"}`))
	a.want(t, "limited", 429, refused(1005, "too many failed logins, try again later"))
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	c.login(t, "demo", password) // others are not
}

func TestCookiePathAndTLS(t *testing.T) {
	c := newConsoleServer(t, func(o *Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	body := `{"name":"demo","password":"` + password + `"`
	for _, tc := range []struct {
		what, path, body, proto, wantPath string
		secure                            bool
	}{
		{"plain", "/api/console/login", body + "}", "", "/api/", false},
		{"prefix left by the proxy", "/push-logic/api/console/login", body + "}", "http", "/push-logic/api/", false},
		{"prefix told by the page", "/api/console/login", body + `,"prefix":"/a/push-logic"}`, "https", "/a/push-logic/api/", true},
		{"no prefix told by the page", "/push-logic/api/console/login", body + `,"prefix":""}`, "https, http", "/api/", true},
	} {
		cookie := cookieOf(t, c.do(t, "POST", tc.path, jsonBody(tc.body), header("X-Forwarded-Proto", tc.proto)))
		if cookie.Path != tc.wantPath || cookie.Secure != tc.secure {
			t.Errorf("%s: %s", tc.what, cookie)
		}
	}
	untrusted := newConsoleServer(t)
	if cookie := cookieOf(t, untrusted.do(t, "POST", "/api/console/login", jsonBody(body+"}"), header("X-Forwarded-Proto", "https"))); cookie.Secure {
		t.Errorf("anybody is believed: %s", cookie)
	}
}

func TestSessionExpires(t *testing.T) {
	c := newConsoleServer(t)
	pass := func(d time.Duration) { c.clock.add(d); c.redis.FastForward(d) }
	l := c.login(t, "demo", password)
	for range 23 { // used again and again it lives on, but not for ever
		pass(29 * time.Minute)
		s := sessionOf(t, c.do(t, "GET", "/api/console/session", l.by()))
		if left := s.Expires - c.clock.now().UnixMilli(); left <= 0 || left > (30*time.Minute).Milliseconds() {
			t.Fatalf("%d ms left", left)
		}
	}
	pass(29 * time.Minute) // 11 h 36 min
	if s := sessionOf(t, c.do(t, "GET", "/api/console/session", l.by())); s.Expires > c.clock.now().Add(25*time.Minute).UnixMilli() {
		t.Errorf("longer than its life: %d", s.Expires-c.clock.now().UnixMilli())
	}
	pass(25 * time.Minute)
	c.do(t, "GET", "/api/auth/overview", l.by()).want(t, "after 12 h", 401, refused(1006, "session expired"))

	idle := c.login(t, "demo", password)
	pass(31 * time.Minute)
	c.do(t, "GET", "/api/auth/overview", idle.by()).want(t, "idle", 401, refused(1006, "session expired"))
}

// A password that is changed ends the sessions it has opened, and no others.
func TestChangedPasswordEndsSessions(t *testing.T) {
	c := newConsoleServer(t)
	owner, reader, admin := c.login(t, "demo", password), c.login(t, "demo", "look"), c.login(t, "root", "s3cret:with:colons")
	save := func(body string) {
		t.Helper()
		c.do(t, "POST", "/api/admin/namespace/save", admin.by(), jsonBody(body)).want(t, "save", 200, "{}")
	}
	works := func(what string, l login, status int) {
		t.Helper()
		if a := c.do(t, "GET", "/api/auth/overview", l.by()); a.status != status {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	save(`{"key":"/demo","name":"n"}`)
	works("owner", owner, 200)
	works("reader", reader, 200)
	c.changeDemo(t, func(ns *namespace.Namespace) { ns.PasswdHash = cheapHash("new") })
	works("owner after a change", owner, 401)
	works("reader after a change of the owner's", reader, 200)
	c.changeDemo(t, func(ns *namespace.Namespace) { ns.ViewerHash = cheapHash("other") })
	works("reader after a change", reader, 401)
	reader = c.login(t, "demo", "other")
	save(`{"key":"/demo","viewer_passwd":"******"}`)
	works("reader after the mark was sent back", reader, 200)
	save(`{"key":"/demo","viewer_passwd":""}`)
	works("reader without a password", reader, 401)
	c.do(t, "POST", "/api/console/login", jsonBody(`{"name":"demo","password":"other"}`)).want(t, "login", 401, refused(1003, "passwd error"))
	if a := c.do(t, "GET", "/api/auth/overview", admin.by(), of("/demo")); a.status != 200 {
		t.Errorf("the administrator: %d %s", a.status, a.body)
	}
}

func TestRoles(t *testing.T) {
	c := newConsoleServer(t)
	id := c.message(t, "/demo", "r1", `{"a":1}`)
	sessions := map[string]login{
		"admin": c.login(t, "root", "s3cret:with:colons"), "viewer": c.login(t, "watcher", "watch"),
		"owner": c.login(t, "demo", password), "reader": c.login(t, "demo", "look"),
	}
	device := url.QueryEscape("/demo#ann0#web-1")
	looks := []string{
		"/api/auth/overview", "/api/auth/series", "/api/auth/rooms", "/api/auth/room?name=r1", "/api/auth/room/clients?name=r1",
		"/api/auth/users", "/api/auth/clients", "/api/auth/device?id=" + device, "/api/auth/messages", "/api/auth/namespace",
		"/api/auth/report/push", fmt.Sprint("/api/auth/report/push/", id), fmt.Sprint("/api/auth/report/push/", id, "/receipts"),
		"/api/auth/report/online", "/api/auth/namespace/current-message-stat",
	}
	for role, l := range sessions {
		for _, path := range looks {
			if a := c.do(t, "GET", path, l.by(), of("/demo")); a.status != 200 {
				t.Errorf("%s %s: %d %s", role, path, a.status, a.body)
			}
			switch a := c.do(t, "GET", path, l.by(), of("/other")); role {
			case "owner", "reader":
				a.want(t, role+" of another namespace "+path, 403, refused(1008, "role may not do this"))
			}
		}
		for _, path := range []string{
			"/api/admin/overview", "/api/admin/series", "/api/admin/nodes", "/api/admin/redis", "/api/admin/audit",
			"/api/admin/queue", "/api/admin/namespace/list", "/api/admin/report/online",
		} {
			a := c.do(t, "GET", path, l.by())
			if role == "admin" || role == "viewer" {
				if a.status != 200 {
					t.Errorf("%s %s: %d %s", role, path, a.status, a.body)
				}
				continue
			}
			a.want(t, role+" "+path, 403, refused(1008, "role may not do this"))
		}
		explain := c.do(t, "POST", "/api/auth/push?explain=1", l.by(), of("/demo"), jsonBody(`{"room":"r1","pushData":{}}`))
		if explain.status != 200 {
			t.Errorf("%s explains: %d %s", role, explain.status, explain.body)
		}
	}
	for _, role := range []string{"viewer", "reader"} {
		for _, path := range []string{
			"/api/auth/push", "/api/auth/client", "/api/auth/namespace/save", "/api/auth/device/kick", "/api/auth/device/mute",
			"/api/auth/room-apns", "/api/auth/transfer", "/api/auth/namespace/test-callback", "/api/auth/apns/test",
		} {
			c.do(t, "POST", path, sessions[role].by(), of("/demo"), jsonBody(`{"id":"x"}`)).
				want(t, role+" "+path, 403, refused(1008, "role may not do this"))
		}
	}
	viewer := sessions["viewer"]
	for _, path := range []string{"/api/admin/namespace/save", "/api/admin/queue/requeue", "/api/admin/namespace/flush/closed"} {
		c.do(t, "POST", path, viewer.by(), jsonBody(`{}`)).want(t, "viewer "+path, 403, refused(1008, "role may not do this"))
	}
	c.do(t, "GET", "/api/admin/namespace/flush/closed", viewer.by()).want(t, "viewer flushes by GET", 403, refused(1008, "role may not do this"))
	c.do(t, "GET", "/api/auth/overview", viewer.by()).want(t, "no namespace named", 400, refused(1002, "namespace not found"))
	c.do(t, "GET", "/api/auth/overview", viewer.by(), of("/nobody")).want(t, "unknown namespace", 400, refused(1002, "namespace not found"))
	c.do(t, "GET", "/api/auth/nothing", viewer.by(), of("/demo")).want(t, "unknown path", 404, refused(1102, "Not Found"))
	if c.pushes.n != 0 {
		t.Errorf("%d pushes", c.pushes.n)
	}
}

func TestCSRF(t *testing.T) {
	c := newConsoleServer(t)
	admin := c.login(t, "root", "s3cret:with:colons")
	cookie := header("Cookie", sessionCookie+"="+admin.cookie.Value)
	other := c.login(t, "root", "s3cret:with:colons")
	forged := refused(1007, "csrf token invalid")
	for what, options := range map[string][]with{
		"no token":           {cookie},
		"an empty one":       {cookie, header(csrfHeader, "")},
		"of another session": {cookie, header(csrfHeader, other.CSRF)},
		"another site":       {admin.by(), header("Sec-Fetch-Site", "cross-site")},
		"a sibling host":     {admin.by(), header("Sec-Fetch-Site", "same-site")},
	} {
		c.do(t, "POST", "/api/auth/push", append(options, of("/demo"), jsonBody(`{"room":"r1","pushData":{}}`))...).want(t, what, 403, forged)
		c.do(t, "GET", "/api/admin/namespace/clear/closed", options...).want(t, what+", GET that changes", 403, forged)
	}
	origin := header("Origin", "http://evil.example")
	c.do(t, "GET", "/api/console/session", cookie, origin).want(t, "reading from another origin", 403, forged)
	if a := c.do(t, "GET", "/api/console/session", cookie, origin, header("Sec-Fetch-Site", "same-origin")); a.status != 200 {
		t.Errorf("same origin behind a proxy: %d %s", a.status, a.body)
	}
	if a := c.do(t, "GET", "/api/console/session", cookie, header("Origin", c.url)); a.status != 200 {
		t.Errorf("same origin: %d %s", a.status, a.body)
	}
	c.do(t, "POST", "/api/auth/push", admin.by(), of("/demo"), jsonBody(`{"room":"r1","pushData":{}}`)).want(t, "push", 200, `{"id":1}`)
	// A header goes before a cookie and needs no token.
	c.do(t, "POST", "/api/auth/push", cookie, auth(tenantOK), jsonBody(`{"room":"r1","pushData":{}}`)).want(t, "push by header", 200, `{"id":2}`)
	c.do(t, "POST", "/api/auth/push", admin.by(), auth("/demo:wrong"), jsonBody(`{}`)).want(t, "wrong header", 401, refused(1003, "passwd error"))
}

// Without a console there are no sessions, and its routes say so.
func TestWithoutConsole(t *testing.T) {
	s := newServer(t)
	s.do(t, "POST", "/api/console/login", jsonBody(`{}`)).want(t, "login", 503, refused(1202, "service temporarily unavailable"))
	s.do(t, "GET", "/api/auth/rooms", auth(tenantOK)).want(t, "rooms", 503, refused(1202, "service temporarily unavailable"))
	s.do(t, "GET", "/api/auth/namespace", header("Cookie", sessionCookie+"=x")).want(t, "cookie", 401, refused(1006, "session expired"))
	s.do(t, "POST", "/api/auth/push?explain=1", auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`)).want(t, "explain", 503, refused(1202, "service temporarily unavailable"))
}

// Sealed tenants: whatever a session of /other asks for, nothing of /demo
// comes back.
func TestSealedSessions(t *testing.T) {
	c := newConsoleServer(t)
	id := c.message(t, "/demo", "r1", `{"treasure":1}`)
	other := c.login(t, "other", password)
	device := url.QueryEscape("/demo#ann0#web-1")
	for _, path := range []string{
		"/api/auth/rooms?q=r1", "/api/auth/room?name=r1", "/api/auth/room/clients?name=r1", "/api/auth/users?q=ann", "/api/auth/clients",
		"/api/auth/clients?q=" + device, "/api/auth/clients?user=ann0", "/api/auth/messages?text=treasure", fmt.Sprint("/api/auth/messages?id=", id),
		"/api/auth/device?id=" + device, "/api/auth/series", fmt.Sprint("/api/auth/report/push/", id, "/receipts"),
	} {
		a := c.do(t, "GET", path, other.by())
		for _, text := range []string{"ann", "treasure", `"web":1`} {
			if strings.Contains(a.body, text) {
				t.Errorf("%s tells %s: %s", path, text, a.body)
			}
		}
	}
	c.do(t, "POST", "/api/auth/device/kick", other.by(), jsonBody(`{"id":"/demo#ann0#web-1"}`)).want(t, "kick", 400, refused(9999, client.ErrUnknown.Error()))
	c.do(t, "POST", "/api/auth/device/mute", other.by(), jsonBody(`{"id":"/demo#ann0#web-1","add":["r1"]}`)).want(t, "mute", 400, refused(9999, client.ErrUnknown.Error()))
}
