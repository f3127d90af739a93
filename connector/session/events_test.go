package session

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/room"
)

func TestRoomEvents(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	c := n.join(4, "uuid=u1&userid=joe")
	const ok = `{"status":200,"msg":"ok"}`
	const invalid = `{"status":500,"msg":"joinOrleaveRoom error: Error: room invalid"}`
	for i, step := range []struct{ event, want string }{
		{`"joinRoom",["r1","r2"]`, ok},
		{`"joinRoom","r3"`, ok},
		{`"joinRoom",[]`, ok},
		{`"joinRoom",["r1"]`, ok},   // joined already
		{`"joinRoom",[4,null]`, ok}, // by their text
		{`"joinRoom",["r6","bad room"]`, `{"status":500,"msg":"joinOrleaveRoom error: Error: too many rooms"}`},
		{`"joinRoom",["bad room"]`, invalid},
		{`"joinRoom",""`, invalid},
		{`"joinRoom",{"a":1}`, invalid},
		{`"joinRoom"`, `{"status":400,"msg":"room can not be empty"}`},
		{`"joinRoom",[1,2,3,4,5,6,7,8,9,10,11]`, `{"status":400,"msg":"too many rooms"}`},
		{`"joinRoom","user_ann"`, `{"status":403,"msg":"Forbidden"}`},
		{`"joinRoom","user_joe"`, ok},
		{`"leaveRoom",["r3","4","null"]`, ok},
		{`"leaveRoom","never joined"`, ok},
		{`"leaveRoom",["r2"]`, ok},
		{`"leaveRoom"`, `{"status":400,"msg":"room can not be empty"}`},
	} {
		c.send(fmt.Sprintf(`42/demo,%d[%s]`, i, step.event))
		got := c.read()
		// The limit of five rooms: user_joe r1 r2 r3 4 … the step with
		// "bad room" reports whichever problem came last.
		if i == 4 || i == 5 {
			if !strings.HasPrefix(got, fmt.Sprintf("43/demo,%d[", i)) {
				t.Fatalf("%s: %s", step.event, got)
			}
			continue
		}
		if want := fmt.Sprintf("43/demo,%d[%s]", i, step.want); got != want {
			t.Errorf("%s:\n got %s\nwant %s", step.event, got, want)
		}
	}
	counts, err := n.store.RoomCounts(context.Background(), "/demo", []string{"r1", "r2", "r3", "user_joe"})
	must(t, err)
	for i, want := range []room.Count{
		{Users: 1, Online: room.PerPlatform{Web: 1}, Total: room.PerPlatform{Web: 1}},
		{}, {}, // an explicit leave ends offline membership too (B10)
		{Users: 1, Online: room.PerPlatform{Web: 1}, Total: room.PerPlatform{Web: 1}},
	} {
		if counts[i] != want {
			t.Errorf("room %d: %+v, want %+v", i, counts[i], want)
		}
	}
}

// Leaving the last room works, and the user room comes back at the next
// connect (B20).
func TestLeaveLastRoom(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	c := n.join(3, "uuid=u1&userid=joe")
	c.send(`42/demo,0["leaveRoom",["user_joe"]]`)
	c.expect(`43/demo,0[{"status":200,"msg":"ok"}]`)
	_ = c.conn.Close()
	n.eventually("gone", func() bool { return n.hub.Devices() == 0 })
	c = n.join(3, "uuid=u1&userid=joe")
	n.push("user_joe", `{}`)
	payload(t, c.read(), "push")
}

