package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/report"
)

func TestNamespaceLimits(t *testing.T) {
	c := newConsoleServer(t, withAccessStore(&accessStore{}))
	c.registry.Configure(namespace.Limits{Connections: 100, MaxExpire: 10, DefaultExpire: 1, HistoryMax: 1000})
	root, viewer := c.login(t, "root", "s3cret:with:colons"), c.login(t, "watcher", "watch")
	owner, reader := c.login(t, "demo", password), c.login(t, "demo", "look")
	_, adminKey := c.newKey(t, "admin")
	const path = "/api/auth/namespace/save"
	c.do(t, "POST", path, owner.by(), jsonBody(`{"max_connections":50,"max_push_bytes":"1000"}`)).want(t, "tightened", 200, `{}`)
	c.do(t, "POST", path, owner.by(), jsonBody(`{"max_connections":101}`)).
		want(t, "lifted", 400, refused(9999, "max_connections must be at most 100: only an administrator may raise it"))
	c.do(t, "POST", path, bearerOf(adminKey), jsonBody(`{"max_connections":101}`)).
		want(t, "lifted by a key", 400, refused(9999, "max_connections must be at most 100: only an administrator may raise it"))
	c.do(t, "POST", path, auth(tenantOK), formBody(`max_connections=60&max_expire=`)).want(t, "form", 200, `{}`)
	c.do(t, "POST", path, root.by(), of("/demo"), jsonBody(`{"max_connections":500}`)).want(t, "by an administrator", 200, `{}`)
	c.do(t, "POST", path, owner.by(), jsonBody(`{"max_connections":500,"name":"same"}`)).want(t, "sent back", 200, `{}`)
	c.do(t, "POST", path, owner.by(), jsonBody(`{"max_connections":501}`)).
		want(t, "above the administrator's", 400, refused(9999, "max_connections must be at most 500: only an administrator may raise it"))
	c.do(t, "POST", "/api/admin/namespace/save", root.by(), jsonBody(`{"key":"/demo","history_max":1001}`)).
		want(t, "history", 400, refused(9999, "history_max must be at most 1000: more is not kept (push_message_list_max_limit)"))
	c.do(t, "POST", path, owner.by(), jsonBody(`{"max_events_per_second":1.5}`)).
		want(t, "a fraction", 400, refused(9999, "max_events_per_second must be a whole number from 0 to 1000000; 0 and empty are as the configuration says"))
	for _, l := range []login{viewer, reader} {
		c.do(t, "POST", path, l.by(), of("/demo"), jsonBody(`{"max_connections":1}`)).want(t, "looks only", 403, refused(1008, "role may not do this"))
	}
	shown := into[map[string]any](t, c.do(t, "GET", "/api/auth/namespace", owner.by()))
	if shown["max_connections"] != 500.0 || shown["max_push_bytes"] != 1000.0 || shown["max_expire"] != 0.0 {
		t.Errorf("shown %v", shown)
	}
	list := into[namespaceList](t, c.do(t, "GET", "/api/admin/namespace/list?key=demo", auth(adminOK))).List
	if len(list) != 1 || list[0].Connections != 500 {
		t.Errorf("listed %+v", list)
	}
	limits := into[map[string]namespace.PublicLimits](t, c.do(t, "GET", "/api/auth/namespace/limits", reader.by()))
	if limits["configured"].Connections != 100 || limits["ceiling"].Connections != 500 || limits["inForce"].Connections != 500 ||
		limits["ceiling"].PushBytes != 0 || limits["inForce"].PushBytes != 1000 || limits["ceiling"].DefaultExpire != 10 {
		t.Errorf("limits %+v", limits)
	}
	whole := c.do(t, "GET", "/api/auth/namespace", owner.by()).body
	c.do(t, "POST", path, owner.by(), jsonBody(strings.Replace(whole, `"inbox_max":0`, `"inbox_max":"9"`, 1))).want(t, "the whole record", 200, `{}`)
	acts := c.do(t, "GET", "/api/admin/audit", root.by()).body
	if !strings.Contains(acts, `"detail":"max_connections max_push_bytes"`) || strings.Contains(acts, "501") ||
		!strings.Contains(acts, `"detail":"offline=off inbox_max"`) || !strings.Contains(acts, `"detail":"name"`) {
		t.Errorf("audit log %s", acts)
	}
}

