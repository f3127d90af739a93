package session

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/node"
	"github.com/lightpush/lightpush/internal/push"
)

const recoveryWindow = 2 * time.Minute

func newRecoveryCluster(t *testing.T) *cluster {
	c := newCluster(t)
	c.recovery = true
	return c
}

// mortal is the presence of a node that can be killed: it then cleans up
// nothing any more.
type mortal struct {
	Presence
	dead atomic.Bool
}

func (m *mortal) Release(ctx context.Context, member client.Member, rooms []string, reason string, recoverable bool) error {
	if m.dead.Load() {
		return nil
	}
	return m.Presence.Release(ctx, member, rooms, reason, recoverable)
}

// mortalNode is a node with a lease, and kill, which ends it like kill -9.
func (c *cluster) mortalNode(id string, change func(*Options)) (n *testNode, kill func()) {
	var m *mortal
	n = c.node(id, func(o *Options) {
		if change != nil {
			change(o)
		}
		m = &mortal{Presence: o.Presence}
		o.Presence = m
	})
	_, err := n.store.Beat(context.Background(), id, time.Minute)
	must(c.t, err)
	return n, func() {
		m.dead.Store(true)
		n.reader.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		must(c.t, n.server.Shutdown(ctx))
	}
}

func (n *testNode) sweep(dead string) {
	n.t.Helper()
	must(n.t, node.NewSweeper(n.store, "sweeper of "+n.id, time.Hour, 0, nil, nil).SweepNode(context.Background(), dead))
}

// ticket is what a client needs to come back.
type ticket struct{ sid, pid, offset string }

func (k *ticket) connect() string {
	return fmt.Sprintf(`40/demo,{"pid":%q,"offset":%q}`, k.pid, k.offset)
}

func (k *ticket) answer() string { return fmt.Sprintf(`40/demo,{"sid":%q,"pid":%q}`, k.sid, k.pid) }

// enter connects anew and reads up to the first offset.
func (n *testNode) enter(values string) (*wsClient, *ticket) {
	n.t.Helper()
	c := n.dial(4, values)
	c.send("40/demo,")
	return c, c.welcome()
}

// welcome reads the CONNECT answer of a new socket, ok and its first offset.
func (c *wsClient) welcome() *ticket {
	c.t.Helper()
	var ids struct{ SID, PID string }
	answer := c.read()
	if text, ok := strings.CutPrefix(answer, "40/demo,"); !ok || json.Unmarshal([]byte(text), &ids) != nil || ids.PID == "" {
		c.t.Fatalf("CONNECT answer %s", answer)
	}
	if ok := c.read(); !strings.HasPrefix(ok, `42/demo,["ok",`) {
		c.t.Fatalf("ok: %s", ok)
	}
	k := &ticket{sid: ids.SID, pid: ids.PID}
	c.offset(k)
	return k
}

func (c *wsClient) offset(k *ticket) {
	c.t.Helper()
	frame := c.read()
	text, begins := strings.CutPrefix(frame, `42/demo,["offset","`)
	offset, ends := strings.CutSuffix(text, `"]`)
	if k.offset = offset; !begins || !ends {
		c.t.Fatalf("frame %s is no offset", frame)
	}
}

// pushed reads a push and the offset behind it, and returns its n.
func (c *wsClient) pushed(k *ticket) int {
	c.t.Helper()
	return c.pushIn(c.read(), k)
}

func (c *wsClient) pushIn(frame string, k *ticket) int {
	c.t.Helper()
	ack, data := payload(c.t, frame, "push")
	c.offset(k)
	if k.offset != ack {
		c.t.Fatalf("offset %s behind message %s", k.offset, ack)
	}
	return int(data["pushData"].(map[string]any)["n"].(float64))
}

// back comes with a ticket and reads the replay, the CONNECT answer and ok.
func (n *testNode) back(values string, k *ticket) (c *wsClient, missed []int) {
	n.t.Helper()
	c = n.dial(4, values)
	c.send(k.connect())
	for {
		frame := c.read()
		if strings.HasPrefix(frame, "40/demo,") {
			if frame != k.answer() {
				n.t.Fatalf("not recovered: %s, want %s", frame, k.answer())
			}
			if ok := c.read(); !strings.HasPrefix(ok, `42/demo,["ok",`) {
				n.t.Fatalf("ok: %s", ok)
			}
			return c, missed
		}
		missed = append(missed, c.pushIn(frame, k))
	}
}

