package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/namespace"
)

// into reads a successful answer.
func into[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); a.status != 200 || err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return v
}

func TestOverviewAndSeries(t *testing.T) {
	c := newConsoleServer(t)
	c.message(t, "/demo", "r1", `{}`)
	tenant, root := auth(tenantOK), auth(adminOK)
	o := into[console.Overview](t, c.do(t, "GET", "/api/auth/overview", tenant))
	if o.Clients != 3 || o.Users != 3 || o.Total != 3 || o.Platforms != (console.Platforms{Web: 1, IOS: 1, Android: 1}) || o.Pushes.Minute > 1 || o.Pushes.Day != 1 {
		t.Errorf("overview %+v", o)
	}
	if o = into[console.Overview](t, c.do(t, "GET", "/api/admin/overview", root)); o.Clients != 4 || o.Platforms.Web != 2 {
		t.Errorf("all together %+v", o)
	}
	minute := c.clock.now().Truncate(time.Minute).Add(-time.Minute)
	err := c.store.KeepFigures(t.Context(), minute, map[string]console.Figures{"/demo": {Clients: 3, Pushes: 1}, console.Total: {Clients: 4, Pushes: 2}})
	if err != nil {
		t.Fatal(err)
	}
	s := into[console.Series](t, c.do(t, "GET", "/api/auth/series", tenant))
	last := s.Series.Clients[59]
	if s.Step != 1 || s.Points != 60 || len(s.Series.Acks) != 60 || s.Series.Clients[58] != nil || last == nil || *last != 3 ||
		s.From != minute.Add(-59*time.Minute).UnixMilli() {
		t.Errorf("series %+v", s)
	}
	s = into[console.Series](t, c.do(t, "GET", "/api/admin/series?hours=48&step=60", root))
	if s.Points != 48 || len(s.Series.Pushes) != 48 || s.Series.Pushes[47] == nil && s.Series.Pushes[46] == nil {
		t.Errorf("series %+v", s)
	}
	for query, problem := range map[string]string{
		"hours=0": "hours must be a whole number from 1 to 48", "hours=49": "hours must be a whole number from 1 to 48",
		"hours=x": "hours must be a whole number from 1 to 48", "step=2": "step must be 1, 5, 15 or 60", "step=61": "step must be a whole number from 1 to 60",
	} {
		c.do(t, "GET", "/api/auth/series?"+query, tenant).want(t, query, 400, refused(9999, problem))
	}
}

func TestBrowseRoutes(t *testing.T) {
	c := newConsoleServer(t)
	tenant := auth(tenantOK)
	room := `{"name":"r1","online":{"web":1,"ios":1,"android":1},"total":{"web":1,"ios":1,"android":1},"users":3}`
	c.do(t, "GET", "/api/auth/room?name=r1", tenant).want(t, "room", 200, room)
	c.do(t, "GET", "/api/auth/room?name=none", tenant).want(t, "no room", 200,
		`{"name":"none","online":{"web":0,"ios":0,"android":0},"total":{"web":0,"ios":0,"android":0},"users":0}`)
	c.do(t, "GET", "/api/auth/room", tenant).want(t, "no name", 400, refused(9999, "can not find room"))
	c.do(t, "GET", "/api/auth/room?name=a%20b", tenant).want(t, "odd name", 400, refused(9999, "room invalid"))
	c.do(t, "GET", "/api/auth/rooms?q=R", tenant).want(t, "rooms", 200, `{"list":[`+room+`],"cursor":""}`)
	c.do(t, "GET", "/api/auth/rooms?q=none", tenant).want(t, "no rooms", 200, `{"list":[],"cursor":""}`)
	c.do(t, "GET", "/api/auth/rooms?cursor=x", tenant).want(t, "cursor", 400, refused(9999, "cursor invalid"))
	c.do(t, "GET", "/api/auth/rooms?q="+strings.Repeat("x", 1001), tenant).want(t, "long q", 400, refused(9999, "q is too long"))
	c.do(t, "GET", "/api/auth/users?q=%C0%80", tenant).want(t, "q of other bytes", 400, refused(9999, "q must be UTF-8"))
	c.do(t, "GET", "/api/auth/clients?platform=pc", tenant).want(t, "platform", 400, refused(9999, "platform must be one of web, ios, android"))
	c.do(t, "GET", "/api/auth/users?q=ann1", tenant).want(t, "users", 200, `{"list":[{"id":"ann1","devices":1}],"cursor":""}`)
	members := into[console.Page[console.Member]](t, c.do(t, "GET", "/api/auth/room/clients?name=r1&online=1&platform=ios", tenant))
	if len(members.List) != 1 || members.List[0].UserID != "ann1" || members.List[0].Since == 0 {
		t.Errorf("members %+v", members)
	}
	devices := into[console.Page[console.Device]](t, c.do(t, "GET", "/api/auth/clients?size=2", tenant))
	rest := into[console.Page[console.Device]](t, c.do(t, "GET", "/api/auth/clients?size=2&cursor="+devices.Cursor, tenant))
	if len(devices.List) != 2 || len(rest.List) != 1 || rest.Cursor != "" || devices.List[0].Node != "n1" || !devices.List[0].Online {
		t.Errorf("devices %+v, then %+v", devices, rest)
	}
}

