//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// estate is a cluster with three namespaces whose names are alike, and a look into its Redis.
type estate struct {
	*deployment
	t        *testing.T
	address  string // of Redis
	redis    *redis.Client
	drv      *driver
	farewell *farewells
}

const mainNamespace, otherNamespace, nestedNamespace = "/demo", "/demo2", "/demo/b"

func startEstate(t *testing.T, connectorEnv, logicEnv []string) *estate {
	t.Helper()
	e := &estate{
		t: t, address: startRedis(t), farewell: newFarewells(t),
		deployment: &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{mainNamespace, "e2e-demo-passwd"}},
	}
	e.redis = redis.NewClient(&redis.Options{Addr: e.address})
	t.Cleanup(func() { _ = e.redis.Close() })
	for i := range 2 {
		e.apis = append(e.apis, e.startRole(t, "logic", i, e.address, logicEnv...))
	}
	for i := range 2 {
		e.sockets = append(e.sockets, e.startRole(t, "connector", i, e.address, connectorEnv...))
	}
	for _, ns := range []string{mainNamespace, otherNamespace, nestedNamespace} {
		e.create(ns)
	}
	e.drv = startNode(t)
	return e
}

// create makes a namespace and waits until every connector knows it.
func (e *estate) create(ns string) {
	e.t.Helper()
	e.adminAPI(e.t, 0).post("/api/admin/namespace/save", map[string]any{
		"key": ns, "name": ns, "auth_passwd": e.namespace.passwd, "disconnect_callback": e.farewell.url,
	}, 200)
	probe := &deployment{sockets: e.sockets, namespace: credential{ns, ""}}
	for i := range e.sockets {
		probe.waitNamespace(e.t, i)
	}
}

func (e *estate) tenant(ns string) *api {
	return &api{t: e.t, base: e.apis[1], as: credential{ns, e.namespace.passwd}}
}

func (e *estate) offline(ns, value string) {
	e.t.Helper()
	e.adminAPI(e.t, 0).post("/api/admin/namespace/save", map[string]any{"key": ns, "offline": value}, 200)
}

// goOnline sets a namespace online and waits until every connector admits clients again.
func (e *estate) goOnline(ns string) {
	e.t.Helper()
	e.offline(ns, "off")
	for i := range e.sockets {
		(&deployment{sockets: e.sockets, namespace: credential{ns, ""}}).waitNamespace(e.t, i)
	}
}

// open connects a client of a generation through one of the connectors and joins a room.
func (e *estate) open(c, lib string, connector int, ns, platform string) (clientID string) {
	e.t.Helper()
	id := identity{uuid: "u-" + c, userid: "user-" + c, platform: platform}
	e.drv.open(e.t, openCommand{
		C: c, Lib: lib, URL: e.sockets[connector], Namespace: ns, PushAck: "event",
		Opts: map[string]any{"transports": []string{"websocket"}, "reconnection": false, "query": map[string]any{
			"uuid": id.uuid, "userid": id.userid, "platform": id.platform,
		}},
	})
	e.drv.connected(e.t, c, id.clientID(ns))
	e.drv.emit(e.t, c, emission{Event: "joinRoom", Args: []any{[]string{"room", "room-" + c}}, Ack: "join"})
	e.drv.wantOK(e.t, c, "join")
	return id.clientID(ns)
}

// populate gives a namespace two clients, messages and what hangs on them.
func (e *estate) populate(prefix, ns string) (ids []string) {
	e.t.Helper()
	ids = []string{e.open(prefix+"2", "v2", 0, ns, "web"), e.open(prefix+"4", "v4", 1, ns, "android")}
	a := e.tenant(ns)
	for i := range 3 {
		answer := a.post("/api/auth/push", map[string]any{"room": "room", "pushData": map[string]any{"n": i}, "leaveMessage": true}, 200)
		var pushed struct{ ID int64 }
		if err := json.Unmarshal(answer, &pushed); err != nil {
			e.t.Fatal(err)
		}
		e.drv.takeEvent(e.t, prefix+"2", "push")
		e.drv.takeEvent(e.t, prefix+"4", "push")
		a.waitReceipt(pushed.ID, 2, 2, 0)
	}
	return ids
}

