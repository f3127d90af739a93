package session

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/room"
)

// in connects to any namespace and reads up to ok.
func (n *testNode) in(key, values string) *wsClient {
	n.t.Helper()
	c := n.dial(4, values)
	c.send("40" + key + ",")
	for _, want := range []string{"40" + key + ",", "42" + key + `,["ok"`} {
		if got := c.read(); !strings.HasPrefix(got, want) {
			n.t.Fatalf("frame %q, want %q", got, want)
		}
	}
	return c
}

func (n *testNode) clientRecord(ns, id string) client.Record {
	n.t.Helper()
	record, err := n.store.Client(context.Background(), ns, id)
	must(n.t, err)
	return record
}

// TestSealedInfo holds that clientId reaches the devices of the same user in
// the same namespace and nothing else (B35): not to write, not to read, and
// without telling which ids exist.
func TestSealedInfo(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	n.namespace("/other", nil)
	eve := n.join(4, "uuid=e1&userid=eve")
	victims := map[string]string{ // id → namespace
		"/demo#joe#ios-u1":  "/demo",
		"/other#eve#ios-u2": "/other",
	}
	n.join(4, "uuid=u1&userid=joe&platform=ios")
	n.in("/other", "uuid=u2&userid=eve&platform=ios")
	for id := range victims {
		for _, data := range []string{`"device_token":"stolen"`, `"leaveMessage":false`, `"userId":"eve"`, `"longitude":1,"latitude":1`, `"mobile":""`} {
			if got := eve.ask(fmt.Sprintf(`"info",{"clientId":%q,%s}`, id, data)); got != ackForbidden {
				t.Errorf("write %s of %s: %s", data, id, got)
			}
		}
		if got := eve.ask(fmt.Sprintf(`"info",{"clientId":%q}`, id)); got != ackForbidden {
			t.Errorf("read %s: %s", id, got)
		}
	}
	for _, id := range []string{"/demo#eve#web-none", "/demo#e1#web-e1", "x", "/demo#eve#web-e1 ", "|", "~gen", "\\u0000"} {
		for _, data := range []string{``, `,"mobile":"1"`} {
			if got := eve.ask(fmt.Sprintf(`"info",{"clientId":"%s"%s}`, id, data)); got != ackForbidden {
				t.Errorf("%s: %s", id, got)
			}
		}
	}
	for id, ns := range victims {
		record := n.clientRecord(ns, id)
		for _, field := range []string{"device_token", "leaveMessage", "userId", "longitude", "mobile", "update_date"} {
			if _, ok := record[field]; ok {
				t.Errorf("%s has %s: %v", id, field, record)
			}
		}
	}
	// Nor does the REST key of one namespace open another.
	if record := n.clientRecord("/demo", "/other#eve#ios-u2"); len(record) > 0 {
		t.Errorf("read over namespaces: %v", record)
	}
}

// TestSealedInfoUser holds that the user is the effective one: who was given to
// another user by the connect callback is that user's device only.
func TestSealedInfoUser(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	m := client.Member{Namespace: "/demo", ClientID: "/demo#eve#web-x", UserID: "joe", Platform: client.Web, Node: "elsewhere"}
	if _, err := n.store.Claim(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	eve, joe := n.join(4, "uuid=1&userid=eve"), n.join(4, "uuid=2&userid=joe")
	const event = `"info",{"clientId":"/demo#eve#web-x","mobile":"1"}`
	if got := eve.ask(event); got != ackForbidden {
		t.Errorf("by its name only: %s", got)
	}
	if got := joe.ask(event); got != ackOK {
		t.Errorf("by its user: %s", got)
	}
}

// TestSealedUserRooms holds that nobody joins the room of another user, unless
// the namespace, or the configuration where it says nothing, allows it (B36).
func TestSealedUserRooms(t *testing.T) {
	on, off := &namespace.Choice{Value: &yes}, &namespace.Choice{Value: &no}
	for name, tc := range map[string]struct {
		config bool
		choice *namespace.Choice
		may    bool
	}{
		"by default":            {false, nil, false},
		"configured":            {true, nil, true},
		"allowed by namespace":  {false, on, true},
		"refused by namespace":  {true, off, false},
		"namespace says no too": {false, off, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCluster(t).node("a", func(o *Options) { o.Limits.JoinForeignUserRoom = tc.config })
			n.namespace("/demo", func(p *namespace.Patch) { p.JoinForeign = tc.choice })
			eve := n.join(4, "uuid=e1&userid=eve")
			want := ackForbidden
			if tc.may {
				want = ackOK
			}
			for _, rooms := range []string{`"user_joe"`, `["user_joe"]`, `["r","user_joe"]`, `["user_joe","user_eve"]`, `["user_"]`} {
				if got := eve.ask(`"joinRoom",` + rooms); got != want {
					t.Errorf("%s: %s, want %s", rooms, got, want)
				}
			}
			if got := eve.ask(`"joinRoom","user_eve"`); got != ackOK {
				t.Errorf("one's own: %s", got)
			}
			if got := n.count("user_joe"); (got != room.Count{}) != tc.may {
				t.Errorf("user_joe: %+v", got)
			}
			n.push("user_joe", `{"secret":1}`)
			if tc.may {
				payload(t, eve.read(), "push")
			}
			n.push("user_eve", `{"n":1}`)
			if _, data := payload(t, eve.read(), "push"); data["room"] != "user_eve" {
				t.Errorf("got %v", data)
			}
		})
	}
}

