//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// page is a browser with the console open: a cookie, and the token every change must repeat.
type page struct {
	t    testing.TB
	base string
	http *http.Client
	csrf string
	ns   string // X-Namespace; "" for none
}

type consoleSession struct {
	Role, Name, Namespace, CSRF string
	Expires                     int64
}

// openConsole logs in; path is that of the API, "/api" or behind a prefix.
func openConsole(t testing.TB, base, name, passwd string) *page {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{t: t, base: base, http: &http.Client{Timeout: 30 * time.Second, Jar: jar}}
	var s consoleSession
	p.into(&s, "POST", "/api/console/login", map[string]any{"name": name, "password": passwd})
	if s.CSRF == "" || s.Expires <= time.Now().UnixMilli() {
		t.Fatalf("session %+v", s)
	}
	p.csrf = s.CSRF
	return p
}

// in is the same page in a subtest.
func (p *page) in(t testing.TB) *page {
	other := *p
	other.t = t
	return &other
}

func (p *page) do(method, path string, body any) (int, []byte) {
	p.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequest(method, p.base+path, bytes.NewReader(data))
	if err != nil {
		p.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-CSRF-Token", p.csrf)
	}
	if p.ns != "" {
		req.Header.Set("X-Namespace", url.PathEscape(p.ns))
	}
	resp, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func (p *page) into(v any, method, path string, body any) {
	p.t.Helper()
	if status, answer := p.do(method, path, body); status != http.StatusOK || json.Unmarshal(answer, v) != nil {
		p.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
}

func (p *page) refused(method, path string, body any, status, code int) {
	p.t.Helper()
	var failure struct{ Code int }
	got, answer := p.do(method, path, body)
	if _ = json.Unmarshal(answer, &failure); got != status || failure.Code != code {
		p.t.Errorf("%s %s: %d %s, want %d with code %d", method, path, got, answer, status, code)
	}
}

type consolePage[T any] struct {
	List   []T
	Cursor string
}

// TestConsole opens the console of an installation with clients and reads and does everything by cookie, in every role.
func TestConsole(t *testing.T) {
	t.Run("all-in-one", func(t *testing.T) { testConsole(t, startAllInOne(t, t.TempDir()).deployment, false) })
	t.Run("connector+logic", func(t *testing.T) {
		testConsole(t, startRoles(t, 2, 2, "LIGHTPUSH_VIEWER_NAME=watcher", "LIGHTPUSH_VIEWER_PASSWD=watch"), true)
	})
}

func testConsole(t *testing.T, d *deployment, cluster bool) {
	drv := startNode(t)
	ns := d.namespace.name
	r := rig{drv: drv, lib: "v4", mode: modes[0], url: d.sockets[0], namespace: ns, api: d.api(t, 0)}
	ann, bob := identity{"a1", "ann", "web"}, identity{"b1", "bob", "android"}
	r.visit(t, "bob", bob, "room1")
	far := r
	far.url = d.sockets[len(d.sockets)-1] // another node, if there is one
	far.open(t, "ann", ann, false, "event", emission{Event: "joinRoom", Args: []any{[]string{"room1"}}, Ack: "join"})
	drv.connected(t, "ann", ann.clientID(ns))
	drv.wantOK(t, "ann", "join")

	admin := openConsole(t, d.apis[0], d.admin.name, d.admin.passwd)
	admin.ns = ns
	owner := openConsole(t, d.apis[len(d.apis)-1], strings.TrimPrefix(ns, "/"), d.namespace.passwd)
	admin.into(new(struct{}), "POST", "/api/auth/namespace/save", map[string]any{"viewer_passwd": "look"})
	var reader *page
	eventually(t, 10*time.Second, "the reader's password is known", func() error { // to the other process
		status, _ := (&page{t: t, base: owner.base, http: http.DefaultClient}).do("POST", "/api/console/login", map[string]any{"name": ns, "password": "look"})
		if status != http.StatusOK {
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
	reader = openConsole(t, owner.base, ns, "look")
	t.Run("looks", func(t *testing.T) {
		for _, p := range []*page{admin, owner, reader} {
			testConsoleLooks(t, p.in(t), ann.clientID(ns), bob.clientID(ns))
		}
	})
	t.Run("push", func(t *testing.T) { testConsolePush(t, admin.in(t), r, ann.clientID(ns), bob.clientID(ns)) })
	t.Run("admin", func(t *testing.T) { testConsoleAdmin(t, admin.in(t), len(d.apis)+len(d.sockets), cluster) })
	t.Run("roles", func(t *testing.T) {
		owner, reader := owner.in(t), reader.in(t)
		owner.refused("GET", "/api/admin/overview", nil, 403, 1008)
		reader.refused("POST", "/api/auth/push", map[string]any{"room": "room1", "pushData": map[string]any{}}, 403, 1008)
		reader.refused("POST", "/api/auth/device/kick", map[string]any{"id": ann.clientID(ns)}, 403, 1008)
		owner.ns = "/another"
		owner.refused("GET", "/api/auth/overview", nil, 403, 1008)
		owner.ns = ""
		token := owner.csrf
		owner.csrf = "forged"
		owner.refused("POST", "/api/auth/device/kick", map[string]any{"id": ann.clientID(ns)}, 403, 1007)
		owner.csrf = token
		if cluster {
			viewer := openConsole(t, d.apis[0], "watcher", "watch")
			viewer.into(new(map[string]any), "GET", "/api/admin/overview", nil)
			viewer.refused("POST", "/api/admin/namespace/save", map[string]any{"key": "/new", "auth_passwd": "x"}, 403, 1008)
		}
	})
	t.Run("kick", func(t *testing.T) {
		owner.in(t).into(new(struct{}), "POST", "/api/auth/device/kick", map[string]any{"id": ann.clientID(ns)})
		drv.takeKind(t, "ann", "disconnect")
		r.api.waitOnline("room1", 0, 30*time.Second)
	})
	t.Run("sessions end", func(t *testing.T) {
		admin, owner, reader := admin.in(t), owner.in(t), reader.in(t)
		admin.into(new(struct{}), "POST", "/api/auth/namespace/save", map[string]any{"viewer_passwd": "changed"})
		eventually(t, 10*time.Second, "the reader's session ends", func() error {
			if status, answer := reader.do("GET", "/api/auth/overview", nil); status != 401 {
				return fmt.Errorf("%d %s", status, answer)
			}
			return nil
		})
		owner.into(new(struct{}), "POST", "/api/console/logout", map[string]any{})
		owner.refused("GET", "/api/console/session", nil, 401, 1006)
		prefixed := openConsole(t, d.apis[0]+"/push-logic", ns, d.namespace.passwd)
		prefixed.into(new(map[string]any), "GET", "/api/auth/overview", nil)
	})
}

// testConsoleLooks reads every list with ann online and bob away.
func testConsoleLooks(t *testing.T, p *page, ann, bob string) {
	t.Helper()
	var o struct {
		Clients, Users, Rooms, Total int64
		Platforms                    map[string]int64
	}
	p.into(&o, "GET", "/api/auth/overview", nil)
	if o.Clients != 1 || o.Users != 1 || o.Rooms != 1 || o.Total != 2 || o.Platforms["web"] != 1 || o.Platforms["android"] != 0 {
		t.Errorf("overview %+v", o)
	}
	var s struct {
		Points int
		Series map[string][]*int64
	}
	p.into(&s, "GET", "/api/auth/series?hours=2&step=5", nil)
	if s.Points != 24 || len(s.Series["clients"]) != 24 {
		t.Errorf("series %+v", s)
	}
	var rooms consolePage[struct {
		Name          string
		Online, Total map[string]int64
	}]
	p.into(&rooms, "GET", "/api/auth/rooms?q=ROOM", nil)
	if len(rooms.List) != 1 || rooms.List[0].Name != "room1" || rooms.List[0].Online["web"] != 1 || rooms.List[0].Total["android"] != 1 {
		t.Errorf("rooms %+v", rooms)
	}
	ids := func(path string) (ids []string) {
		t.Helper()
		var list consolePage[struct {
			ID     string
			Online bool
		}]
		p.into(&list, "GET", path, nil)
		for _, e := range list.List {
			ids = append(ids, e.ID)
		}
		return ids
	}
	for path, want := range map[string][]string{
		"/api/auth/room/clients?name=room1&online=1": {ann}, "/api/auth/room/clients?name=room1": {ann, bob}, "/api/auth/users": {"ann"},
		"/api/auth/clients": {ann, bob}, "/api/auth/clients?online=1": {ann}, "/api/auth/clients?user=bob": {bob},
		"/api/auth/clients?platform=android": {bob}, "/api/auth/clients?q=" + url.QueryEscape(bob): {bob},
	} {
		if got := ids(path); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	var device struct {
		ID, Node string
		Online   bool
		Since    int64
		Rooms    []string
	}
	p.into(&device, "GET", "/api/auth/device?id="+url.QueryEscape(ann), nil)
	if !device.Online || device.Node == "" || device.Since == 0 || !slices.Equal(device.Rooms, []string{"room1", "user_ann"}) {
		t.Errorf("device %+v", device)
	}
}

// testConsolePush explains a push, does it, and holds the explanation against what came of it.
func testConsolePush(t *testing.T, p *page, r rig, ann, bob string) {
	body := map[string]any{"room": "room1", "pushData": pushBody("console"), "leaveMessage": true}
	var e struct {
		Total   int64
		Counts  map[string]int64
		Devices []struct{ ClientID, Outcome, Rule, Detail string }
	}
	p.into(&e, "POST", "/api/auth/push?explain=1", body)
	if e.Total != 2 || e.Counts["socket"] != 1 || e.Counts["inbox"] != 1 || len(e.Devices) != 2 {
		t.Fatalf("explanation %+v", e)
	}
	var before consolePage[map[string]any]
	p.into(&before, "GET", "/api/auth/messages", nil)
	if len(before.List) != 0 {
		t.Fatalf("an explanation was stored: %v", before.List)
	}
	var pushed struct{ ID int64 }
	p.into(&pushed, "POST", "/api/auth/push", body)
	r.api.waitStates(pushed.ID, "acked ann#web-a1; inbox bob#android-b1")
	var found consolePage[struct {
		ID               string
		Acked, Delivered int64
	}]
	eventually(t, 10*time.Second, "the message is found with its receipts", func() error {
		p.into(&found, "GET", "/api/auth/messages?room=room1&offline=on&text=CONSOLE", nil)
		if len(found.List) != 1 || found.List[0].ID != fmt.Sprint(pushed.ID) || found.List[0].Acked != 1 || found.List[0].Delivered != 1 {
			return fmt.Errorf("found %+v", found)
		}
		return nil
	})
	eventually(t, 10*time.Second, "deliveries and acks are counted", func() error {
		var o struct{ Pushes, Deliveries, Acks struct{ Day int64 } }
		p.into(&o, "GET", "/api/auth/overview", nil)
		if o.Pushes.Day != 1 || o.Deliveries.Day != 1 || o.Acks.Day != 1 {
			return fmt.Errorf("%+v", o)
		}
		return nil
	})
	var device struct {
		Inbox  []struct{ ID, Room string }
		Recent []struct{ ID, State string }
	}
	p.into(&device, "GET", "/api/auth/device?id="+url.QueryEscape(bob), nil)
	if len(device.Inbox) != 1 || device.Inbox[0].Room != "room1" || len(device.Recent) != 1 || device.Recent[0].State != "inbox" {
		t.Errorf("device %+v", device)
	}
	p.into(new(struct{}), "POST", "/api/auth/device/mute", map[string]any{"id": bob, "add": []string{"room1"}})
	p.refused("POST", "/api/auth/namespace/test-callback", map[string]any{"kind": "connect"}, 400, 9999)
}

func testConsoleAdmin(t *testing.T, p *page, processes int, cluster bool) {
	p.into(new(map[string]any), "GET", "/api/admin/overview", nil)
	p.into(new(map[string]any), "GET", "/api/admin/series", nil)
	p.into(new([]any), "GET", "/api/admin/queue", nil)
	p.into(new(map[string]any), "GET", "/api/admin/queue/dead?queue=offline", nil)
	p.into(new(map[string]any), "GET", "/api/admin/namespace/list?online=1", nil)
	if !cluster {
		processes = 1
	}
	type process struct {
		ID, Role, Version string
		Lease, Memory     int64
		Clients           int64
	}
	eventually(t, 15*time.Second, "all processes show themselves", func() error {
		var nodes []process
		p.into(&nodes, "GET", "/api/admin/nodes", nil)
		clients := int64(0)
		for _, n := range nodes {
			clients += n.Clients
			if n.Lease <= 0 || n.Memory <= 0 || n.Version == "" {
				return fmt.Errorf("node %+v", n)
			}
		}
		if len(nodes) != processes || clients != 1 {
			return fmt.Errorf("%d nodes with %d clients: %+v", len(nodes), clients, nodes)
		}
		return nil
	})
	var health struct {
		OK   bool
		Mode string
	}
	p.into(&health, "GET", "/api/admin/redis", nil)
	if want := map[bool]string{true: "single", false: "embedded"}[cluster]; !health.OK || health.Mode != want {
		t.Errorf("redis %+v, want %s", health, want)
	}
	var audit struct {
		List  []struct{ Action, Actor, Role, Namespace string }
		Total int64
	}
	p.into(&audit, "GET", "/api/admin/audit?namespace=demo", nil)
	var actions []string
	for _, a := range audit.List {
		actions = append(actions, a.Action)
	}
	for _, want := range []string{"device.mute", "push", "namespace.save", "login"} {
		if !slices.Contains(actions, want) {
			t.Errorf("the audit log lacks %s: %v", want, actions)
		}
	}
}