// keysOf are the keys of Redis that belong to a namespace: by the hash tag in their name, or as messages by their record.
func (e *estate) keysOf(ns string) (found []string) {
	e.t.Helper()
	ctx := e.t.Context()
	iter := e.redis.Scan(ctx, 0, "*", 1000).Iterator()
	for iter.Next(ctx) {
		key := iter.Val()
		_, tag, _ := strings.Cut(key, "{")
		tag, _, _ = strings.Cut(tag, "}")
		owner, _, _ := strings.Cut(tag, "|")
		if owner == ns || strings.Contains(key, "purge-"+ns) ||
			(strings.HasPrefix(key, "lp:m:{") && e.redis.Type(ctx, key).Val() == "hash" && e.redis.HGet(ctx, key, "namespace").Val() == ns) {
			found = append(found, key)
		}
	}
	if err := iter.Err(); err != nil {
		e.t.Fatal(err)
	}
	if e.redis.HExists(ctx, "lp:nsp", ns).Val() {
		found = append(found, "configuration")
	}
	slices.Sort(found)
	return found
}

// figureKey is a counter or a sample of some minute, hour or day; these come with the time, not with what somebody does.
var figureKey = regexp.MustCompile(`^lp:n:\{[^}]*\}:[mhds]:\d+`)

func withoutFigures(keys []string) []string {
	return slices.DeleteFunc(keys, figureKey.MatchString)
}

// kind tells what a key is for: "r" for "lp:r:{/demo|room}:t:web".
func kinds(keys []string) map[string]int {
	count := map[string]int{}
	for _, key := range keys {
		key = strings.TrimPrefix(key, "lp:")
		kind, _, _ := strings.Cut(key, ":")
		count[kind]++
	}
	return count
}

// farewells is a business system that counts disconnect callbacks per uuid.
type farewells struct {
	url string
	mu  sync.Mutex
	got map[string]int
}

func newFarewells(t *testing.T) *farewells {
	f := &farewells{got: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ Query map[string]string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.got[r.Header.Get("namespace")+" "+body.Query["uuid"]]++
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *farewells) want(t *testing.T, ns string, uuids ...string) {
	t.Helper()
	eventually(t, eventTimeout, "disconnect callbacks", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, uuid := range uuids {
			if f.got[ns+" "+uuid] != 1 {
				return fmt.Errorf("%v", f.got)
			}
		}
		for _, uuid := range uuids {
			delete(f.got, ns+" "+uuid)
		}
		return nil
	})
}

// maintain calls one of the routes and wants an answer.
func (e *estate) maintain(method, path, body string, want int) string {
	e.t.Helper()
	var data []byte
	if body != "" {
		data = []byte(body)
	}
	status, answer, err := e.adminAPI(e.t, 0).do(method, path, data)
	if err != nil || status != want {
		e.t.Fatalf("%s %s %s: %d %s, %v; want %d", method, path, body, status, answer, err, want)
	}
	return string(answer)
}

const (
	clearRealtime = "/api/admin/namespace/clear-realtime-data"
	clearLegacy   = "/api/admin/clear-legacy-client"
	notOffline    = `"msg":"namespace must be set offline on"`
)