func TestAcks(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	n.namespace("/other", nil)
	var devices []*wsClient
	for i, platform := range []string{"web", "ios", "android", "web"} {
		c := n.join(3+i%2, fmt.Sprintf("uuid=u%d&platform=%s", i, platform))
		c.send(`42/demo,0["joinRoom","r"]`)
		c.expect(`43/demo,0[{"status":200,"msg":"ok"}]`)
		devices = append(devices, c)
	}
	stranger := n.dial(4, "uuid=s")
	stranger.send("40/other,")
	stranger.read()
	stranger.read()
	outsider := n.join(4, "uuid=out")

	id := n.push("r", `{"n":1}`)
	var native string
	for _, c := range devices {
		native, _ = payload(t, c.read(), "push")
	}
	if native != strconv.FormatInt(id, 10) {
		t.Errorf("native ack id %s for message %d", native, id)
	}
	// Every form, each twice; a device counts once.
	devices[0].send(fmt.Sprintf(`42/demo,["ackPush",{"id":%d}]`, id), fmt.Sprintf(`42/demo,["ackPush",{"id":%d}]`, id))
	devices[1].send(fmt.Sprintf(`42/demo,["ackPush",{"id":"%d"}]`, id), fmt.Sprintf(`43/demo,%s[]`, native))
	devices[2].send(fmt.Sprintf(`42/demo,7["ackPush",{"ids":[%d,%d,"x",-1]}]`, id, id+1000))
	devices[2].expect(`43/demo,7[{"status":200,"msg":"ok"}]`)
	devices[3].send(fmt.Sprintf(`43/demo,%s["got it"]`, native), fmt.Sprintf(`43/demo,%s[]`, native))
	// Neither a foreign namespace nor a device outside of the room counts.
	stranger.send(fmt.Sprintf(`42/other,["ackPush",{"id":%d}]`, id))
	outsider.send(fmt.Sprintf(`42/demo,["ackPush",{"id":%d}]`, id))
	for _, junk := range []string{`{}`, `null`, `"x"`, `{"id":{}}`, `{"id":1.5}`, `{"ids":{}}`, `[]`} {
		outsider.send(`42/demo,["ackPush",` + junk + `]`)
	}
	outsider.send(`42/demo,1["joinRoom","r2"]`) // an answer behind all of it
	outsider.expect(`43/demo,1[{"status":200,"msg":"ok"}]`)

	n.eventually("four acks", func() bool { return n.record(id)["ackCount"] == "4" })
	record := n.record(id)
	for field, want := range map[string]string{
		"onlineClientCount": "4", "ackCount": "4", "ackIOSCount": "1", "ackAndroidCount": "1",
	} {
		if record[field] != want {
			t.Errorf("%s = %s, want %s", field, record[field], want)
		}
	}
}

// An ack the client sends right before it closes counts.
func TestAckThenClose(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	c := n.join(4, "uuid=u1&userid=joe")
	id := n.push("user_joe", `{}`)
	payload(t, c.read(), "push")
	c.send(fmt.Sprintf(`42/demo,["ackPush",{"id":%d}]`, id))
	_ = c.conn.Close()
	n.eventually("the ack", func() bool { return n.record(id)["ackCount"] == "1" })
}

// Ack ids are cut to 30 bits; the message id is completed from the latest one
// seen.
func TestNativeAckID(t *testing.T) {
	h := &Hub{}
	for _, c := range []struct{ latest, id, want int64 }{
		{10, 10, 10},
		{10, 3, 3},
		{1<<30 + 5, 5, 1<<30 + 5},
		{1<<30 + 5, 1<<30 - 1, 1<<30 - 1}, // from before the wrap
		{3<<30 + 5, 6, 2<<30 + 6},
	} {
		h.latest.Store(c.latest)
		if got := h.completeID(uint64(c.id)); got != c.want {
			t.Errorf("latest %d, ack %d: message %d, want %d", c.latest, c.id, got, c.want)
		}
	}
	if socketio.FirstAckID != 1<<30 {
		t.Error("the cut and the engine's own ids must not overlap")
	}
}

