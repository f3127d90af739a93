//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
)

// mode is one way to reach the server; want is the transport the client must end up with.
type mode struct {
	name       string
	transports []string
	want       string
}

var modes = []mode{
	{"websocket", []string{"websocket"}, "websocket"},
	{"polling", []string{"polling"}, "polling"},
	{"upgrade", []string{"polling", "websocket"}, "websocket"},
}

// rig is one client generation on one transport against one server.
type rig struct {
	drv       *driver
	lib       string // v2, v3, v4 or py
	mode      mode
	url       string // of the connector
	path      string // "" for the default
	namespace string
	api       *api
}

// identity is one device as the handshake names it.
type identity struct{ uuid, userid, platform string }

func (id identity) clientID(namespace string) string {
	return namespace + "#" + id.userid + "#" + id.platform + "-" + id.uuid
}

func (id identity) userRoom() string { return "user_" + id.userid }

// open starts client c with its identity in the query, or only in the auth object.
func (r rig) open(t *testing.T, c string, id identity, inAuth bool, pushAck string, onConnect ...emission) {
	t.Helper()
	who := map[string]any{"uuid": id.uuid, "userid": id.userid, "platform": id.platform}
	opts := map[string]any{"transports": r.mode.transports}
	if inAuth {
		opts["auth"] = who
	} else {
		opts["query"] = who
	}
	if r.path != "" {
		opts["path"] = r.path
	}
	r.drv.open(t, openCommand{C: c, Lib: r.lib, URL: r.url, Namespace: r.namespace, Opts: opts, OnConnect: onConnect, PushAck: pushAck})
}

// pushBody is the payload of the scenario: every kind of JSON value, and text that careless code breaks.
func pushBody(marker string) map[string]any {
	return map[string]any{
		"marker":  marker,
		"text":    "grüß dich, 你好, עולם, 👩‍👩‍👧 🎉",
		"lines":   "a\u2028b\u2029c\nd\te\"f\\g</script>\u0000\u007f",
		"":        "empty key",
		"ключ":    true,
		"numbers": []any{0.0, -1.5, 9007199254740991.0, 1e-7},
		"nested":  map[string]any{"list": []any{[]any{}, map[string]any{}, nil, map[string]any{"deep": []any{"💥"}}}},
		"4":       "not an ack id: 42[\"x\"]",
	}
}

// wantPush waits for the push with this marker and compares all of it.
func (r rig) wantPush(t *testing.T, c, room, marker string, id int64) report {
	t.Helper()
	got := r.drv.take(t, c, "push "+marker, func(rep report) bool {
		return rep.Ev == "event" && rep.Name == "push" && markerOf(rep) == marker
	})
	if len(got.Args) != 1 {
		t.Fatalf("client %s: push has %d arguments", c, len(got.Args))
	}
	var event map[string]any
	if err := json.Unmarshal(got.Args[0], &event); err != nil {
		t.Fatal(err)
	}
	sent, isNumber := event["sendDate"].(float64)
	if !isNumber || sent < 1.6e12 {
		t.Errorf("client %s: sendDate is %v, want milliseconds as a number", c, event["sendDate"])
	}
	want := map[string]any{
		"id": float64(id), "namespace": r.namespace, "room": room, "pushData": pushBody(marker), "sendDate": event["sendDate"],
	}
	if !reflect.DeepEqual(event, want) {
		t.Errorf("client %s: push %s arrived as\n%s\nwant\n%v", c, marker, got.Args[0], want)
	}
	return got
}

func markerOf(r report) string {
	var event struct{ PushData struct{ Marker string } }
	if len(r.Args) > 0 {
		_ = json.Unmarshal(r.Args[0], &event)
	}
	return event.PushData.Marker
}

// wantNoPush fails if a push with this marker has arrived. The caller has waited for a later message of the same
// sender to the same client first, so that order makes the absence certain.
func (r rig) wantNoPush(t *testing.T, c, marker string) {
	t.Helper()
	for _, rep := range r.drv.seen(c) {
		if rep.Name == "push" && markerOf(rep) == marker {
			t.Errorf("client %s got push %s, which was not for it", c, marker)
		}
	}
}

