//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// surface is two connectors with clients of both generations.
type surface struct {
	*deployment
	t   *testing.T
	drv *driver
}

// open connects a client; query holds what comes on top of its identity.
func (s surface) open(c string, connector int, lib string, id identity, query ...string) {
	s.t.Helper()
	values := map[string]any{"uuid": id.uuid, "userid": id.userid, "platform": id.platform}
	for i := 0; i < len(query); i += 2 {
		values[query[i]] = query[i+1]
	}
	s.drv.open(s.t, openCommand{C: c, Lib: lib, URL: s.sockets[connector], Namespace: s.namespace.name,
		Opts: map[string]any{"transports": []string{"websocket"}, "query": values}})
	s.drv.connected(s.t, c, id.clientID(s.namespace.name))
}

// ask emits an event and returns the argument of its ack.
func (s surface) ask(c, event string, args ...any) string {
	s.t.Helper()
	if args == nil {
		args = []any{} // in JSON no argument is not null
	}
	s.drv.emit(s.t, c, emission{Event: event, Args: args, Ack: event})
	r := s.drv.take(s.t, c, "ack "+event, func(r report) bool { return r.Ev == "ack" && r.Tag == event })
	if len(r.Args) != 1 {
		s.t.Fatalf("%s of %s answered %v", event, c, r)
	}
	return string(r.Args[0])
}

func (s surface) want(c, want, event string, args ...any) {
	s.t.Helper()
	if got := s.ask(c, event, args...); got != want {
		s.t.Errorf("%s %v of %s answered %s, want %s", event, args, c, got, want)
	}
}

// event waits for an event and compares its argument.
func (s surface) event(c, name, want string) {
	s.t.Helper()
	if got := s.drv.takeEvent(s.t, c, name); len(got.Args) != 1 || string(got.Args[0]) != want {
		s.t.Errorf("%s got %v, want %s %s", c, got, name, want)
	}
}

// none fails when an event has come that nobody took.
func (s surface) none(c string, names ...string) {
	s.t.Helper()
	for _, r := range s.drv.seen(c) {
		for _, name := range names {
			if r.Ev == "event" && r.Name == name {
				s.t.Errorf("%s got %v, which was not for it", c, r)
			}
		}
	}
}

func (s surface) total(room string, online, total int) {
	s.t.Helper()
	eventually(s.t, eventTimeout, room, func() error {
		r, err := s.api(s.t, 0).room(room)
		if err == nil && (r.ClientCount != online || r.TotalClientCount != total) {
			err = fmt.Errorf("%+v, want %d online of %d", r, online, total)
		}
		return err
	})
}

const okAck = `{"status":200,"msg":"ok"}`

