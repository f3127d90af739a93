package api

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/report"
	"github.com/lightpush/lightpush/logic/report/reporttest"
)

// tell is what connectors and a worker have recorded of a message: web acked,
// android waits in its inbox, ios was sent to APNs.
func (c *consoleServer) tell(t *testing.T, id, sent int64) {
	t.Helper()
	ctx := t.Context()
	web, android, ios := "/demo#ann0#web-1", "/demo#ann2#android-1", "/demo#ann1#ios-1"
	batch := push.ReceiptBatch{
		MessageID: id, Namespace: "/demo", Node: "n1", Delivered: 3, First: sent + 3, Last: sent + 4, Sent: sent,
		Acks: []push.Ack{{MessageID: id, Namespace: "/demo", ClientID: web, Platform: client.Web, At: sent + 20}},
	}
	run := push.Run{Intro: "apnsEnv:production  ", ResultMax: 1000, Separator: "  >>>>  "}
	for _, err := range []error{
		c.store.Record(ctx, []push.ReceiptBatch{batch}),
		c.store.Settle(ctx, id, push.Run{}, []push.Settled{{ClientID: android, Fate: push.Fate{State: push.StateInbox, At: sent + 5000}}}),
		c.store.Settle(ctx, id, run, []push.Settled{{ClientID: ios, Fate: push.Fate{State: push.StatePending, At: sent + 5001, Detail: "429"}}}),
		c.store.Settle(ctx, id, run, []push.Settled{{ClientID: ios, Fate: push.Fate{State: push.StateAPNs, At: sent + 6001, Detail: "some-id"}}}),
		c.store.Finish(ctx, id, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTrace(t *testing.T) {
	c := newConsoleServer(t)
	c.clock.add(time.Second) // the devices have connected before
	id := c.message(t, "/demo", "r1", `{"t":"Hello <b>"}`)
	sent := c.clock.now().UnixMilli()
	c.tell(t, id, sent)
	path := fmt.Sprint("/api/auth/message/", id, "/trace")
	tenant := auth(tenantOK)
	trace := into[report.Trace](t, c.do(t, "GET", path, tenant))
	if m := trace.Message; m.ID != fmt.Sprint(id) || m.Room != "r1" || m.Acked != 1 || m.Delivered != 3 || m.ExpireAt != sent+3600_000 || trace.Time != sent {
		t.Errorf("message %+v at %d", m, trace.Time)
	}
	var events []string
	for _, e := range trace.Timeline {
		events = append(events, fmt.Sprint(e.Event, " ", e.Node, " ", e.Count))
	}
	// When the store took it is on another clock than the message.
	if got, want := strings.Join(without(events, "stored", "routed", "queued", "decided"), ", "),
		"accepted  0, written n1 3, written_last n1 3, ack_first  1, provider_first  0, provider_last  1, expires  0"; got != want {
		t.Errorf("timeline\n%s\nwant\n%s", got, want)
	}
	for _, want := range []string{"stored  0", "routed  1", "queued  0", "decided  0"} {
		if !strings.Contains(strings.Join(events, ","), want) {
			t.Errorf("no %q in %q", want, events)
		}
	}
	byID := map[string]report.Traced{}
	for _, d := range trace.Devices {
		byID[d.ClientID] = d
	}
	steps := func(d report.Traced) string {
		var list []string
		for _, s := range d.Steps {
			list = append(list, fmt.Sprint(s.At-sent, " ", s.Event, " ", s.Detail))
		}
		return strings.Join(list, ", ")
	}
	for _, want := range []struct {
		id, state, rule, steps, says string
		at                           int64
	}{
		{"/demo#ann0#web-1", "acked", "acked", "3 written n1, 20 acked ", "confirmed the message 20 ms after", 20},
		{"/demo#ann1#ios-1", "apns", "apns", "3 written n1, 5001 pending 429, 6001 apns some-id", "APNs has taken it over", 6001},
		{"/demo#ann2#android-1", "inbox", "inbox", "3 written n1, 5000 inbox ", "waits in the inbox", 5000},
	} {
		d := byID[want.id]
		if string(d.State) != want.state || string(d.Rule) != want.rule || d.At != sent+want.at || !strings.Contains(d.Explanation, want.says) ||
			!d.Online || d.Node != "n1" || d.Since == 0 || d.UserID == "" || steps(d) != want.steps {
			t.Errorf("device %+v with %s, want %+v", d, steps(d), want)
		}
	}
	if len(trace.Devices) != 3 || trace.Cursor != "" {
		t.Errorf("%d devices, cursor %q", len(trace.Devices), trace.Cursor)
	}

	var paged []string
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		page := into[report.Trace](t, c.do(t, "GET", path+"?size=1&cursor="+cursor, tenant))
		for _, d := range page.Devices {
			paged = append(paged, d.ClientID)
		}
		if cursor = page.Cursor; len(page.Devices) > 1 || len(page.Timeline) != len(trace.Timeline) || n > 10 {
			t.Fatalf("page %+v", page)
		}
	}
	if len(paged) != 3 {
		t.Errorf("pages of %q", paged)
	}

	one := into[report.Trace](t, c.do(t, "GET", path+"?clientId="+url.QueryEscape("/demo#ann2#android-1"), tenant))
	if len(one.Devices) != 1 || one.Devices[0].Rule != report.RuleInbox || one.Cursor != "" || len(one.Timeline) != len(trace.Timeline)+2 {
		t.Errorf("one device: %+v", one)
	}
	for _, e := range one.Timeline {
		if (e.Event == "inbox") != (e.ClientID != "" && e.At == sent+5000) {
			t.Errorf("event %+v", e)
		}
	}
	for _, nobody := range []string{"/demo#nobody#web-1", "/other#eve#web-1", "x"} {
		if none := into[report.Trace](t, c.do(t, "GET", path+"?clientId="+url.QueryEscape(nobody), tenant)); len(none.Devices) != 0 {
			t.Errorf("a device that has nothing to do with it: %+v", none.Devices)
		}
	}
	// The same times on the other pages.
	if a := c.do(t, "GET", fmt.Sprint("/api/auth/report/push/", id, "/receipts?state=acked"), tenant); !strings.Contains(a.body, fmt.Sprintf(`"at":"%d"`, sent+20)) {
		t.Errorf("receipts %s", a.body)
	}
	if p := into[console.DevicePage](t, c.do(t, "GET", "/api/auth/device?id="+url.QueryEscape("/demo#ann0#web-1"), tenant)); p.Recent[0].At != sent+20 {
		t.Errorf("device %+v", p.Recent)
	}
}

func without(list []string, prefixes ...string) (rest []string) {
next:
	for _, text := range list {
		for _, p := range prefixes {
			if strings.HasPrefix(text, p+" ") {
				continue next
			}
		}
		rest = append(rest, text)
	}
	return rest
}

func TestTraceRefusals(t *testing.T) {
	c := newConsoleServer(t)
	mine, foreign := c.message(t, "/demo", "r1", `{}`), c.message(t, "/other", "secret", `{}`)
	path := fmt.Sprint("/api/auth/message/", mine, "/trace")
	tenant := auth(tenantOK)
	for _, id := range []string{fmt.Sprint(foreign), "4711", "0", "-1", "01", "x", "99999999999999999999"} {
		c.do(t, "GET", "/api/auth/message/"+id+"/trace", tenant).want(t, id, 400, refused(9999, "this id not exists"))
	}
	c.do(t, "GET", path, auth("/other:123456")).want(t, "another namespace", 400, refused(9999, "this id not exists"))
	c.do(t, "GET", path).want(t, "nobody", 400, refused(1001, "need authorization"))
	for query, problem := range map[string]string{
		"?cursor=x": "cursor invalid", "?cursor=99.0.0": "cursor invalid", "?clientId=" + strings.Repeat("x", 5000): "clientId is too long",
	} {
		c.do(t, "GET", path+query, tenant).want(t, clip(query), 400, refused(9999, problem))
	}
	for _, l := range []login{c.login(t, "watcher", "watch"), c.login(t, "root", "s3cret:with:colons"), c.login(t, "demo", "look")} {
		for _, path := range []string{path, "/api/auth/user/ann0/messages"} {
			if a := c.do(t, "GET", path, l.by(), of("/demo")); a.status != 200 {
				t.Errorf("%s: %d %s", l.Name, a.status, a.body)
			}
		}
		if a := c.do(t, "GET", "/api/auth/message/"+fmt.Sprint(foreign)+"/trace", l.by(), of("/demo")); a.status != 400 {
			t.Errorf("%s sees another namespace's message: %d %s", l.Name, a.status, a.body)
		}
	}
}

func TestTraceWithoutAStore(t *testing.T) {
	s := newServer(t)
	s.reports.Update(func(r *reporttest.Store) { r.Messages[1] = storedMessage(1, "/demo") })
	const path = "/api/auth/message/1/trace"
	// A record of the version before tells less.
	trace := into[report.Trace](t, s.do(t, "GET", path, auth(tenantOK)))
	if len(trace.Timeline) != 2 || trace.Timeline[0].Event != "accepted" || trace.Timeline[1].Event != "expires" {
		t.Errorf("%+v", trace.Timeline)
	}
	s.reports.Update(func(r *reporttest.Store) { r.Fail = errors.New("connection refused") })
	if a := s.do(t, "GET", path, auth(tenantOK)); a.status != 503 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.do(t, "GET", "/api/auth/user/ann/messages", auth(tenantOK)); a.status != 503 { // no console
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestUserMessages(t *testing.T) {
	c := newConsoleServer(t)
	c.enter(t, "/demo", "ann0", client.Android, "user_ann0", "r2")
	tenant := auth(tenantOK)
	begin := c.clock.now().UnixMilli()
	first := c.message(t, "/demo", "r1", `{}`) // only the web device is in it
	c.tell(t, first, begin)
	c.clock.add(time.Second)
	second := c.message(t, "/demo", "user_ann0", `{}`)
	c.message(t, "/demo", "user_ann1", `{}`)
	c.message(t, "/other", "secret", `{}`)
	c.clock.add(time.Second)
	third := c.message(t, "/demo", "r2", `{}`)

	page := into[console.UserPage](t, c.do(t, "GET", "/api/auth/user/ann0/messages", tenant))
	if page.User != "ann0" || len(page.Devices) != 2 || page.More || page.Rooms != 3 || page.Covers != (console.HistoryCovered{Messages: 4, From: begin}) {
		t.Errorf("page %+v", page)
	}
	show := func(p console.UserPage) string {
		var list []string
		for _, m := range p.List {
			text := m.ID + " " + m.Room + fmt.Sprint(" ", (m.SendDate-begin)/1000, (m.ExpireAt-begin)/1000, " ", m.LeaveMessage)
			for _, d := range m.Devices {
				text += fmt.Sprint(" ", d.Platform, " ", d.State, " ", max(d.At-begin, 0))
			}
			list = append(list, text)
		}
		return strings.Join(list, "\n")
	}
	want := []string{
		fmt.Sprint(third, " r2 2 3602 true android online 0"),
		fmt.Sprint(second, " user_ann0 1 3601 true web online 0 android online 0"),
		fmt.Sprint(first, " r1 0 3600 true web acked 20"),
	}
	all := strings.Join(want, "\n")
	if got := show(page); got != all || page.Cursor != "" {
		t.Errorf("messages\n%s\nwant\n%s", got, all)
	}
	get := func(query string) (console.UserPage, string) {
		p := into[console.UserPage](t, c.do(t, "GET", "/api/auth/user/ann0/messages?"+query, tenant))
		return p, show(p)
	}
	for query, list := range map[string]string{
		fmt.Sprint("from=", begin+1000): want[0] + "\n" + want[1], fmt.Sprint("to=", begin): want[2],
		fmt.Sprint("from=", begin+1000, "&to=", begin+1000): want[1], fmt.Sprint("from=", begin+9000): "",
	} {
		if _, got := get(query); got != list {
			t.Errorf("%s:\n%s\nwant\n%s", query, got, list)
		}
	}
	var paged []string
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		p, text := get("size=1&cursor=" + cursor)
		if cursor = p.Cursor; n > 10 || len(p.List) > 1 {
			t.Fatalf("page %+v", p)
		}
		if text != "" {
			paged = append(paged, text)
		}
	}
	if got := strings.Join(paged, "\n"); got != all {
		t.Errorf("pages\n%s\nwant\n%s", got, all)
	}

	nobody := into[console.UserPage](t, c.do(t, "GET", "/api/auth/user/no%2Fbody%20here/messages", tenant))
	if nobody.User != "no/body here" || len(nobody.Devices)+len(nobody.List) != 0 || nobody.Cursor != "" {
		t.Errorf("nobody: %+v", nobody)
	}
	if eve := into[console.UserPage](t, c.do(t, "GET", "/api/auth/user/eve/messages", tenant)); len(eve.Devices)+len(eve.List) != 0 {
		t.Errorf("a user of another namespace: %+v", eve)
	}
	for query, problem := range map[string]string{
		"from=x": "from must be a positive whole number", "to=-1": "to must be a positive whole number", "cursor=x": "cursor invalid",
	} {
		c.do(t, "GET", "/api/auth/user/ann0/messages?"+query, tenant).want(t, query, 400, refused(9999, problem))
	}
	c.do(t, "GET", "/api/auth/user/"+strings.Repeat("u", 1001)+"/messages", tenant).want(t, "long", 400, refused(9999, "id is too long"))

	for i := range 30 {
		id := client.Identity{Namespace: "/demo", UserID: "crowd", Platform: client.Web, UUID: fmt.Sprint(i)}
		m := client.Member{Namespace: "/demo", ClientID: id.ID(), UserID: "crowd", Platform: client.Web, Node: "n1"}
		claim, err := c.store.Claim(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		m.Gen = claim.Gen
		if err := c.store.Enter(t.Context(), m, []string{"user_crowd"}); err != nil {
			t.Fatal(err)
		}
	}
	if p := into[console.UserPage](t, c.do(t, "GET", "/api/auth/user/crowd/messages", tenant)); len(p.Devices) != 20 || !p.More {
		t.Errorf("%d devices, more %v", len(p.Devices), p.More)
	}
}