// runCore is what every client must be able to do. name keeps clients, users and rooms of parallel runs apart.
func runCore(t *testing.T, r rig, name string) {
	room := "room-" + name
	ann := identity{"ann-" + name, "ann." + name, "web"}
	ben := identity{"ben-" + name, "ben." + name, "ios"}
	a, b := name+"/ann", name+"/ben"
	join := emission{Event: "joinRoom", Args: []any{[]string{room}}, Ack: "join"}
	leave := emission{Event: "leaveRoom", Args: []any{[]string{room}}, Ack: "leave"}

	receipts := receiptBook{api: r.api}

	// Connect, and join in the connect handler, before ok: answered all the same.
	r.open(t, a, ann, false, "event", join)
	r.open(t, b, ben, false, "native", join)
	r.wantTransport(t, a, r.drv.connected(t, a, ann.clientID(r.namespace)))
	r.wantTransport(t, b, r.drv.connected(t, b, ben.clientID(r.namespace)))
	r.drv.wantOK(t, a, "join")
	r.drv.wantOK(t, b, "join")

	// To the room: both get it intact, both receipts arrive, by ackPush and by the native ack.
	id := r.api.push(room, pushBody("room"))
	r.wantPush(t, a, room, "room", id)
	if got := r.wantPush(t, b, room, "room", id); r.lib != "py" && !got.CanAck {
		t.Errorf("push offers no native acknowledgement")
	}
	receipts.want(id, 2, 2, 1)

	// To one user each: one delivery, one receipt.
	id = r.api.push(ann.userRoom(), pushBody("to ann"))
	r.wantPush(t, a, ann.userRoom(), "to ann", id)
	receipts.want(id, 1, 1, 0)
	id = r.api.push(ben.userRoom(), pushBody("to ben"))
	r.wantPush(t, b, ben.userRoom(), "to ben", id)
	receipts.want(id, 1, 1, 1)

	// A client's own push reaches the others and not itself.
	r.drv.emit(t, b, emission{Event: "push", Args: []any{map[string]any{"room": room, "pushData": pushBody("by ben")}}, Ack: "push"})
	sent := r.drv.wantOK(t, b, "push")
	r.wantPush(t, a, room, "by ben", sent.ID)
	r.wantPush(t, b, ben.userRoom(), "after own", r.api.push(ben.userRoom(), pushBody("after own")))
	r.wantNoPush(t, b, "by ben")

	// After leaveRoom the room goes on without the client.
	r.drv.emit(t, a, leave)
	r.drv.wantOK(t, a, "leave")
	id = r.api.push(room, pushBody("left"))
	r.wantPush(t, b, room, "left", id)
	receipts.want(id, 1, 1, 1)
	r.wantPush(t, a, ann.userRoom(), "after left", r.api.push(ann.userRoom(), pushBody("after left")))
	r.wantNoPush(t, a, "left")

	r.checkRefused(t, name)
	r.checkTakeOver(t, name, a, ann)
	if r.lib != "v2" {
		r.checkAuthObject(t, name)
	}
	r.drv.close(t, b)
	r.drv.takeKind(t, b, "disconnect")
	r.api.waitOnline(room, 0, eventTimeout)

	// Nothing came twice, and no late ack was counted again.
	for _, c := range []string{a, b} {
		for _, rep := range r.drv.seen(c) {
			if rep.Name == "push" {
				t.Errorf("client %s got a push nobody expected: %v", c, rep)
			}
		}
	}
	receipts.check(t)
}

// receiptBook remembers which figures a receipt had reached, to see at the end that it stayed there.
type receiptBook struct {
	api  *api
	seen []receiptFigures
}

type receiptFigures struct {
	id                    int64
	online, acks, iosAcks int
}

func (b *receiptBook) want(id int64, online, acks, iosAcks int) {
	b.api.t.Helper()
	b.api.waitReceipt(id, online, acks, iosAcks)
	b.seen = append(b.seen, receiptFigures{id, online, acks, iosAcks})
}

func (b *receiptBook) check(t *testing.T) {
	t.Helper()
	for _, want := range b.seen {
		if err := b.api.receiptIs(want); err != nil {
			t.Errorf("a receipt changed: %v", err)
		}
	}
}