// refused comes with a ticket and must be a new client.
func (n *testNode) refused(values string, k *ticket) (*wsClient, *ticket) {
	n.t.Helper()
	c := n.dial(4, values)
	c.send(k.connect())
	fresh := c.welcome()
	if fresh.sid == k.sid || fresh.pid == k.pid {
		n.t.Fatal("recovered")
	}
	return c, fresh
}

func (c *wsClient) joinRoom(room string) {
	c.t.Helper()
	c.send(`42/demo,1["joinRoom","` + room + `"]`)
	c.expect(`43/demo,1[{"status":200,"msg":"ok"}]`)
}

func number(n int) string { return fmt.Sprintf(`{"n":%d}`, n) }

// gone closes a connection and waits until its node has released it.
func (n *testNode) gone(c *wsClient) {
	n.t.Helper()
	_ = c.conn.Close()
	n.eventually("released", func() bool {
		online, err := n.store.Online(context.Background(), "/demo")
		must(n.t, err)
		return online.Clients == 0
	})
}

func TestRecover(t *testing.T) {
	for _, c := range []struct {
		name string
		// leave breaks the connection to a; the client comes back to what
		// it returns.
		leave func(c *wsClient, a, b *testNode, kill func()) *testNode
	}{
		{"same node", func(c *wsClient, a, _ *testNode, _ func()) *testNode { a.gone(c); return a }},
		{"other node", func(c *wsClient, a, b *testNode, _ func()) *testNode { a.gone(c); return b }},
		{"old node killed, not yet swept", func(_ *wsClient, _, b *testNode, kill func()) *testNode { kill(); return b }},
		{"old node killed and swept", func(_ *wsClient, _, b *testNode, kill func()) *testNode { kill(); b.sweep("a"); return b }},
		{"same node, the old connection lives", func(_ *wsClient, a, _ *testNode, _ func()) *testNode { return a }},
		{"other node, the old connection lives", func(_ *wsClient, _, b *testNode, _ func()) *testNode { return b }},
	} {
		t.Run(c.name, func(t *testing.T) {
			nodes := newRecoveryCluster(t)
			a, kill := nodes.mortalNode("a", nil)
			b := nodes.node("b", nil)
			a.namespace("/demo", nil)
			must(t, b.namespaces.Reload(context.Background()))
			const values = "uuid=u1&userid=joe"
			ws, k := a.enter(values)
			ws.joinRoom("r")
			ws.joinRoom("left")
			ws.send(`42/demo,2["leaveRoom","left"]`)
			ws.expect(`43/demo,2[{"status":200,"msg":"ok"}]`)
			b.push("r", number(1))
			if got := ws.pushed(k); got != 1 {
				t.Fatalf("push %d", got)
			}
			back := c.leave(ws, a, b, kill)

			self := "/demo#joe#web-u1"
			ns, _ := b.namespaces.Get("/demo")
			send := func(room string, n int, change func(*push.Request)) int64 {
				req := push.Request{Room: room, PushData: json.RawMessage(number(n)), ExpireHours: 1}
				if change != nil {
					change(&req)
				}
				id, err := push.NewService(b.committer, nil).Push(context.Background(), ns, req)
				must(t, err)
				return id
			}
			lost := push.ExtraLost
			send("r", 2, nil)
			send("elsewhere", 90, nil)
			send("left", 91, nil)
			send("r", 92, func(r *push.Request) { r.Except = &self })
			send("r", 93, func(r *push.Request) { r.Extra = &lost })
			mine := send("user_joe", 3, nil)
			send("r", 4, nil)

			again, missed := back.back(values, k)
			if !slices.Equal(missed, []int{2, 3, 4}) {
				t.Errorf("missed %v", missed)
			}
			// A native ack of a replayed message counts.
			again.send(fmt.Sprintf("43/demo,%d[]", mine))
			b.eventually("the ack", func() bool { return b.record(mine)["ackCount"] == "1" })
			// The restored rooms receive, once.
			for n := 5; n <= 6; n++ {
				send("r", n, nil)
				send("left", 94, nil)
			}
			send("user_joe", 7, nil)
			for n := 5; n <= 7; n++ {
				if got := again.pushed(k); got != n {
					t.Fatalf("push %d, want %d", got, n)
				}
			}
			b.eventually("one device online", func() bool {
				online, err := b.store.Online(context.Background(), "/demo")
				must(t, err)
				return online.Clients == 1
			})
			counts, err := b.store.RoomCounts(context.Background(), "/demo", []string{"r", "left"})
			must(t, err)
			if counts[0].Online.Web != 1 || counts[1].Online.Web != 0 {
				t.Errorf("rooms %+v", counts)
			}
			// The late cleanup of the old node harms nobody: the session
			// goes on, and again.
			if c.name != "old node killed and swept" {
				b.sweep("a") // of what a still lists
			}
			if back == b {
				_ = again.conn.Close()
				send("r", 8, nil)
				if _, missed := b.back(values, k); !slices.Equal(missed, []int{8}) {
					t.Errorf("missed %v", missed)
				}
			}
		})
	}
}