func TestMaintenance(t *testing.T) {
	e := startEstate(t, nil, nil)
	ids := e.populate("a", mainNamespace)
	e.populate("n", otherNamespace)
	e.populate("b", nestedNamespace)
	others := func() [2]map[string]int {
		return [2]map[string]int{kinds(withoutFigures(e.keysOf(otherNamespace))), kinds(withoutFigures(e.keysOf(nestedNamespace)))}
	}
	before := others()

	// Nothing happens to a namespace that is online.
	for _, path := range []string{"clear/demo", "clear/%2Fdemo", "flush/demo", "flush/nothing"} {
		if answer := e.maintain("GET", "/api/admin/namespace/"+path, "", 400); !strings.Contains(answer, notOffline) {
			t.Errorf("%s answered %s", path, answer)
		}
	}
	for _, path := range []string{clearRealtime, clearLegacy} {
		if answer := e.maintain("POST", path, `{"namespace":"demo"}`, 400); !strings.Contains(answer, notOffline) {
			t.Errorf("%s answered %s", path, answer)
		}
		if answer := e.maintain("POST", path, `{}`, 400); !strings.Contains(answer, "can not find key") {
			t.Errorf("%s answered %s", path, answer)
		}
	}
	e.tenant(mainNamespace).waitOnline("room", 2, eventTimeout)

	// Real-time data: everybody is offline, everything else stays.
	e.offline(mainNamespace, "on")
	if answer := e.maintain("POST", clearRealtime, `{"namespace":"demo"}`, 200); answer != "{}" {
		t.Errorf("answered %s", answer)
	}
	for _, c := range []string{"a2", "a4"} {
		if r := e.drv.takeKind(t, c, "disconnect"); r.Reason != "io server disconnect" {
			t.Errorf("%s: %v", c, r)
		}
	}
	e.farewell.want(t, mainNamespace, "u-a2", "u-a4")
	var online struct{ RoomCount, UserCount, ClientCount, TotalClientCount int }
	e.tenant(mainNamespace).get("/api/auth/report/online", &online)
	if online.RoomCount != 0 || online.UserCount != 0 || online.ClientCount != 0 || online.TotalClientCount != 2 {
		t.Errorf("online %+v", online)
	}
	left := kinds(e.keysOf(mainNamespace))
	if left["c"] == 0 || left["r"] != 6 || left["m"] != 3 || left["configuration"] != 1 { // rooms: only who ever joined
		t.Errorf("after clear-realtime-data: %v of %v", left, e.keysOf(mainNamespace))
	}

	// Devices that were not seen for long: one, as far as Redis tells.
	e.age(mainNamespace, ids[1])
	if answer := e.maintain("POST", clearLegacy, `{"namespace":"/demo"}`, 200); answer != `["`+ids[1]+`"]` {
		t.Errorf("answered %s", answer)
	}
	if answer := e.maintain("POST", clearLegacy, `{"namespace":"demo"}`, 200); answer != `[]` {
		t.Errorf("again: %s", answer)
	}
	for _, key := range e.keysOf(mainNamespace) {
		if strings.Contains(key, "a4") {
			t.Errorf("of the forgotten device is left: %s", key)
		}
	}

	// Clear, with clients connected when the namespace goes offline.
	e.goOnline(mainNamespace)
	e.populate("c", mainNamespace)
	e.offline(mainNamespace, "on")
	if answer := e.maintain("DELETE", "/api/admin/namespace/clear/%2Fdemo", "", 200); answer != "{}" {
		t.Errorf("answered %s", answer)
	}
	e.drv.takeKind(t, "c2", "disconnect")
	e.drv.takeKind(t, "c4", "disconnect")
	e.farewell.want(t, mainNamespace, "u-c2", "u-c4")
	if left := withoutFigures(e.keysOf(mainNamespace)); !slices.Equal(left, []string{"configuration"}) {
		t.Errorf("after clear: %v", left)
	}
	var history []json.RawMessage
	e.tenant(mainNamespace).get("/api/auth/report/push", &history)
	var stat map[string]json.RawMessage
	e.tenant(mainNamespace).get("/api/auth/namespace/current-message-stat", &stat)
	if len(history) != 0 || string(stat["currDateMessageCount"]) != "0" {
		t.Errorf("history %s, counters %s", history, stat)
	}

	// Flush, the same way; the name can be made new at once.
	e.goOnline(mainNamespace)
	e.populate("f", mainNamespace)
	e.offline(mainNamespace, "on")
	if answer := e.maintain("GET", "/api/admin/namespace/flush/demo", "", 200); answer != "{}" {
		t.Errorf("answered %s", answer)
	}
	for i := range e.apis {
		eventually(t, 5*time.Second, "credentials are gone", func() error {
			status, answer, err := e.api(t, i).do(http.MethodGet, "/api/auth/namespace", nil)
			if err != nil || status != 400 || !strings.Contains(string(answer), "namespace not found") {
				return fmt.Errorf("%d %s, %v", status, answer, err)
			}
			return nil
		})
	}
	e.drv.takeKind(t, "f2", "disconnect")
	e.drv.takeKind(t, "f4", "disconnect")
	e.farewell.want(t, mainNamespace, "u-f2", "u-f4")
	if left := e.keysOf(mainNamespace); len(left) > 0 {
		t.Errorf("after flush: %v", left)
	}
	if answer := e.maintain("GET", "/api/admin/namespace/flush/demo", "", 400); !strings.Contains(answer, notOffline) {
		t.Errorf("again: %s", answer)
	}
	if now := others(); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("the other namespaces changed from %v to %v", before, now)
	}
	e.tenant(otherNamespace).push("room", map[string]any{"text": "still here"})
	e.drv.takeEvent(t, "n2", "push")
	e.drv.takeEvent(t, "n4", "push")
	e.create(mainNamespace)
	e.populate("g", mainNamespace)
}