// limited makes /demo one with limits.
func (s *server) limited(t *testing.T, l namespace.Limits) {
	t.Helper()
	demo := s.namespaces.get("/demo").Clone()
	demo.Limits = l
	s.namespaces.mu.Lock()
	s.namespaces.all["/demo"] = demo
	s.namespaces.mu.Unlock()
	if err := s.registry.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPushesPerSecond(t *testing.T) {
	clock := &clock{at: time.Now()}
	s := newServer(t, func(o *Options) { o.Now, o.Batches = clock.now, &batches{} })
	push := func(ns string, options ...with) answer {
		return s.do(t, "POST", "/api/auth/push", append(options, auth(ns+":"+password), jsonBody(`{"room":"r","pushData":{}}`))...)
	}
	batch := func(n int) answer {
		items := strings.Repeat(`,{"room":"r","pushData":{}}`, n)[1:]
		return s.do(t, "POST", "/api/auth/push/batch", auth(tenantOK), jsonBody(`[`+items+`]`))
	}
	limited := func(what string, a answer, after string) {
		t.Helper()
		a.want(t, what, 429, refused(1012, "too many pushes of this namespace, try again later"))
		if got := a.header.Get("Retry-After"); got != after {
			t.Errorf("%s: Retry-After %q, want %s", what, got, after)
		}
	}
	for range 10 {
		if a := push("/demo"); a.status != 200 {
			t.Fatalf("without a limit: %d %s", a.status, a.body)
		}
	}
	s.limited(t, namespace.Limits{PushesPerSecond: 2})
	for i := range 4 { // two seconds of it at once
		if a := push("/demo"); a.status != 200 {
			t.Errorf("push %d: %d %s", i, a.status, a.body)
		}
	}
	limited("too fast", push("/demo"), "1")
	limited("with a key", push("/demo", header("Idempotency-Key", "k")), "1")
	s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"","pushData":{}}`)).want(t, "what is refused costs nothing", 400, refused(9999, "room can not be empty"))
	if a := push("/other"); a.status != 200 {
		t.Errorf("another namespace: %d %s", a.status, a.body)
	}
	clock.add(time.Second)
	if a := batch(10); a.status != 200 || strings.Count(a.body, `"id"`) != 10 {
		t.Errorf("a batch is taken as a whole: %d %s", a.status, a.body)
	}
	limited("what follows waits for the batch", batch(1), "5")
	clock.add(3 * time.Second)
	limited("still", push("/demo"), "2")
	clock.add(2 * time.Second)
	if a := push("/demo"); a.status != 200 {
		t.Errorf("after the wait: %d %s", a.status, a.body)
	}
	s.limited(t, namespace.Limits{})
	for range 5 {
		if a := push("/demo"); a.status != 200 {
			t.Errorf("the limit is gone: %d %s", a.status, a.body)
		}
	}
	if got := s.observed.get("limited max_pushes_per_second"); got != 4 {
		t.Errorf("counted %d times", got)
	}
}

func TestPushBytesAndExpire(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Batches = &batches{} })
	post := func(body string) answer { return s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(body)) }
	s.limited(t, namespace.Limits{PushBytes: 20, DefaultExpire: 3, MaxExpire: 4})
	const large = `{"room":"r","pushData":{"text":"more than twenty bytes"}}`
	tooLarge := refused(1108, "pushData is larger than this namespace allows")
	post(large).want(t, "too large", 413, tooLarge)
	s.do(t, "POST", "/api/auth/push?explain=1", auth(tenantOK), jsonBody(large)).want(t, "explained", 413, tooLarge)
	s.do(t, "POST", "/api/auth/push/batch", auth(tenantOK), jsonBody(`[`+large+`,{"room":"r","pushData":{}}]`)).
		want(t, "in a batch", 200, `[`+tooLarge+`,{"id":1}]`)
	if a := post(`{"room":"r","pushData":{"text": "123456789"}}`); a.status != 200 { // 20 bytes without the space
		t.Errorf("exactly as large: %d %s", a.status, a.body)
	}
	if got := s.pushes.last.ExpireHours; got != 3 {
		t.Errorf("lives %g hours", got)
	}
	post(`{"room":"r","pushData":{},"expire":4.5}`).want(t, "too long", 400, refused(9999, "expire invalid"))
	if a := post(`{"room":"r","pushData":{},"expire":4}`); a.status != 200 || s.pushes.last.ExpireHours != 4 {
		t.Errorf("as long as it may be: %d %g", a.status, s.pushes.last.ExpireHours)
	}
	if got := s.observed.get("limited max_push_bytes"); got != 3 {
		t.Errorf("counted %d times", got)
	}
}

func TestStates(t *testing.T) {
	c := newConsoleServer(t)
	id := c.message(t, "/demo", "r1", `{}`)
	web := client.Identity{Namespace: "/demo", UserID: "ann0", Platform: client.Web, UUID: "1"}.ID()
	if err := c.store.Record(t.Context(), []push.ReceiptBatch{{MessageID: id, Namespace: "/demo", Acks: []push.Ack{
		{MessageID: id, Namespace: "/demo", ClientID: web, Platform: client.Web},
	}}}); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/api/auth/report/push/%d/states", id)
	got := into[report.StateCounts](t, c.do(t, "GET", path, c.login(t, "demo", "look").by()))
	if got.Total != 3 || !got.Complete || got.States["web"]["acked"] != 1 || len(got.States["web"]) != 1 || len(got.States["ios"]) != 1 {
		t.Errorf("states %+v", got)
	}
	for _, bad := range []string{"0", "x", "01", "99999999999999999999"} {
		c.do(t, "GET", "/api/auth/report/push/"+bad+"/states", auth(tenantOK)).want(t, bad, 400, refused(9999, "this id not exists"))
	}
	c.do(t, "GET", path, auth("/other:"+password)).want(t, "another namespace's", 400, refused(9999, "this id not exists"))
}

func TestDevicesThatAreOffline(t *testing.T) {
	c := newConsoleServer(t)
	var gone []string
	for i := range 5 {
		user := fmt.Sprint("away", i)
		m := client.Member{Namespace: "/demo", UserID: user, Platform: client.Android, Node: "n1",
			ClientID: client.Identity{Namespace: "/demo", UserID: user, Platform: client.Android, UUID: "1"}.ID()}
		claim, err := c.store.Claim(t.Context(), m)
		if err == nil {
			m.Gen = claim.Gen
			err = c.store.Enter(t.Context(), m, []string{"user_" + user})
		}
		if err == nil {
			err = c.store.Release(t.Context(), m, []string{"user_" + user}, "transport close", false)
		}
		if err != nil {
			t.Fatal(err)
		}
		gone = append(gone, m.ClientID)
	}
	for query, want := range map[string]int{
		"online=0": 5, "online=off": 5, "online=false&size=2": 5, "online=1": 3, "": 8, "online=": 8,
		"online=0&q=AWAY3": 1, "online=0&q=ann": 0, "online=0&platform=android": 5, "online=0&platform=web": 0,
		"online=0&user=away1": 1, "online=0&user=ann0": 0, "online=1&user=ann0": 1, "online=0&q=" + "%2Fdemo%23away2%23android-1": 1,
	} {
		seen, cursor := map[string]bool{}, ""
		for {
			page := into[console.Page[console.Device]](t, c.do(t, "GET", "/api/auth/clients?"+query+"&cursor="+cursor, auth(tenantOK)))
			for _, d := range page.List {
				if seen[d.ID] || strings.HasPrefix(query, "online=0") && d.Online {
					t.Errorf("%s: %+v", query, d)
				}
				seen[d.ID] = true
			}
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %v, want %d", query, seen, want)
		}
	}
	newest := into[console.Page[console.Device]](t, c.do(t, "GET", "/api/auth/clients?online=0&size=1", auth(tenantOK))).List
	if len(newest) != 1 || newest[0].ID != gone[4] {
		t.Errorf("not the newest first: %+v", newest)
	}
}

// The console manages keys and revocations by its cookie.
func TestAccessByTheConsole(t *testing.T) {
	c := newConsoleServer(t, withAccessStore(&accessStore{}))
	root, viewer := c.login(t, "root", "s3cret:with:colons"), c.login(t, "watcher", "watch")
	owner, reader := c.login(t, "demo", password), c.login(t, "demo", "look")
	var texts, ids []string
	for _, l := range []login{owner, root, owner} {
		made := into[shownKey](t, c.do(t, "POST", "/api/auth/apikeys", l.by(), of("/demo"), jsonBody(`{"name":"ci","scope":"push"}`)))
		texts, ids = append(texts, made.Key), append(ids, made.ID)
		into[shownRevocation](t, c.do(t, "POST", "/api/auth/revoke", l.by(), of("/demo"), jsonBody(fmt.Sprintf(`{"userid":"joe%d"}`, len(ids)))))
		c.clock.add(time.Second)
	}
	for _, l := range []login{viewer, reader} {
		for path, body := range map[string]string{
			"/api/auth/apikeys": `{"name":"x","scope":"push"}`, "/api/auth/apikeys/remove": `{"id":"` + ids[0] + `"}`,
			"/api/auth/revoke": `{"userid":"ann"}`, "/api/auth/revoke/lift": `{"userid":"joe1"}`,
		} {
			c.do(t, "POST", path, l.by(), of("/demo"), jsonBody(body)).want(t, path, 403, refused(1008, "role may not do this"))
		}
	}
	without := owner
	without.CSRF = ""
	c.do(t, "POST", "/api/auth/apikeys", without.by(), jsonBody(`{"name":"x","scope":"push"}`)).want(t, "csrf", 403, refused(1007, "csrf token invalid"))
	type keys struct {
		List  []shownKey
		Total int
	}
	type revocations struct {
		List  []shownRevocation
		Total int
	}
	for _, l := range []login{root, viewer, owner, reader} {
		a := c.do(t, "GET", "/api/auth/apikeys", l.by(), of("/demo"))
		got := into[keys](t, a)
		if got.Total != 3 || len(got.List) != 3 || got.List[0].ID != ids[0] || got.List[1].By != "root" || got.List[0].Created == 0 {
			t.Errorf("keys %s", a.body)
		}
		for _, text := range texts {
			if strings.Contains(a.body, text) || strings.Contains(a.body, "hash") {
				t.Errorf("the list shows a secret: %s", a.body)
			}
		}
		if page := into[keys](t, c.do(t, "GET", "/api/auth/apikeys?page=2&size=2", l.by(), of("/demo"))); page.Total != 3 || len(page.List) != 1 || page.List[0].ID != ids[2] {
			t.Errorf("the second page of keys: %+v", page)
		}
		page := into[revocations](t, c.do(t, "GET", "/api/auth/revoke?page=2&size=2", l.by(), of("/demo")))
		if page.Total != 3 || len(page.List) != 1 || page.List[0].Value != "joe1" || page.List[0].By != "/demo" {
			t.Errorf("the second page of revocations: %+v", page)
		}
	}
	for query, n := range map[string]int{"page=3&size=2": 0, "page=99999999999999999999": 0, "size=99999999999999999999": 3, "page=x&size=-1": 3} {
		if got := into[keys](t, c.do(t, "GET", "/api/auth/apikeys?"+query, owner.by())); len(got.List) != n || got.Total != 3 {
			t.Errorf("keys %s: %+v", query, got)
		}
		if got := into[revocations](t, c.do(t, "GET", "/api/auth/revoke?"+query, owner.by())); len(got.List) != n || got.Total != 3 {
			t.Errorf("revocations %s: %+v", query, got)
		}
	}
	if a := c.do(t, "POST", "/api/auth/push", bearerOf(texts[1]), jsonBody(`{"room":"r","pushData":{}}`)); a.status != http.StatusOK {
		t.Errorf("a key of the administrator's making: %d %s", a.status, a.body)
	}
	if got := into[keys](t, c.do(t, "GET", "/api/auth/apikeys", reader.by())); got.List[1].Used != c.clock.now().UnixMilli() || got.List[0].Used != 0 {
		t.Errorf("last use %+v", got.List)
	}
	c.do(t, "POST", "/api/auth/apikeys/remove", root.by(), of("/demo"), jsonBody(`{"id":"`+ids[1]+`"}`)).want(t, "removed", 200, `{}`)
	c.do(t, "POST", "/api/auth/revoke/lift", owner.by(), jsonBody(`{"userid":"joe2"}`)).want(t, "lifted", 200, `{}`)
	if got := into[revocations](t, c.do(t, "GET", "/api/auth/revoke", owner.by())); got.Total != 2 {
		t.Errorf("after the lift: %+v", got)
	}
	acts := into[struct{ List []console.Act }](t, c.do(t, "GET", "/api/admin/audit?namespace=/demo&size=500", root.by())).List
	counts := map[string]int{}
	for _, act := range acts {
		counts[act.Action+" "+act.Actor]++
	}
	for act, n := range map[string]int{
		"apikey.create /demo": 2, "apikey.create root": 1, "apikey.remove root": 1, "revoke /demo": 2, "revoke root": 1, "revoke.lift /demo": 1,
	} {
		if counts[act] != n {
			t.Errorf("audit log: %d times %s, want %d; %v", counts[act], act, n, counts)
		}
	}
	if data, _ := json.Marshal(acts); strings.Contains(string(data), "lpk_") {
		t.Error("the audit log has the text of a key")
	}
}