// TestRecoverOldConnectionIsTold holds that a connection whose session was
// continued elsewhere ends, and that its end does not touch the session.
func TestRecoverOldConnectionIsTold(t *testing.T) {
	nodes := newRecoveryCluster(t)
	a, b := nodes.node("a", nil), nodes.node("b", nil)
	a.namespace("/demo", nil)
	must(t, b.namespaces.Reload(context.Background()))
	old, k := a.enter("uuid=u1")
	now, _ := b.back("uuid=u1", k)
	old.expect("41/demo,")
	a.eventually("released", func() bool { return a.hub.Devices() == 0 })
	b.push("user_u1", number(1))
	if got := now.pushed(k); got != 1 {
		t.Errorf("push %d", got)
	}
	_ = now.conn.Close()
	a.push("user_u1", number(2))
	if _, missed := a.back("uuid=u1", k); !slices.Equal(missed, []int{2}) {
		t.Errorf("missed %v", missed)
	}
}

func TestRecoverRefused(t *testing.T) {
	nodes := newRecoveryCluster(t)
	n := nodes.node("a", nil)
	n.namespace("/demo", nil)
	n.namespace("/other", nil)
	// away makes a client that has got a message and goes.
	away := func(t *testing.T, uuid string) *ticket {
		c, k := n.enter("uuid=" + uuid)
		n.push("user_"+uuid, number(1))
		c.pushed(k)
		n.gone(c)
		return k
	}
	t.Run("wrong pid or offset, or another identity", func(t *testing.T) {
		k := away(t, "u1")
		stranger, theirs := n.enter("uuid=stranger")
		n.gone(stranger)
		for what, c := range map[string]struct{ values, pid, offset string }{
			"unknown pid":                {"uuid=u1", "AAAAAAAAAAAAAAAAAAAA", k.offset},
			"socket id for pid":          {"uuid=u1", k.sid, k.offset},
			"pid of another device":      {"uuid=u1", theirs.pid, k.offset},
			"another device":             {"uuid=u2", k.pid, k.offset},
			"another user, same device":  {"uuid=u1&userid=eve", k.pid, k.offset},
			"another platform, same":     {"uuid=u1&platform=ios", k.pid, k.offset},
			"offset of the future":       {"uuid=u3", k.pid, "999999"},
			"offset that is none":        {"uuid=u3", k.pid, "x"},
			"negative offset":            {"uuid=u3", k.pid, "-1"},
			"empty offset":               {"uuid=u3", k.pid, ""},
			"time offset of the future":  {"uuid=u3", k.pid, "@99999999999999"},
			"time offset without digits": {"uuid=u3", k.pid, "@"},
		} {
			pid := c.pid
			if c.values == "uuid=u3" { // a device of their own: being refused ends the session
				third := away(t, "u3")
				pid = third.pid
			}
			ws, _ := n.refused(c.values, &ticket{sid: k.sid, pid: pid, offset: c.offset})
			if t.Failed() {
				t.Fatal(what)
			}
			n.gone(ws)
			if strings.HasPrefix(c.values, "uuid=u1") && !strings.Contains(c.values, "userid") && !strings.Contains(c.values, "platform") {
				k = away(t, "u1")
			}
		}
		// Attempts of others did not use it up.
		c, _ := n.back("uuid=u1", k)
		n.gone(c)
		c = n.dial(4, "uuid=u1")
		c.send(strings.Replace(k.connect(), "/demo", "/other", 1))
		if got := c.read(); strings.Contains(got, k.sid) || !strings.HasPrefix(got, `40/other,{"sid":`) {
			t.Errorf("in another namespace: %s", got)
		}
	})
	t.Run("window", func(t *testing.T) {
		defer nodes.ahead.Store(0)
		k := away(t, "w1")
		nodes.ahead.Add(int64(recoveryWindow - time.Second))
		c, _ := n.back("uuid=w1", k)
		n.gone(c)
		nodes.ahead.Add(int64(recoveryWindow + time.Second))
		c, _ = n.refused("uuid=w1", k)
		n.gone(c)
	})
	t.Run("after 41 of the client", func(t *testing.T) {
		c, k := n.enter("uuid=l1")
		c.send("41/demo,")
		n.gone(c)
		c, _ = n.refused("uuid=l1", k)
		n.gone(c)
	})
	t.Run("after 41 of the server", func(t *testing.T) {
		c, k := n.enter("uuid=l2")
		off, on := true, false
		n.namespace("/demo", func(p *namespace.Patch) { p.Offline = &off })
		c.expect("41/demo,")
		n.gone(c)
		n.namespace("/demo", func(p *namespace.Patch) { p.Offline = &on })
		c, _ = n.refused("uuid=l2", k)
		n.gone(c)
	})
	t.Run("a newer connection without pid", func(t *testing.T) {
		c, k := n.enter("uuid=n1")
		newer, _ := n.enter("uuid=n1")
		c.expect("41/demo,")
		n.gone(newer)
		c, _ = n.refused("uuid=n1", k)
		n.gone(c)
	})
	t.Run("too much missed", func(t *testing.T) {
		k := away(t, "m1")
		for i := range missedMax + 1 {
			n.push("user_m1", number(i))
		}
		c, _ := n.refused("uuid=m1", k)
		n.gone(c)
	})
}