func TestDevicePageRoutes(t *testing.T) {
	c := newConsoleServer(t)
	id := "/demo#ann2#android-1"
	sent := c.message(t, "/demo", "r1", `{}`)
	tenant := auth(tenantOK)
	c.do(t, "POST", "/api/auth/device/mute", tenant, jsonBody(`{"id":"`+id+`","add":["r1","r2"],"remove":["r2"]}`)).want(t, "mute", 200, "{}")
	c.do(t, "POST", "/api/auth/device/mute", tenant, jsonBody(`{"id":"`+id+`"}`)).want(t, "mute nothing", 200, "{}")
	c.do(t, "POST", "/api/auth/device/mute", tenant, jsonBody(`{"add":["r1"]}`)).want(t, "mute nobody", 400, refused(9999, "param id can not find "))
	p := into[console.DevicePage](t, c.do(t, "GET", "/api/auth/device?id="+url.QueryEscape(id), tenant))
	if p.ID != id || p.Record["userid"] != "ann2" || !p.Online || p.Node != "n1" || len(p.Rooms) != 2 || len(p.Mutes) != 1 ||
		len(p.Recent) != 1 || p.Recent[0].ID != fmt.Sprint(sent) || p.Recent[0].State == "" {
		t.Errorf("device %+v", p)
	}
	c.do(t, "GET", "/api/auth/device?id=x", tenant).want(t, "unknown", 400, refused(9999, "this id not exists"))
	c.do(t, "GET", "/api/auth/device", tenant).want(t, "no id", 400, refused(9999, "param id can not find "))
	c.do(t, "POST", "/api/auth/device/kick", tenant, jsonBody(`{"id":"`+id+`"}`)).want(t, "kick", 200, "{}")
	c.do(t, "POST", "/api/auth/device/kick", tenant, jsonBody(`{}`)).want(t, "kick nobody", 400, refused(9999, "param id can not find "))
}

