//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/apnsgateway"
)

// offlineEnv makes the offline worker quick.
var offlineEnv = []string{
	"LIGHTPUSH_WORKER_MESSAGE_TIMEOUT=300", "LIGHTPUSH_NODE_LEASE=3000",
	"LIGHTPUSH_SECRET_KEY=" + strings.Repeat("0a", 32),
}

// leave pushes a message with leaveMessage and whatever more says.
func (a *api) leave(room string, pushData any, more map[string]any) int64 {
	a.t.Helper()
	body := map[string]any{"room": room, "pushData": pushData, "leaveMessage": true}
	for k, v := range more {
		body[k] = v
	}
	var answer struct{ ID int64 }
	if err := json.Unmarshal(a.post("/api/auth/push", body, 200), &answer); err != nil || answer.ID <= 0 {
		a.t.Fatalf("push answered %+v, %v", answer, err)
	}
	return answer.ID
}

// deviceReceipt is one device of the receipts of a message.
type deviceReceipt struct{ ClientID, Platform, State, Reason, At string }

// receipts reads all pages.
func (a *api) receipts(id int64, size int) (all []deviceReceipt, err error) {
	for cursor := ""; ; {
		var page struct {
			ID       string
			Receipts []deviceReceipt
			Next     string
		}
		if err := a.tryGet(fmt.Sprintf("/api/auth/report/push/%d/receipts?size=%d&cursor=%s", id, size, cursor), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Receipts...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

// states is who has which state, "state client,client …" sorted.
func (a *api) states(id int64) (string, error) {
	list, err := a.receipts(id, 2)
	if err != nil {
		return "", err
	}
	by := map[string][]string{}
	for _, r := range list {
		_, device, _ := strings.Cut(r.ClientID, "#")
		if !slices.Contains(by[r.State], device) {
			by[r.State] = append(by[r.State], device)
		}
	}
	var words []string
	for state, devices := range by {
		slices.Sort(devices)
		words = append(words, state+" "+strings.Join(devices, ","))
	}
	slices.Sort(words)
	return strings.Join(words, "; "), nil
}

// waitStates polls until the receipts of a message say this.
func (a *api) waitStates(id int64, want string) {
	a.t.Helper()
	eventually(a.t, eventTimeout, "receipts of a message", func() error {
		got, err := a.states(id)
		if err == nil && got != want {
			err = fmt.Errorf("%s; want %s", got, want)
		}
		return err
	})
}

// visit lets a device join rooms and go away again.
func (r rig) visit(t *testing.T, c string, id identity, rooms ...string) {
	t.Helper()
	r.open(t, c, id, false, "event", emission{Event: "joinRoom", Args: []any{rooms}, Ack: "join"})
	r.drv.connected(t, c, id.clientID(r.namespace))
	r.drv.wantOK(t, c, "join")
	r.away(t, c, id)
}

// away closes a client and waits until the service has noticed.
func (r rig) away(t *testing.T, c string, id identity) {
	t.Helper()
	r.drv.close(t, c)
	r.api.waitOnline(id.userRoom(), 0, 30*time.Second)
	r.drv.forget(c)
}

// forget drops the reports of a client nobody has taken.
func (d *driver) forget(c string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.events, c)
}

// back connects a device and returns what it was offered before ok.
func (r rig) back(t *testing.T, c string, id identity, offlineAck string) (offered []map[string]any, dropped int) {
	t.Helper()
	r.drv.open(t, openCommand{C: c, Lib: r.lib, URL: r.url, Namespace: r.namespace, OfflineAck: offlineAck, PushAck: "event", Opts: map[string]any{
		"transports": r.mode.transports, "query": map[string]any{"uuid": id.uuid, "userid": id.userid, "platform": id.platform},
	}})
	for {
		got := r.drv.take(t, c, "ok or what comes before", func(rep report) bool { return rep.Ev == "event" })
		switch got.Name {
		case "ok":
			return offered, dropped
		case "inboxDropped":
			var told struct{ Dropped int }
			if err := json.Unmarshal(got.Args[0], &told); err != nil {
				t.Fatal(err)
			}
			dropped += told.Dropped
		case "offlineMessage":
			var list []map[string]any
			if err := json.Unmarshal(got.Args[0], &list); err != nil || !got.CanAck {
				t.Fatalf("%v: %v", got, err)
			}
			offered = append(offered, list...)
		default:
			t.Fatalf("client %s saw %v before ok", c, got)
		}
	}
}

func idsOf(records []map[string]any) (ids []int64) {
	for _, r := range records {
		id, _ := strconv.ParseInt(fmt.Sprint(r["id"]), 10, 64)
		ids = append(ids, id)
	}
	return ids
}

func (r rig) wantBack(t *testing.T, c string, id identity, offlineAck string, want ...int64) {
	t.Helper()
	if offered, _ := r.back(t, c, id, offlineAck); !slices.Equal(idsOf(offered), want) {
		t.Fatalf("%s was offered %v, want %v", c, idsOf(offered), want)
	}
}

// TestInbox: what an Android device misses waits for it, and leaves only by an ack; each client generation, each way
// to ack.
func TestInbox(t *testing.T) {
	t.Run("all-in-one", func(t *testing.T) {
		a := startAllInOne(t, t.TempDir())
		testInbox(t, a.deployment, "v4", modes[0])
	})
	for i, lib := range []string{"v2", "v3", "v4"} {
		t.Run("connector+logic "+lib, func(t *testing.T) {
			testInbox(t, startRoles(t, 1, 1, offlineEnv...), lib, modes[i])
		})
	}
}

func testInbox(t *testing.T, d *deployment, lib string, m mode) {
	r := rig{drv: startNode(t), lib: lib, mode: m, url: d.sockets[0], namespace: d.namespace.name, api: d.api(t, 0)}
	dan, web := identity{"d1", "dan", "android"}, identity{"w1", "ann", "web"}
	r.visit(t, "dan", dan, "news")
	r.visit(t, "web", web, "news")

	var ids []int64
	for i := range 4 {
		ids = append(ids, r.api.leave("news", map[string]any{"n": i, "apsData": map[string]any{"k": 1}}, nil))
	}
	r.api.push("news", map[string]any{"lost": true}) // without leaveMessage nothing waits
	excepted := r.api.leave("news", map[string]any{}, map[string]any{"except": dan.clientID(r.namespace)})
	for _, id := range ids {
		r.api.waitStates(id, "inbox dan#android-d1; missed ann#web-w1")
	}
	r.api.waitStates(excepted, "excepted dan#android-d1; missed ann#web-w1")

	// Never acked: offered again at the next connect.
	offered, dropped := r.back(t, "a", dan, "")
	if !slices.Equal(idsOf(offered), ids) || dropped != 0 {
		t.Fatalf("offered %v, want %v; dropped %d", idsOf(offered), ids, dropped)
	}
	if data, _ := json.Marshal(offered[1]["pushData"]); string(data) != `{"apsData":{"k":1},"n":1}` || offered[1]["room"] != "news" || offered[1]["leaveMessage"] != "true" {
		t.Errorf("record %v", offered[1])
	}
	r.away(t, "a", dan)
	r.wantBack(t, "b", dan, "", ids...)

	// ackPush of single messages, also much later on the same connection.
	r.drv.emit(t, "b", emission{Event: "ackPush", Args: []any{map[string]any{"id": ids[0]}}, Ack: "one"})
	r.drv.wantOK(t, "b", "one")
	r.api.waitStates(ids[0], "delivered dan#android-d1; missed ann#web-w1")
	r.away(t, "b", dan)
	r.wantBack(t, "c", dan, "event", ids[1:]...)
	for _, id := range ids {
		r.api.waitStates(id, "delivered dan#android-d1; missed ann#web-w1")
		r.api.waitReceipt(id, 0, 1, 0)
	}
	r.away(t, "c", dan)
	r.wantBack(t, "d", dan, "")
	r.away(t, "d", dan)

	// The native ack confirms all of an event.
	ids = nil
	for i := range 3 {
		ids = append(ids, r.api.leave("user_dan", map[string]any{"n": i}, nil))
	}
	for _, id := range ids {
		r.api.waitStates(id, "inbox dan#android-d1")
	}
	r.wantBack(t, "e", dan, "native", ids...)
	for _, id := range ids {
		r.api.waitStates(id, "delivered dan#android-d1")
	}

	// Connected and acking: nothing is kept. Connected and silent: it waits for the next connect.
	id := r.api.leave("user_dan", map[string]any{}, nil)
	r.api.waitStates(id, "acked dan#android-d1")
	r.away(t, "e", dan)
	r.wantBack(t, "f", dan, "")
	r.away(t, "f", dan)
}

// TestInboxOverflow: the oldest go, and the device is told how many.
func TestInboxOverflow(t *testing.T) {
	d := startRoles(t, 1, 1, append(slices.Clone(offlineEnv), "LIGHTPUSH_ANDROID_UNREAD_MESSAGE_LIST_MAX_LIMIT=3")...)
	r := rig{drv: startNode(t), lib: "v2", mode: modes[0], url: d.sockets[0], namespace: d.namespace.name, api: d.api(t, 0)}
	dan := identity{"d1", "dan", "android"}
	r.visit(t, "dan", dan)
	var ids []int64
	for i := range 7 {
		ids = append(ids, r.api.leave("user_dan", map[string]any{"n": i}, nil))
		r.api.waitStates(ids[i], "inbox dan#android-d1")
	}
	offered, dropped := r.back(t, "a", dan, "event")
	if !slices.Equal(idsOf(offered), ids[4:]) || dropped != 4 {
		t.Errorf("offered %v of %v, dropped %d", idsOf(offered), ids, dropped)
	}
	r.api.waitStates(ids[6], "delivered dan#android-d1")
	r.away(t, "a", dan)
	if offered, dropped = r.back(t, "b", dan, ""); len(offered) != 0 || dropped != 0 {
		t.Errorf("afterwards: offered %v, dropped %d", idsOf(offered), dropped)
	}
}

// TestBackInTime: a device that connects between a push and the decision gets the message at once, live.
func TestBackInTime(t *testing.T) {
	d := startRoles(t, 1, 1, append(slices.Clone(offlineEnv), "LIGHTPUSH_WORKER_MESSAGE_TIMEOUT=4000")...)
	r := rig{drv: startNode(t), lib: "v2", mode: modes[0], url: d.sockets[0], namespace: d.namespace.name, api: d.api(t, 0)}
	dan := identity{"d1", "dan", "android"}
	r.visit(t, "dan", dan, "club")
	id := r.api.leave("club", map[string]any{"marker": "while away"}, nil)
	r.wantBack(t, "dan", dan, "")
	if got := markerOf(r.drv.takeEvent(t, "dan", "push")); got != "while away" {
		t.Errorf("got push %q", got)
	}
	r.api.waitStates(id, "delivered dan#android-d1") // its ackPush has emptied the inbox
	r.away(t, "dan", dan)
	r.wantBack(t, "dan", dan, "")
}

// startGateway starts a stand-in for Apple and returns the environment that makes a logic process use it.
func startGateway(t testing.TB, respond func(apnsgateway.Request) apnsgateway.Answer) (*apnsgateway.Gateway, []string) {
	t.Helper()
	g, err := apnsgateway.Start(apnsgateway.Options{Respond: respond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, g.Authority().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return g, append(slices.Clone(offlineEnv), "LIGHTPUSH_APNS_HOST="+g.URL(), "LIGHTPUSH_APNS_CA_FILE="+ca)
}

// defaultProfile saves APNs credentials for messages without apnsName.
func (d *deployment) defaultProfile(t testing.TB) {
	t.Helper()
	key, _, err := apnsgateway.NewTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	d.adminAPI(t, 0).post("/api/admin/namespace/save", map[string]any{"key": "/", "name": "root", "auth_passwd": "nobody-needs-it", "apns_list": []any{
		map[string]any{"name": "default", "apns_env": "dev", "apns_topic": "com.example.app", "token_key": key, "token_keyId": "KEY1234567", "token_teamId": "TEAM123456"},
	}}, 200)
}

// TestAPNs: every kind of iOS device, the texts of the report, and a token that is refused goes.
func TestAPNs(t *testing.T) {
	g, env := startGateway(t, func(r apnsgateway.Request) apnsgateway.Answer {
		switch {
		case strings.HasPrefix(r.Token, "bad"):
			return apnsgateway.Answer{Status: 410, Reason: "Unregistered"}
		case strings.HasPrefix(r.Token, "large"):
			return apnsgateway.Answer{Status: 413, Reason: "PayloadTooLarge"}
		}
		return apnsgateway.Answer{}
	})
	d := startRoles(t, 1, 1, env...)
	d.defaultProfile(t)
	r := rig{drv: startNode(t), lib: "v4", mode: modes[0], url: d.sockets[0], namespace: d.namespace.name, api: d.api(t, 0)}
	device := func(name string, fields map[string]any) identity {
		id := identity{name, name, "ios"}
		r.visit(t, name, id, "news")
		if fields != nil {
			fields["id"] = id.clientID(r.namespace)
			r.api.post("/api/auth/client", fields, 204)
		}
		return id
	}
	device("good", map[string]any{"device_token": "aa01"})
	device("bare", nil)
	device("bad", map[string]any{"device_token": "bad02"})
	device("large", map[string]any{"device_token": "large03"})
	device("optout", map[string]any{"device_token": "aa04", "leaveMessage": false})
	online := device("online", map[string]any{"device_token": "aa05"})
	r.open(t, "online", online, false, "event", emission{Event: "joinRoom", Args: []any{"news"}, Ack: "join"})
	r.drv.connected(t, "online", online.clientID(r.namespace))
	r.drv.wantOK(t, "online", "join")

	id := r.api.leave("news", map[string]any{"m": 1, "apsData": map[string]any{"aps": map[string]any{"alert": "hey"}}}, nil)
	r.api.waitStates(id, "acked online#ios-online; apns good#ios-good; apns_failed bad#ios-bad,large#ios-large; no_token bare#ios-bare; optout optout#ios-optout")
	var message struct{ Result, APNsCount, APNsSuccessCount string }
	r.api.get(fmt.Sprintf("/api/auth/report/push/%d", id), &message)
	if message.APNsCount != "3" || message.APNsSuccessCount != "1" || !strings.HasPrefix(message.Result, "apnsEnv:dev  ") {
		t.Errorf("report %+v", message)
	}
	for _, text := range []string{
		"  >>>>  clientId:/demo#optout#ios-optout leaveMessage is false",
		"  >>>>  clientId:/demo#bare#ios-bare device_token is empty",
		"  >>>>  first error: push msg to apns reason: Unregistered statusCode: 410",
		"  >>>>  first error: push msg to apns reason: PayloadTooLarge statusCode: 413",
	} {
		if !strings.Contains(message.Result, text) {
			t.Errorf("result %q lacks %q", message.Result, text)
		}
	}
	if n := strings.Count(message.Result, "  >>>>  "); n != 4 {
		t.Errorf("result has %d parts: %s", n, message.Result)
	}
	for _, got := range g.Requests() {
		if string(got.Body) != `{"aps":{"alert":"hey"}}` || got.Header.Get("apns-topic") != "com.example.app" {
			t.Errorf("the gateway got %s, %v", got.Body, got.Header)
		}
	}
	tokens := map[string]string{}
	for _, name := range []string{"good", "bad", "large"} {
		var record map[string]string
		if err := json.Unmarshal(r.api.post("/api/auth/client", map[string]any{"id": identity{name, name, "ios"}.clientID(r.namespace)}, 200), &record); err != nil {
			t.Fatal(err)
		}
		tokens[name] = record["device_token"]
	}
	if fmt.Sprint(tokens) != "map[bad: good:aa01 large:large03]" {
		t.Errorf("tokens afterwards: %v", tokens)
	}

	unknown := r.api.leave("news", map[string]any{}, map[string]any{"apnsName": "nobody"})
	eventually(t, eventTimeout, "result of an unknown profile", func() error {
		message.Result, message.APNsCount = "", ""
		if err := r.api.tryGet(fmt.Sprintf("/api/auth/report/push/%d", unknown), &message); err != nil {
			return err
		}
		if message.Result != "apnsName:nobody not exists" || message.APNsCount != "" {
			return fmt.Errorf("%+v", message)
		}
		return nil
	})
}

// TestWorkerKilled: one of two logic processes is killed in the middle of its jobs; the other takes them over, and
// every device gets every message.
func TestWorkerKilled(t *testing.T) {
	const messages, phones = 30, 8
	g, env := startGateway(t, func(apnsgateway.Request) apnsgateway.Answer {
		return apnsgateway.Answer{Delay: 150 * time.Millisecond}
	})
	d := startRoles(t, 1, 2, env...)
	d.defaultProfile(t)
	r := rig{drv: startNode(t), lib: "v4", mode: modes[0], url: d.sockets[0], namespace: d.namespace.name, api: d.api(t, 1)}
	for i := range phones {
		ios := identity{fmt.Sprint("i", i), fmt.Sprint("i", i), "ios"}
		r.visit(t, ios.uuid, ios, "all")
		r.api.post("/api/auth/client", map[string]any{"id": ios.clientID(r.namespace), "device_token": fmt.Sprintf("aa%02d", i)}, 204)
		android := identity{fmt.Sprint("a", i), fmt.Sprint("a", i), "android"}
		r.visit(t, android.uuid, android, "all")
	}
	var ids []int64
	for i := range messages {
		ids = append(ids, r.api.leave("all", map[string]any{"n": i, "apsData": map[string]any{"n": i}}, nil))
	}
	eventually(t, eventTimeout, "the gateway to be busy", func() error {
		if n := g.Received(); n < messages {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
	atKill := g.Received()
	d.procs[0].kill()

	got := map[string]int{} // "token n" → times
	count := func() error {
		clear(got)
		for _, req := range g.Requests() {
			var body struct{ N int }
			if err := json.Unmarshal(req.Body, &body); err != nil {
				t.Fatal(err)
			}
			got[fmt.Sprint(req.Token, " ", body.N)]++
		}
		if len(got) != messages*phones {
			return fmt.Errorf("%d of %d notifications", len(got), messages*phones)
		}
		return nil
	}
	eventually(t, time.Minute, "every iOS device at the gateway", count)
	for _, id := range ids {
		eventually(t, time.Minute, "the report to be complete", func() error {
			var m struct{ APNsCount, APNsSuccessCount string }
			if err := r.api.tryGet(fmt.Sprintf("/api/auth/report/push/%d", id), &m); err != nil {
				return err
			}
			if m.APNsCount != fmt.Sprint(phones) || m.APNsSuccessCount != fmt.Sprint(phones) {
				return fmt.Errorf("message %d: %+v", id, m)
			}
			list, err := r.api.receipts(id, 500)
			if err != nil {
				return err
			}
			for _, one := range list {
				if one.State != map[string]string{"ios": "apns", "android": "inbox"}[one.Platform] {
					return fmt.Errorf("message %d: %+v", id, one)
				}
			}
			if len(list) != 2*phones {
				return errors.New(fmt.Sprint(len(list), " receipts"))
			}
			return nil
		})
	}
	repeats := 0
	for _, n := range got {
		repeats += n - 1
	}
	t.Logf("killed after %d of %d notifications; %d repeated", atKill, messages*phones, repeats)
	if repeats > 16*phones { // the jobs a worker has under way
		t.Errorf("%d notifications were repeated", repeats)
	}
	for i := range phones {
		android := identity{fmt.Sprint("a", i), fmt.Sprint("a", i), "android"}
		r.wantBack(t, android.uuid, android, "native", ids...)
	}
}