// age makes a device look as if it had not been seen for a year.
func (e *estate) age(ns, clientID string) {
	e.t.Helper()
	ctx := e.t.Context()
	long := time.Now().AddDate(-1, 0, 0).UnixMilli()
	record := "lp:c:{" + ns + "|" + clientID + "}"
	pipe := e.redis.Pipeline()
	pipe.HSet(ctx, record, "last_connect_time", long, "last_disconnect_time", long)
	pipe.ZAdd(ctx, "lp:n:{"+ns+"}:seen", redis.Z{Score: float64(long), Member: clientID})
	if _, err := pipe.Exec(ctx); err != nil {
		e.t.Fatal(err)
	}
}

// The housekeeping forgets devices of a namespace that is online, and nobody who is connected.
func TestZombiesAreSwept(t *testing.T) {
	e := startEstate(t, nil, []string{"LIGHTPUSH_HOUSEKEEPING_DAILY=@every 1s"})
	ids := e.populate("z", mainNamespace)
	e.drv.close(t, "z4")
	a := e.tenant(mainNamespace)
	a.waitOnline("room", 1, eventTimeout)
	e.age(mainNamespace, ids[0])                                      // connected for a year
	e.age(mainNamespace, ids[1])                                      // gone for a year
	eventually(t, 2*time.Minute, "the zombie is gone", func() error { // a lock of the other process may last a minute
		for _, key := range e.keysOf(mainNamespace) {
			if strings.Contains(key, "z4") {
				return fmt.Errorf("%s", key)
			}
		}
		return nil
	})
	a.push("room", map[string]any{"text": "still here"})
	e.drv.takeEvent(t, "z2", "push")
	if r, err := a.room("room"); err != nil || r.ClientCount != 1 || r.TotalClientCount != 1 {
		t.Errorf("room %+v, %v", r, err)
	}
}

// A flush outlives the process that began it.
func TestFlushIsFinishedByAnother(t *testing.T) {
	e := startEstate(t, []string{"LIGHTPUSH_NAMESPACE_OFFLINE_KICK_RATE=1"}, nil)
	e.populate("k", mainNamespace)
	for i := range 5 {
		e.open(fmt.Sprint("more", i), "v4", 0, mainNamespace, "web")
	}
	e.offline(mainNamespace, "on")
	answered := make(chan struct{})
	go func() { // it dies with its process
		defer close(answered)
		_, _, _ = e.adminAPI(t, 0).do(http.MethodPost, "/api/admin/namespace/flush/demo", nil)
	}()
	eventually(t, eventTimeout, "the flush has begun", func() error {
		if text := e.redis.HGet(t.Context(), "lp:nsp", mainNamespace).Val(); !strings.Contains(text, `"Purge":"flush"`) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	e.procs[0].kill()
	<-answered
	status, answer, err := e.api(t, 1).do(http.MethodGet, "/api/auth/namespace", nil)
	if err != nil || status != 400 || !strings.Contains(string(answer), "namespace not found") {
		t.Errorf("a doomed namespace answers %d %s, %v", status, answer, err)
	}
	admin := e.adminAPI(t, 1)
	status, answer, err = admin.do(http.MethodPost, "/api/admin/namespace/save", []byte(`{"key":"/demo","auth_passwd":"new-password"}`))
	if err != nil || status != 503 || !strings.Contains(string(answer), `"code":1203`) {
		t.Errorf("made new meanwhile: %d %s, %v", status, answer, err)
	}
	eventually(t, 90*time.Second, "nothing is left", func() error {
		if left := e.keysOf(mainNamespace); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})
	admin.post("/api/admin/namespace/save", map[string]any{"key": "/demo", "auth_passwd": "new-password"}, 200)
}

// What a browser loads from a running server: the client scripts beside the engine, the documentation beside the API.
func TestFilesForBrowsers(t *testing.T) {
	forEachDeployment(t, func(t *testing.T, d *deployment) {
		for url, holds := range map[string]string{
			d.sockets[0] + "/socket.io/socket.io.js":         "Socket.IO v2.5.0",
			d.sockets[0] + "/push/socket.io/socket.io.js":    "Socket.IO v2.5.0",
			d.sockets[0] + "/socket.io/socket.io.js.map":     `"version":3`,
			d.sockets[0] + "/socket.io/socket.io.v4.js":      "Socket.IO v4.8.4",
			d.sockets[0] + "/push/socket.io/socket.io.v4.js": "Socket.IO v4.8.4",
			d.apis[0] + "/docs":                              "/api/auth/push",
			d.apis[0] + "/push-logic/docs/":                  "/api/admin/namespace/flush/{key}",
			d.apis[0] + "/docs/events":                       "joinRoom",
			d.apis[0] + "/docs/openapi.yaml":                 "openapi: 3",
		} {
			resp, err := httpClient.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), holds) {
				t.Errorf("%s: %d, %d bytes, %v", url, resp.StatusCode, len(body), err)
			}
		}
	})
}

