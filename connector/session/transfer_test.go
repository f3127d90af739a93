package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// beat announces the node as alive, so that transfers wait for it.
func (n *testNode) beat() {
	_, err := n.store.Beat(context.Background(), n.id, time.Hour)
	must(n.t, err)
}

func (n *testNode) transfer(kind, target string, sources ...string) {
	n.t.Helper()
	must(n.t, n.store.Transfer(context.Background(), room.Transfer{Namespace: "/demo", Target: target, Sources: sources, Type: kind}))
}

func (n *testNode) count(name string) room.Count {
	n.t.Helper()
	counts, err := n.store.RoomCounts(context.Background(), "/demo", []string{name})
	must(n.t, err)
	return counts[0]
}

func (c *wsClient) joins(rooms ...string) {
	c.t.Helper()
	list, _ := json.Marshal(rooms)
	if got := c.ask(`"joinRoom",` + string(list)); got != ackOK {
		c.t.Fatalf("joinRoom %s: %s", list, got)
	}
}

// two nodes that know /demo and are alive.
func twoNodes(t *testing.T) (a, b *testNode) {
	nodes := newCluster(t)
	a, b = nodes.node("a", nil), nodes.node("b", nil)
	a.namespace("/demo", nil)
	must(t, b.namespaces.Reload(context.Background()))
	a.beat()
	b.beat()
	return a, b
}

func TestTransfer(t *testing.T) {
	a, b := twoNodes(t)
	in1, in2, both, out := a.join(3, "uuid=in1"), b.join(4, "uuid=in2"), b.join(4, "uuid=both&platform=ios"), a.join(4, "uuid=out")
	in1.joins("src")
	in2.joins("src2")
	both.joins("src", "dst")
	offline := a.join(3, "uuid=offline&platform=android")
	offline.joins("src")
	_ = offline.conn.Close()
	a.eventually("offline", func() bool { return a.hub.Devices() == 2 })

	notice := func(kind, sources string) string {
		return fmt.Sprintf(`{"targetRoom":"dst","sourceRooms":[%s],"type":"%s","namespace":"/demo"}`, sources, kind)
	}
	a.transfer("join", "dst", "src", "src2")
	// It has answered, so a push goes to all of them: behind the notice.
	id := b.push("dst", `{"n":1}`)
	for _, c := range []*wsClient{in1, in2} {
		c.expect(`42/demo,["joinRoom",` + notice("join", `"src","src2"`) + `]`)
		payload(t, c.read(), "push")
	}
	payload(t, both.read(), "push") // was there already
	a.eventually("delivered", func() bool { return a.record(id)["onlineClientCount"] == "3" })
	want := room.Count{Users: 3, Online: room.PerPlatform{Web: 2, IOS: 1}, Total: room.PerPlatform{Web: 2, IOS: 1, Android: 1}}
	if got := a.count("dst"); got != want {
		t.Errorf("after join: %+v, want %+v", got, want)
	}
	a.transfer("join", "dst", "src") // nobody's membership changes
	b.transfer("leave", "dst", "src", "src2")
	for _, c := range []*wsClient{in1, in2, both} {
		c.expect(`42/demo,["leaveRoom",` + notice("leave", `"src","src2"`) + `]`)
	}
	if got := a.count("dst"); got != (room.Count{}) {
		t.Errorf("after leave: %+v", got)
	}
	b.push("dst", `{}`)
	b.transfer("leave", "src", "src") // source and target may be equal
	for _, c := range []*wsClient{in1, both} {
		if got := c.read(); !strings.HasPrefix(got, `42/demo,["leaveRoom",{"targetRoom":"src"`) {
			t.Errorf("leave itself: %s", got)
		}
	}
	if got := a.count("src"); got != (room.Count{}) {
		t.Errorf("src: %+v", got)
	}
	if got := out.ask(`"apns"`); got != ackForbidden { // it has heard nothing
		t.Errorf("outsider: %s", got)
	}
}

// TestTransferHistory holds that a device which belongs to a source from an
// earlier connection leaves the target even while it is connected.
func TestTransferHistory(t *testing.T) {
	a, _ := twoNodes(t)
	c := a.join(4, "uuid=u1")
	c.joins("src")
	_ = c.conn.Close()
	a.eventually("offline", func() bool { return a.hub.Devices() == 0 })
	c = a.join(4, "uuid=u1")
	c.joins("dst")
	a.transfer("leave", "dst", "src")
	if got := c.read(); !strings.HasPrefix(got, `42/demo,["leaveRoom"`) {
		t.Error(got)
	}
	if got := a.count("dst"); got != (room.Count{}) {
		t.Errorf("dst: %+v", got)
	}
}