var yes, no = true, false

// TestSealedPush holds that a client pushes in its own namespace and name, and
// never excludes anybody but itself (B34).
func TestSealedPush(t *testing.T) {
	n := newCluster(t).node("a", func(o *Options) { o.Limits.PushInterval = 0 })
	n.namespace("/demo", nil)
	n.namespace("/other", nil)
	eve, joe, stranger := n.join(4, "uuid=e1&userid=eve"), n.join(4, "uuid=u1&userid=joe"), n.in("/other", "uuid=u1&userid=joe")
	got := eve.ask(`"push",{"room":"user_joe","pushData":{"n":1},"namespace":"/other","from":"/demo#admin#web-1","except":"/demo#joe#web-u1",` +
		`"leaveMessage":true,"apnsName":"default","id":7,"sendDate":1}`)
	var reply struct {
		Status int
		ID     int64
	}
	must(t, json.Unmarshal([]byte(got), &reply))
	if _, data := payload(t, joe.read(), "push"); data["namespace"] != "/demo" || data["id"] != float64(reply.ID) {
		t.Errorf("got %v", data)
	}
	record := n.record(reply.ID)
	for field, want := range map[string]string{
		"namespace": "/demo", "from": "/demo#eve#web-e1", "except": "/demo#eve#web-e1", "leaveMessage": "", "apnsName": "",
	} {
		if record[field] != want {
			t.Errorf("%s = %q, want %q", field, record[field], want)
		}
	}
	stranger.send(`42/other,0["joinRoom",[]]`)
	stranger.expect(`43/other,0[` + ackOK + `]`) // it has got nothing before
}

// TestSealedAcks holds that an ack counts for a message of one's own namespace
// and rooms only, and that unknown ids leave nothing behind (B32, B39).
func TestSealedAcks(t *testing.T) {
	nodes := newCluster(t)
	n := nodes.node("a", nil)
	n.namespace("/demo", nil)
	n.namespace("/other", nil)
	joe := n.join(4, "uuid=u1&userid=joe")
	stranger, outsider := n.in("/other", "uuid=u1&userid=joe"), n.join(4, "uuid=u2&userid=eve")
	id := n.push("user_joe", `{}`)
	native, _ := payload(t, joe.read(), "push")
	for _, ack := range []string{
		fmt.Sprintf(`42/other,["ackPush",{"id":%d}]`, id), fmt.Sprintf(`42/other,["ackPush",{"ids":[%d,"%d"]}]`, id, id),
		fmt.Sprintf(`42/other,["ackPush",{"id":%d,"namespace":"/demo"}]`, id), `43/other,` + native + `[]`,
	} {
		stranger.send(ack)
	}
	for _, ack := range []string{fmt.Sprintf(`42/demo,["ackPush",{"id":%d}]`, id), `43/demo,` + native + `[]`,
		fmt.Sprintf(`42/demo,["ackPush",{"id":%d,"clientId":"/demo#joe#web-u1"}]`, id), `42/demo,["ackPush",{"id":999999}]`} {
		outsider.send(ack)
	}
	stranger.send(`42/other,0["joinRoom",[]]`)
	stranger.expect(`43/other,0[` + ackOK + `]`)
	outsider.ask(`"joinRoom",[]`)
	joe.send(fmt.Sprintf(`42/demo,["ackPush",{"id":%d}]`, id))
	n.eventually("the one ack that counts", func() bool { return n.record(id)["ackCount"] == "1" })
	n.eventually("all are written", func() bool { return n.receipts.Queued() == 0 })
	if got := n.record(id)["ackCount"]; got != "1" {
		t.Errorf("%s acks", got)
	}
	for _, key := range nodes.redis.Keys() {
		if strings.Contains(key, "999999") {
			t.Errorf("an unknown id left %s", key)
		}
	}
}