// The same routes on the embedded store, and what is gone stays gone over a restart.
func TestMaintenanceOfTheEmbeddedStore(t *testing.T) {
	data := t.TempDir()
	a := startAllInOne(t, data)
	admin, drv := a.adminAPI(t, 0), startNode(t)
	enter := func(c, lib, ns string) {
		drv.open(t, openCommand{C: c, Lib: lib, URL: a.sockets[0], Namespace: ns, Opts: map[string]any{
			"transports": []string{"websocket"}, "reconnection": false, "query": map[string]any{"uuid": c, "userid": c},
		}})
		drv.connected(t, c, ns+"#"+c+"#web-"+c)
	}
	offline := func(value string) {
		admin.post("/api/admin/namespace/save", map[string]any{"key": "/demo", "offline": value}, 200)
		if value == "off" {
			a.waitNamespace(t, 0)
		}
	}
	enter("e2", "v2", "/demo")
	enter("e4", "v4", "/demo")
	a.api(t, 0).push("user_e2", map[string]any{"n": 1})
	offline("on")
	admin.post(clearRealtime, map[string]any{"namespace": "demo"}, 200)
	if answer := admin.post(clearLegacy, map[string]any{"namespace": "demo"}, 200); string(answer) != "[]" {
		t.Errorf("answered %s", answer)
	}
	drv.takeKind(t, "e2", "disconnect")
	drv.takeKind(t, "e4", "disconnect")
	offline("off")
	enter("e2b", "v2", "/demo")
	offline("on")
	admin.post("/api/admin/namespace/clear/demo", map[string]any{}, 200)
	drv.takeKind(t, "e2b", "disconnect")
	var online struct{ TotalClientCount int }
	a.api(t, 0).get("/api/auth/report/online", &online)
	if _, err := a.api(t, 0).receipt(1); err == nil || online.TotalClientCount != 0 {
		t.Errorf("after clear: %d clients, message %v", online.TotalClientCount, err)
	}
	offline("off")
	enter("e4b", "v4", "/demo")
	offline("on")
	admin.post("/api/admin/namespace/flush/demo", map[string]any{}, 200)
	drv.takeKind(t, "e4b", "disconnect")
	a.proc.terminate()

	b := restartAllInOne(t, data, a.deployment)
	status, answer, err := b.api(t, 0).do(http.MethodGet, "/api/auth/namespace", nil)
	// A process that finds no namespace at all makes the demo namespace, with another password.
	if err != nil || (status != 400 && status != 401) {
		t.Errorf("after the restart: %d %s, %v", status, answer, err)
	}
	var list struct {
		List []struct{ TotalClientCount int }
	}
	b.adminAPI(t, 0).get("/api/admin/namespace/list?online=1", &list)
	for _, ns := range list.List {
		if ns.TotalClientCount != 0 {
			t.Errorf("clients are back: %+v", list)
		}
	}
}