// TestTransferAndLives holds that memberships here and in the store agree
// whatever clients do while transfers are under way.
func TestTransferAndLives(t *testing.T) {
	a, b := twoNodes(t)
	const clients = 12
	var wg sync.WaitGroup
	for i := range clients {
		n := []*testNode{a, b}[i%2]
		wg.Go(func() {
			for round := range 8 {
				c := n.dial(4, fmt.Sprintf("uuid=u%d", i))
				c.send("40/demo,", `42/demo,["joinRoom",["src"]]`)
				for got := ""; !strings.HasPrefix(got, `42/demo,["ok"`); {
					got = c.read()
				}
				switch (i + round) % 3 {
				case 0:
					c.send(`42/demo,["leaveRoom",["dst"]]`)
				case 1:
					c.send(`42/demo,["joinRoom",["dst"]]`, `42/demo,["leaveRoom",["src"]]`)
				}
				if round < 7 {
					_ = c.conn.Close()
				}
			}
		})
	}
	wg.Go(func() {
		for range 6 {
			a.transfer("join", "dst", "src")
			b.transfer("leave", "dst", "src")
		}
	})
	wg.Wait()
	a.eventually("quiet", func() bool { return a.hub.Devices()+b.hub.Devices() == clients })
	a.transfer("join", "dst", "src")
	a.transfer("leave", "dst", "src")
	a.eventually("the store knows what the nodes know", func() bool {
		for _, name := range []string{"src", "dst"} {
			here := int64(0)
			for _, n := range []*testNode{a, b} {
				if tenant, ok := n.hub.existingTenant("/demo"); ok {
					here += int64(len(tenant.To(name).Sockets()))
				}
			}
			if a.count(name).Online.Sum() != here {
				return false
			}
		}
		return true
	})
}

// TestDirect holds that one device gets a message like any other, and nobody
// else does.
func TestDirect(t *testing.T) {
	a, b := twoNodes(t)
	c, other := a.join(4, "uuid=u1&userid=joe&platform=android"), a.join(4, "uuid=u2&userid=joe")
	id := a.push("nobody", `{"n":1}`)
	direct := push.Direct{Namespace: "/demo", ClientID: "/demo#joe#android-u1", MessageID: id, Payload: json.RawMessage(fmt.Sprintf(`{"id":%d}`, id))}
	must(t, b.store.Sender().Direct(context.Background(), "a", direct))
	ackID, data := payload(t, c.read(), "push")
	if data["id"] != float64(id) || ackID != fmt.Sprint(id) {
		t.Errorf("got %v with ack id %s", data, ackID)
	}
	a.eventually("counted as delivered", func() bool { return a.record(id)["onlineClientCount"] == "1" })
	for _, d := range []push.Direct{
		{Namespace: "/demo", ClientID: "/demo#joe#ios-u1", MessageID: id, Payload: direct.Payload},
		{Namespace: "/other", ClientID: direct.ClientID, MessageID: id, Payload: direct.Payload},
		{Namespace: "/demo", ClientID: direct.ClientID, MessageID: id, Payload: json.RawMessage(`{`)},
	} {
		must(t, b.store.Sender().Direct(context.Background(), "a", d))
	}
	// A client that left the room of its user is found all the same.
	if got := c.ask(`"leaveRoom",["user_joe"]`); got != ackOK {
		t.Fatal(got)
	}
	direct.Payload = json.RawMessage(`{"id":2}`)
	must(t, b.store.Sender().Direct(context.Background(), "a", direct))
	if _, data := payload(t, c.read(), "push"); data["id"] != 2.0 {
		t.Errorf("got %v", data)
	}
	if got := other.ask(`"joinRoom",[]`); got != ackOK { // it has got nothing
		t.Errorf("the other device: %s", got)
	}
}

// TestTransferStoreAway holds that a node tries again while the store does not
// answer, and that closing ends it.
func TestTransferStoreAway(t *testing.T) {
	away := &awayPresence{failed: make(chan struct{}, 100)}
	n := newCluster(t).node("a", func(o *Options) { away.Presence, o.Presence = o.Presence, away })
	n.namespace("/demo", nil)
	c := n.join(4, "uuid=u1")
	c.joins("src")
	join := room.Transfer{Namespace: "/demo", Target: "dst", Sources: []string{"src"}, Type: room.TransferJoin}
	away.away.Store(true)
	n.hub.Transfer(join)
	n.hub.Transfer(room.Transfer{Namespace: "/demo", Target: "dst", Sources: []string{"src"}, Type: "unknown", Done: "x"})
	n.hub.Transfer(room.Transfer{Namespace: "/nobody", Target: "dst", Sources: []string{"src"}, Type: room.TransferJoin})
	<-away.failed
	<-away.failed
	away.away.Store(false)
	if got := c.read(); !strings.HasPrefix(got, `42/demo,["joinRoom",{"targetRoom":"dst"`) {
		t.Error(got)
	}
	if got := n.count("dst").Online.Web; got != 1 {
		t.Errorf("%d members", got)
	}
	away.away.Store(true)
	join.Target = "dst2"
	n.hub.Transfer(join)
	<-away.failed
	n.hub.close() // what Close does first
	n.hub.background.Wait()
}

// awayPresence is a store that does not answer joins for a while.
type awayPresence struct {
	Presence
	away   atomic.Bool
	failed chan struct{}
}

func (p *awayPresence) Join(ctx context.Context, m client.Member, rooms []string) error {
	if p.away.Load() {
		p.failed <- struct{}{}
		return errors.New("the store is away")
	}
	return p.Presence.Join(ctx, m, rooms)
}