// TestRecoverCallback holds that the connect callback decides over a recovery
// too: who it refuses does not come back, who it gives to another user is new,
// and a callback that fails costs nothing.
func TestRecoverCallback(t *testing.T) {
	var status atomic.Int32
	var user atomic.Pointer[string]
	status.Store(200)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if code := int(status.Load()); code == 0 {
			time.Sleep(callbackTimeout + 100*time.Millisecond) // longer than the callback may take
		} else {
			w.WriteHeader(code)
		}
		if u := user.Load(); u != nil {
			fmt.Fprintf(w, `{"userid":%q,"rooms":["given"]}`, *u)
		}
	}))
	defer service.Close()
	n := newRecoveryCluster(t).node("a", nil)
	url := service.URL
	n.namespace("/demo", func(p *namespace.Patch) { p.ConnectCallback = &url })
	joe, eve := "joe", "eve"
	user.Store(&joe)
	c, k := n.enter("uuid=u1")
	n.push("given", number(1))
	c.pushed(k)
	n.gone(c)
	n.push("user_joe", number(2))

	status.Store(403)
	c = n.dial(4, "uuid=u1")
	c.send(k.connect())
	c.expect(`44/demo,{"message":"handshake fail statusCode: 403"}`)
	status.Store(0)
	c = n.dial(4, "uuid=u1")
	c.send(k.connect())
	c.expect(`44/demo,{"message":"handshake fail"}`)
	status.Store(200)
	c, missed := n.back("uuid=u1", k)
	if !slices.Equal(missed, []int{2}) {
		t.Errorf("missed %v", missed)
	}
	n.gone(c)
	user.Store(&eve)
	n.push("user_joe", number(3))
	c, fresh := n.refused("uuid=u1", k)
	n.push("user_eve", number(4))
	if got := c.pushed(fresh); got != 4 {
		t.Errorf("push %d", got)
	}
}

// TestRecoverConcurrently holds that one pid used many times at once leaves one
// connection, which gets everything once.
func TestRecoverConcurrently(t *testing.T) {
	nodes := newRecoveryCluster(t)
	a, b := nodes.node("a", nil), nodes.node("b", nil)
	a.namespace("/demo", nil)
	must(t, b.namespaces.Reload(context.Background()))
	c, k := a.enter("uuid=u1")
	a.gone(c)
	a.push("user_u1", number(1))
	var answered atomic.Int32
	type result struct {
		recovered bool
		live      bool
		got       []string
	}
	results := make([]result, 8)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var clients []*wsClient
	for i := range results {
		target := []*testNode{a, b}[i%2]
		ws := target.dial(4, "uuid=u1")
		clients = append(clients, ws)
		wg.Go(func() {
			ws.send(k.connect())
			var r result
			asked := true
			for {
				frame := ws.read()
				if asked && (frame == "closed" || strings.HasPrefix(frame, "4") && !strings.HasPrefix(frame, "42")) {
					asked = false
					answered.Add(1)
				}
				if frame == "closed" || strings.HasPrefix(frame, "41") || strings.HasPrefix(frame, "44") {
					break
				}
				if frame == k.answer() {
					r.recovered = true
				}
				if strings.Contains(frame, `"n":`) {
					r.got = append(r.got, frame)
				}
				if strings.Contains(frame, `"n":2`) {
					r.live = true
					break
				}
			}
			mu.Lock()
			results[i] = r
			mu.Unlock()
		})
	}
	a.eventually("one is left", func() bool {
		if int(answered.Load()) != len(results) || a.hub.Devices()+b.hub.Devices() != 1 {
			return false
		}
		online, err := a.store.Online(context.Background(), "/demo")
		must(t, err)
		return online.Clients == 1
	})
	a.push("user_u1", number(2))
	wg.Wait()
	live := 0
	for _, r := range results {
		if !r.live {
			continue
		}
		live++
		if r.recovered && len(r.got) != 2 {
			t.Errorf("the recovered one got %q", r.got)
		}
	}
	if live != 1 {
		t.Errorf("%d live connections: %+v", live, results)
	}
	for _, ws := range clients {
		_ = ws.conn.Close()
	}
}