func TestMessagesRoute(t *testing.T) {
	c := newConsoleServer(t)
	first, second := c.message(t, "/demo", "r1", `{"t":"Hello <b>"}`), c.message(t, "/demo", "r2", `{"t":"bye"}`)
	tenant := auth(tenantOK)
	ids := func(query string) (got []string) {
		t.Helper()
		page := into[messagePage](t, c.do(t, "GET", "/api/auth/messages?"+query, tenant))
		for _, m := range page.List {
			got = append(got, m.ID)
		}
		return append(got, page.Cursor)
	}
	for query, want := range map[string]string{
		"": fmt.Sprint([]any{second, first, ""}), "room=r1": fmt.Sprint([]any{first, ""}), "text=HELLO%20%3Cb": fmt.Sprint([]any{first, ""}),
		"size=1": fmt.Sprint([]any{second, second}), fmt.Sprint("size=1&cursor=", second): fmt.Sprint([]any{first, ""}),
		"offline=on": fmt.Sprint([]any{second, first, ""}), "offline=off": "[]", fmt.Sprint("id=", first): fmt.Sprint([]any{first, ""}), "to=1": "[]",
	} {
		if got := fmt.Sprint(ids(query)); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	for query, problem := range map[string]string{
		"from=x": "from must be a positive whole number", "id=-1": "id must be a positive whole number", "offline=2": "offline must be on or off",
		"cursor=x": "cursor invalid", "text=" + strings.Repeat("x", 1001): "text is too long",
	} {
		c.do(t, "GET", "/api/auth/messages?"+query, tenant).want(t, query, 400, refused(9999, problem))
	}
}

func TestExplainRoute(t *testing.T) {
	c := newConsoleServer(t)
	tenant := auth(tenantOK)
	e := into[explanation](t, c.do(t, "POST", "/api/auth/push?explain=1", tenant,
		jsonBody(`{"room":"r1","pushData":{"a":1},"leaveMessage":true,"except":"/demo#ann1#ios-1","expire":2,"apnsName":"x"}`)))
	if e.Message.Room != "r1" || e.Message.Bytes != 7 || e.Message.Expire != "2" || !e.Message.LeaveMessage || e.Total != 3 || e.Cursor != "" ||
		e.Counts["socket"] != 2 || e.Counts["nothing"] != 1 {
		t.Errorf("explanation %+v", e)
	}
	for _, d := range e.Devices {
		if want := map[string]string{"web": "online", "ios": "except", "android": "online"}[d.Platform]; string(d.Rule) != want || !d.Online {
			t.Errorf("device %+v", d)
		}
	}
	first := into[explanation](t, c.do(t, "POST", "/api/auth/push?explain=1&size=2", tenant, jsonBody(`{"room":"r1","pushData":{}}`)))
	rest := into[explanation](t, c.do(t, "POST", "/api/auth/push?explain=1&size=2&cursor="+first.Cursor, tenant, jsonBody(`{"room":"r1","pushData":{}}`)))
	if len(first.Devices) != 2 || len(rest.Devices) != 1 || rest.Cursor != "" {
		t.Errorf("pages %+v, %+v", first, rest)
	}
	c.do(t, "POST", "/api/auth/push?explain=1", tenant, jsonBody(`{"pushData":{}}`)).want(t, "refused as a push", 400, refused(9999, "room can not be empty"))
	c.do(t, "POST", "/api/auth/push?explain=1&cursor=x", tenant, jsonBody(`{"room":"r1","pushData":{}}`)).want(t, "cursor", 400, refused(9999, "cursor invalid"))
	if c.pushes.n != 0 {
		t.Error("an explanation pushed")
	}
}

func TestCallbackRoute(t *testing.T) {
	c := newConsoleServer(t, func(o *Options) { o.ProbesPerMinute = 2 })
	tenant := auth(tenantOK)
	const path = "/api/auth/namespace/test-callback"
	c.do(t, "POST", path, tenant, jsonBody(`{"kind":"x"}`)).want(t, "kind", 400, refused(9999, "kind must be connect or disconnect"))
	c.do(t, "POST", path, tenant, jsonBody(`{"kind":"connect","query":[]}`)).want(t, "query", 400, refused(9999, "query must be an object of at most 20 texts"))
	c.do(t, "POST", path, tenant, jsonBody(`{"kind":"connect"}`)).want(t, "none", 400, refused(9999, "this callback is not configured"))
	at := "https://example.com/"
	if _, err := c.registry.Save(t.Context(), namespace.Patch{Key: "/demo", ConnectCallback: &at}, c.clock.now()); err != nil {
		t.Fatal(err)
	}
	c.do(t, "POST", path, tenant, jsonBody(`{"kind":"connect","query":{"userid":"ann"}}`)).
		want(t, "test", 200, `{"status":200,"ms":3,"body":"connect platform=web&userid=ann&uuid=test","error":""}`)
	c.do(t, "POST", path, tenant, jsonBody(`{"kind":"connect"}`)).want(t, "too many", 429, refused(1104, "too many test notifications, try again later"))
}

func TestAuditRoute(t *testing.T) {
	c := newConsoleServer(t)
	admin := c.login(t, "root", "s3cret:with:colons")
	c.do(t, "POST", "/api/console/login", jsonBody(`{"name":"demo","password":"wrong"}`))
	c.do(t, "POST", "/api/admin/namespace/save", admin.by(), jsonBody(`{"key":"/demo","name":"x","callback_auth":"secret","offline":"off"}`))
	c.do(t, "POST", "/api/auth/namespace/save", auth(tenantOK), jsonBody(`{"name":"y"}`))
	c.do(t, "POST", "/api/auth/namespace/save", auth(tenantOK), jsonBody(`{"connect_callback":"nonsense"}`)) // refused
	c.do(t, "POST", "/api/auth/device/kick", admin.by(), of("/demo"), jsonBody(`{"id":"/demo#ann0#web-1"}`))
	c.do(t, "POST", "/api/auth/push", admin.by(), of("/demo"), jsonBody(`{"room":"r1","pushData":{}}`))
	c.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"r1","pushData":{}}`)) // business as usual
	c.do(t, "POST", "/api/admin/queue/requeue", auth(adminOK), jsonBody(`{"queue":"offline"}`))
	page := into[console.ActPage](t, c.do(t, "GET", "/api/admin/audit?size=20", admin.by()))
	var got []string
	for _, a := range page.List {
		if a.Time == 0 || a.Address != "127.0.0.1" {
			t.Errorf("act %+v", a)
		}
		got = append(got, strings.Join([]string{string(a.Role), a.Actor, a.Action, a.Namespace, a.Target, a.Detail}, "|"))
	}
	want := []string{
		"admin|root|queue.requeue||offline|0 jobs", "admin|root|push|/demo|r1|", "admin|root|device.kick|/demo|/demo#ann0#web-1|",
		"owner|/demo|namespace.save|/demo||name", "admin|root|namespace.save|/demo||offline=off callback_auth name",
		"|demo|login.failed|||passwd error", "admin|root|login|||",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || page.Total != int64(len(want)) {
		t.Errorf("audit of %d\n%s\nwant\n%s", page.Total, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	page = into[console.ActPage](t, c.do(t, "GET", "/api/admin/audit?namespace=demo&size=2&page=2", admin.by()))
	if page.Total != 4 || len(page.List) != 2 || page.List[1].Detail != "offline=off callback_auth name" {
		t.Errorf("of one namespace %+v", page)
	}
}

// Failed logins must not push out what they are to be seen beside.
func TestAuditedFailuresAreLimited(t *testing.T) {
	c := newConsoleServer(t)
	for range 2 * auditedFailures {
		c.do(t, "POST", "/api/console/login", jsonBody(`{"name":"nobody","password":"x"}`))
	}
	page := into[console.ActPage](t, c.do(t, "GET", "/api/admin/audit", auth(adminOK)))
	if page.Total != auditedFailures {
		t.Errorf("%d acts", page.Total)
	}
}

func TestNodesAndRedis(t *testing.T) {
	c := newConsoleServer(t)
	record := fmt.Sprintf(`{"id":"n1","role":"connector","address":"a","version":"v","started":1,"at":%d,"clients":3,"lag":{"entries":1,"ms":2},"cpu":0.5}`, c.clock.now().UnixMilli())
	if err := c.store.PutHeartbeat(t.Context(), "n1", []byte(record)); err != nil {
		t.Fatal(err)
	}
	nodes := into[[]console.Heartbeat](t, c.do(t, "GET", "/api/admin/nodes", auth(adminOK)))
	if len(nodes) != 1 || nodes[0].Clients != 3 || nodes[0].Lease == 0 || nodes[0].Lag != (console.Lag{Entries: 1, Ms: 2}) {
		t.Errorf("nodes %+v", nodes)
	}
	health := into[console.RedisHealth](t, c.do(t, "GET", "/api/admin/redis", auth(adminOK)))
	if !health.OK || health.Mode != "single" {
		t.Errorf("redis %+v", health)
	}
}