// wantTransport checks the transport the client really uses; an upgrade may still be under way at connect.
func (r rig) wantTransport(t *testing.T, c, atConnect string) {
	t.Helper()
	if r.mode.name == "upgrade" && r.lib != "py" {
		if up := r.drv.takeKind(t, c, "upgrade"); up.Transport != r.mode.want {
			t.Errorf("client %s upgraded to %s", c, up.Transport)
		}
	} else if r.mode.name != "upgrade" && atConnect != r.mode.want {
		t.Errorf("client %s connected over %s", c, atConnect)
	}
	eventually(t, eventTimeout, "transport "+r.mode.want, func() error {
		if now := r.drv.transport(t, c); now != r.mode.want {
			return fmt.Errorf("client %s is on %s", c, now)
		}
		return nil
	})
}

// checkRefused wants the reason of a refusal to be visible to the application.
func (r rig) checkRefused(t *testing.T, name string) {
	t.Helper()
	c := name + "/refused"
	r.open(t, c, identity{"not a legal uuid!", "x", "web"}, r.lib == "py", "")
	kind := "connect_error"
	if r.lib == "v2" {
		kind = "error"
	}
	if got := r.drv.takeKind(t, c, kind); got.Message != "uuid invalid" {
		t.Errorf("refused with %q, want \"uuid invalid\"", got.Message)
	}
	r.drv.close(t, c)
}

// checkTakeOver connects the same client id again: the newest wins, and the late end of the old one changes nothing.
func (r rig) checkTakeOver(t *testing.T, name, old string, id identity) {
	t.Helper()
	c := name + "/newest"
	r.open(t, c, id, false, "event")
	r.drv.connected(t, c, id.clientID(r.namespace))
	gone := r.drv.takeKind(t, old, "disconnect")
	if r.lib != "py" && gone.Reason != "io server disconnect" {
		t.Errorf("the old connection ended with %q, want \"io server disconnect\"", gone.Reason)
	}
	r.drv.close(t, old)
	msg := r.api.push(id.userRoom(), pushBody("newest"))
	r.wantPush(t, c, id.userRoom(), "newest", msg)
	r.api.waitReceipt(msg, 1, 1, 0)
	r.wantNoPush(t, old, "newest")
	r.drv.close(t, c)
	r.drv.takeKind(t, c, "disconnect")
}

// checkAuthObject connects with nothing in the query: the identity travels in the auth object of the CONNECT packet.
func (r rig) checkAuthObject(t *testing.T, name string) {
	t.Helper()
	c, id := name+"/auth", identity{"auth-" + name, "auth." + name, "android"}
	r.open(t, c, id, true, "native")
	r.drv.connected(t, c, id.clientID(r.namespace))
	msg := r.api.push(id.userRoom(), pushBody("auth"))
	r.wantPush(t, c, id.userRoom(), "auth", msg)
	r.api.waitReceipt(msg, 1, 1, 0)
	r.drv.close(t, c)
	r.drv.takeKind(t, c, "disconnect")
}

// TestOfficialClients: three generations of the JavaScript client × three ways to connect, all nine at once.
func TestOfficialClients(t *testing.T) {
	forEachDeployment(t, func(t *testing.T, d *deployment) {
		drv := startNode(t)
		t.Run("matrix", func(t *testing.T) {
			for _, lib := range []string{"v2", "v3", "v4"} {
				for _, m := range modes {
					t.Run(lib+"/"+m.name, func(t *testing.T) {
						t.Parallel()
						runCore(t, rig{drv: drv, lib: lib, mode: m, url: d.sockets[0], namespace: d.namespace.name, api: d.api(t, 0)}, lib+"-"+m.name)
					})
				}
			}
		})
	})
}

// TestPythonClient: python-socketio as Debian ships it.
func TestPythonClient(t *testing.T) {
	forEachDeployment(t, func(t *testing.T, d *deployment) {
		drv := startPython(t)
		t.Run("matrix", func(t *testing.T) {
			for _, m := range modes {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					runCore(t, rig{drv: drv, lib: "py", mode: m, url: d.sockets[0], namespace: d.namespace.name, api: d.api(t, 0)}, "py-"+m.name)
				})
			}
		})
	})
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