// TestRecoverOtherClients holds that generation 2 gets no offsets.
func TestRecoverOtherClients(t *testing.T) {
	n := newRecoveryCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	v2 := n.join(3, "uuid=u2&userid=joe")
	v4, k := n.enter("uuid=u4&userid=joe")
	for i := range 3 {
		id := n.push("user_joe", number(i))
		ack, _ := payload(t, v2.read(), "push")
		if ack != strconv.FormatInt(id, 10) || v4.pushed(k) != i {
			t.Errorf("ack id %s for %d", ack, id)
		}
		v2.send(fmt.Sprintf("43/demo,%s[]", ack))
		v4.send(fmt.Sprintf("43/demo,%s[]", ack))
		n.eventually("both acks", func() bool { return n.record(id)["ackCount"] == "2" })
	}
}

// TestRecoverLosesNothing holds that what is pushed while a client wanders
// between nodes, one of which is killed, arrives once each and in order.
func TestRecoverLosesNothing(t *testing.T) {
	nodes := newRecoveryCluster(t)
	a, kill := nodes.mortalNode("a", nil)
	b, c := nodes.node("b", nil), nodes.node("c", nil)
	a.namespace("/demo", nil)
	must(t, b.namespaces.Reload(context.Background()))
	must(t, c.namespaces.Reload(context.Background()))
	ws, k := a.enter("uuid=u1")
	ws.joinRoom("r")
	const messages = 600
	ns, _ := b.namespaces.Get("/demo")
	var pushers sync.WaitGroup
	pushers.Go(func() {
		for i := range messages {
			_, err := push.NewService(b.committer, nil).Push(context.Background(), ns,
				push.Request{Room: []string{"r", "user_u1"}[i%2], PushData: json.RawMessage(number(i)), ExpireHours: 1})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	at, on := 0, a
	check := func(n int) {
		if n != at {
			t.Fatalf("push %d, want %d", n, at)
		}
		at++
	}
	for round := 0; at < messages; round++ {
		for range 1 + round*7%23 {
			if at < messages {
				check(ws.pushed(k))
			}
		}
		switch {
		case round == 3:
			kill()
			on = b
		case on == b:
			on = c
		case round > 3:
			on = b
		}
		if round%3 == 0 { // else the old connection is still there
			_ = ws.conn.Close()
		}
		var missed []int
		ws, missed = on.back("uuid=u1", k)
		for _, n := range missed {
			check(n)
		}
	}
	pushers.Wait()
	b.push("r", number(messages)) // nothing more in between
	check(ws.pushed(k))
}

// TestRecoverTwoSenders holds that messages of processes that accept at the
// same time are not lost either, although their ids and their commits are not
// in the same order; some may come twice.
func TestRecoverTwoSenders(t *testing.T) {
	nodes := newRecoveryCluster(t)
	a, b := nodes.node("a", nil), nodes.node("b", nil)
	a.namespace("/demo", nil)
	must(t, b.namespaces.Reload(context.Background()))
	ws, k := a.enter("uuid=u1")
	const messages = 300 // of each
	ns, _ := b.namespaces.Get("/demo")
	var pushers sync.WaitGroup
	for s, from := range []*testNode{a, b} {
		pushers.Go(func() {
			for i := range messages {
				_, err := push.NewService(from.committer, nil).Push(context.Background(), ns,
					push.Request{Room: "user_u1", PushData: json.RawMessage(number(s*messages + i)), ExpireHours: 1})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	seen := map[int]int{}
	for round := 0; len(seen) < 2*messages; round++ {
		for range 1 + round%31 {
			if len(seen) < 2*messages {
				seen[ws.pushed(k)]++
			}
		}
		var missed []int
		ws, missed = []*testNode{a, b}[round%2].back("uuid=u1", k)
		for _, n := range missed {
			seen[n]++
		}
	}
	pushers.Wait()
	twice := 0
	for _, times := range seen {
		twice += times - 1
	}
	t.Logf("%d of %d came twice", twice, 2*messages)
}