func TestClientPush(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	n.namespace("/other", nil)
	sender := n.join(3, "uuid=u1&userid=joe")
	other := n.join(4, "uuid=u2&userid=ann")
	for _, c := range []*wsClient{sender, other} {
		c.send(`42/demo,0["joinRoom","r"]`)
		c.expect(`43/demo,0[{"status":200,"msg":"ok"}]`)
	}
	// What is refused does not use up the interval.
	for i, c := range []struct{ arg, want string }{
		{`{}`, `room can not be empty`},
		{`null`, `room can not be empty`},
		{`"x"`, `room can not be empty`},
		{`{"room":"bad room"}`, `room invalid`},
		{`{"room":["r"]}`, `room invalid`},
		{`{"room":"r"}`, `pushData can not be empty and must be an Object`},
		{`{"room":"r","pushData":{},"expire":11}`, `expire invalid`},
	} {
		sender.send(fmt.Sprintf(`42/demo,%d["push",%s]`, i, c.arg))
		sender.expect(fmt.Sprintf(`43/demo,%d[{"status":400,"msg":"{\"code\": 9999,\"msg\": \"%s\"}"}]`, i, c.want))
	}
	sender.send(`42/demo,20["push",{"room":"r","pushData":{"m":"é😀"},"namespace":"/other","from":"boss","except":"x","leaveMessage":true}]`)
	ack := sender.read()
	_, rest, _ := strings.Cut(ack, `"id":`)
	id, err := strconv.ParseInt(strings.TrimRight(rest, "}]"), 10, 64)
	if err != nil || !strings.HasPrefix(ack, `43/demo,20[{"status":200,"msg":"ok","id":`) {
		t.Fatalf("ack %q", ack)
	}
	if _, got := payload(t, other.read(), "push"); got["id"] != float64(id) || got["namespace"] != "/demo" {
		t.Errorf("push = %v", got)
	}
	record := n.record(id)
	for field, want := range map[string]string{
		"namespace": "/demo", "from": "/demo#joe#web-u1", "except": "/demo#joe#web-u1", "leaveMessage": "",
	} {
		if record[field] != want {
			t.Errorf("%s = %q, want %q", field, record[field], want)
		}
	}
	sender.send(`42/demo,21["push",{"room":"r","pushData":{}}]`)
	sender.expect(`43/demo,21[{"status":500,"msg":"limited access in 3600s"}]`)
	_ = sender.conn.Close() // a reconnect does not reset the interval
	n.eventually("gone", func() bool { return n.hub.Devices() == 1 })
	sender = n.join(3, "uuid=u1&userid=joe")
	sender.send(`42/demo,22["push",{"room":"r","pushData":{}}]`)
	sender.expect(`43/demo,22[{"status":500,"msg":"limited access in 3600s"}]`)
}

func TestClientPushOnlyToOwnRooms(t *testing.T) {
	n := newCluster(t).node("a", func(o *Options) { o.Limits.PushRequiresMember = true })
	n.namespace("/demo", nil)
	c := n.join(4, "uuid=u1&userid=joe")
	c.send(`42/demo,0["push",{"room":"r","pushData":{}}]`)
	c.expect(`43/demo,0[{"status":403,"msg":"Forbidden"}]`)
	c.send(`42/demo,1["push",{"room":"user_joe","pushData":{}}]`)
	if got := c.read(); !strings.HasPrefix(got, `43/demo,1[{"status":200`) {
		t.Errorf("own room: %s", got)
	}
}

func TestPushOrderAndExcept(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	c := n.join(4, "uuid=u1&userid=joe")
	const messages = 200
	for i := range messages {
		n.push("user_joe", fmt.Sprintf(`{"n":%d}`, i))
	}
	for i := range messages {
		_, got := payload(t, c.read(), "push")
		if data := got["pushData"].(map[string]any); data["n"] != float64(i) {
			t.Fatalf("message %d carries %v", i, data)
		}
	}
}

func TestIntervals(t *testing.T) {
	i := newIntervals(time.Hour)
	key := deviceKey{"/demo", "c"}
	if !i.begin(key) || i.begin(key) {
		t.Error("one per interval")
	}
	i.undo(key)
	if !i.begin(key) {
		t.Error("an undone attempt does not count")
	}
	off := newIntervals(0)
	for range 2 {
		if !off.begin(key) {
			t.Error("no interval, no limit")
		}
	}
}