// TestSurface: what the events and routes beside push do, for clients of both generations on two connectors.
func TestSurface(t *testing.T) {
	s := surface{startRoles(t, 2, 1), t, startNode(t)}
	api := s.api(t, 0)

	t.Run("transfer", func(t *testing.T) {
		s := surface{s.deployment, t, s.drv}
		s.open("t2", 0, "v2", identity{"t2", "t2", "web"})
		s.open("t4", 1, "v4", identity{"t4", "t4", "ios"})
		s.open("t5", 1, "v4", identity{"t5", "t5", "web"}) // not in the source
		s.open("t6", 0, "v4", identity{"t6", "t6", "android"})
		for _, c := range []string{"t2", "t4", "t6"} {
			s.want(c, okAck, "joinRoom", []string{"src"})
		}
		s.drv.close(t, "t6")
		s.total("src", 2, 3)
		notice := `{"targetRoom":"dst","sourceRooms":["src"],"type":"%s","namespace":"/demo"}`
		for round := range 2 { // the second join changes nothing
			api.post("/api/auth/transfer", map[string]any{"targetRoom": "dst", "sourceRooms": []string{"src"}, "type": "join"}, 200)
			marker := fmt.Sprint("moved ", round)
			id := api.push("dst", pushBody(marker))
			for _, c := range []string{"t2", "t4"} {
				if round == 0 {
					s.event(c, "joinRoom", fmt.Sprintf(notice, "join"))
				}
				if got := markerOf(s.drv.takeEvent(t, c, "push")); got != marker {
					t.Errorf("%s got %q", c, got)
				}
			}
			api.waitReceipt(id, 2, 0, 0)
		}
		s.total("dst", 2, 3) // the one that is offline, too
		api.post("/api/auth/transfer", map[string]any{"targetRoom": "dst", "sourceRooms": []string{"src", "none"}, "type": "leave"}, 200)
		for _, c := range []string{"t2", "t4"} {
			s.event(c, "leaveRoom", strings.Replace(fmt.Sprintf(notice, "leave"), `["src"]`, `["src","none"]`, 1))
			s.none(c, "joinRoom", "leaveRoom")
		}
		s.total("dst", 0, 0)
		s.none("t5", "joinRoom", "leaveRoom", "push")
		api.post("/api/auth/transfer", map[string]any{"targetRoom": "dst", "sourceRooms": []string{"src"}, "type": "move"}, 400)
	})

	t.Run("leave ends offline membership", func(t *testing.T) {
		s := surface{s.deployment, t, s.drv}
		s.open("l2", 0, "v2", identity{"l2", "l2", "android"})
		s.open("l4", 1, "v4", identity{"l4", "l4", "android"})
		for _, c := range []string{"l2", "l4"} {
			s.want(c, okAck, "joinRoom", "stay")
			s.want(c, okAck, "joinRoom", "go")
			s.want(c, okAck, "leaveRoom", []string{"go", "never"})
			s.want(c, okAck, "leaveRoom", []string{"user_" + c})
			s.drv.close(t, c)
		}
		s.total("stay", 0, 2)
		s.total("go", 0, 0)
	})

	t.Run("info, apns, discover", func(t *testing.T) {
		s := surface{s.deployment, t, s.drv}
		s.open("i2", 0, "v2", identity{"i2", "ann", "ios"})
		s.open("i4", 1, "v4", identity{"i4", "ben", "ios"})
		s.open("i5", 1, "v4", identity{"i5", "ann", "web"})
		for i, c := range []string{"i2", "i4", "i5"} {
			// The callback alone, behind null and behind {}.
			for _, args := range [][]any{{}, {nil}, {map[string]any{}}} {
				if got := s.ask(c, "info", args...); !strings.Contains(got, `"status":200`) || strings.Contains(got, "mobile") {
					t.Errorf("info of %s: %s", c, got)
				}
			}
			s.want(c, okAck, "info", map[string]any{"longitude": 13.4 + float64(i)/100, "latitude": 52.5, "device_token": "secret", "mobile": "139"})
			if got := s.ask(c, "info"); !strings.Contains(got, `"mobile":"139"`) || !strings.Contains(got, `"nspName":"/demo"`) {
				t.Errorf("info of %s: %s", c, got)
			}
		}
		s.want("i4", `{"status":403,"msg":"Forbidden"}`, "info", map[string]any{"clientId": "/demo#ann#ios-i2", "device_token": "stolen"})
		s.want("i5", okAck, "info", map[string]any{"clientId": "/demo#ann#ios-i2", "system": "ios 19"})
		var record map[string]string
		if err := json.Unmarshal(api.post("/api/auth/client", map[string]any{"id": "/demo#ann#ios-i2"}, 200), &record); err != nil {
			t.Fatal(err)
		}
		if record["device_token"] != "secret" || record["system"] != "ios 19" {
			t.Errorf("record %v", record)
		}
		if body := api.post("/api/auth/client", map[string]any{"id": "/demo#ann#ios-i2", "leaveMessage": false}, 204); len(body) > 0 {
			t.Errorf("204 with %s", body)
		}

		for _, c := range []string{"i2", "i4"} {
			s.want(c, `[]`, "apns")
			s.want(c, okAck, "apns", map[string]any{"add": []string{"r12", "r1"}})
			s.want(c, okAck, "apns", map[string]any{"remove": []string{"r1"}})
			s.want(c, okAck, "joinRoom", "muted")
		}
		s.want("i5", `{"status":403,"msg":"Forbidden"}`, "apns")
		api.post("/api/auth/room-apns", map[string]any{"room": "muted", "add": []string{"muted"}, "remove": []string{"r12"}}, 200)
		api.post("/api/auth/room-leave-message", map[string]any{"room": "muted", "leaveMessage": true}, 200)
		for _, c := range []string{"i2", "i4"} {
			s.want(c, `["muted"]`, "apns", nil)
			if got := s.ask(c, "info"); !strings.Contains(got, `"no_send_apns":"muted"`) || !strings.Contains(got, `"leaveMessage":"true"`) {
				t.Errorf("info of %s: %s", c, got)
			}
		}

		near := func(c string, args ...any) (ids []string) {
			t.Helper()
			var found struct{ List []map[string]string }
			text := s.ask(c, "discover", args...)
			if err := json.Unmarshal([]byte(text), &found); err != nil || strings.Contains(text, "secret") || strings.Contains(text, "139") {
				t.Errorf("discover: %s", text)
			}
			for _, entry := range found.List {
				ids = append(ids, entry["id"])
			}
			return ids
		}
		for _, tc := range []struct {
			args []any
			want []string
		}{
			{nil, []string{"/demo#ben#ios-i4", "/demo#ann#web-i5"}},
			{[]any{map[string]any{"radius": 1}}, []string{"/demo#ben#ios-i4"}},
			{[]any{map[string]any{"count": 1}}, []string{"/demo#ben#ios-i4"}},
			{[]any{map[string]any{"longitude": 13.42, "latitude": 52.5, "radius": 0.5}}, []string{"/demo#ann#web-i5"}},
			{[]any{map[string]any{"longitude": 0, "latitude": 0}}, nil},
		} {
			if got := near("i2", tc.args...); fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("discover %v: %v, want %v", tc.args, got, tc.want)
			}
		}
		s.drv.close(t, "i4")
		api.waitOnline("user_ben", 0, eventTimeout)
		if got := near("i2"); fmt.Sprint(got) != "[/demo#ann#web-i5]" {
			t.Errorf("discover after ben has left: %v", got)
		}
	})

	// Last: it kills a connector.
	t.Run("people", func(t *testing.T) {
		s := surface{s.deployment, t, s.drv}
		s.open("p2", 0, "v2", identity{"p2", "p2", "web"})
		s.open("p4", 1, "v4", identity{"p4", "p4", "web"})
		for _, c := range []string{"p2", "p4"} {
			s.want(c, okAck, "joinRoom", "hall")
		}
		people := func(event string, id identity, offline string) {
			t.Helper()
			want := fmt.Sprintf(`{"sid":"%s","uuid":"%s","userid":"%s","room":"hall"%s}`, id.clientID("/demo"), id.uuid, id.userid, offline)
			for _, c := range []string{"p2", "p4"} {
				s.event(c, event, want)
			}
		}
		for i, lib := range []string{"v2", "v4"} {
			id := identity{"guest" + lib, "guest", "web"}
			s.open("g"+lib, i, lib, id, "activityBroadcast", "1")
			s.want("g"+lib, okAck, "joinRoom", "hall")
			people("peopleJoin", id, "")
			s.want("g"+lib, okAck, "leaveRoom", []string{"hall", "elsewhere"})
			people("peopleLeave", id, `,"clientOffline":false`)
			s.want("g"+lib, okAck, "joinRoom", "hall")
			people("peopleJoin", id, "")
			s.drv.close(t, "g"+lib)
			people("peopleLeave", id, `,"clientOffline":true`)
			s.none("g"+lib, "peopleJoin", "peopleLeave")
		}
		s.open("quiet", 1, "v4", identity{"quiet", "quiet", "web"}, "activityBroadcast", "false")
		s.want("quiet", okAck, "joinRoom", "hall")

		id := identity{"doomed", "doomed", "web"}
		s.open("doomed", 1, "v2", id, "activityBroadcast", "yes")
		s.want("doomed", okAck, "joinRoom", "hall")
		people("peopleJoin", id, "")
		s.connectorProcess(1).kill()
		eventually(t, 3*eventTimeout, "the clients of the dead connector are gone", func() error {
			r, err := api.room("hall")
			if err == nil && r.ClientCount != 1 {
				err = fmt.Errorf("%+v", r)
			}
			return err
		})
		s.event("p2", "peopleLeave", `{"sid":"/demo#doomed#web-doomed","uuid":"doomed","userid":"doomed","room":"hall","clientOffline":true}`)
		s.none("p2", "peopleJoin", "peopleLeave")
	})
}
