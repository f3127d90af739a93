package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/inbox"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/store"
)

const (
	phone   = "/demo#u#android-p"
	phoneAs = "uuid=p&userid=u&platform=android"
)

// watchedInbox counts and breaks the operations of the store.
type watchedInbox struct {
	*store.Store
	entered, read atomic.Int64
	broken        atomic.Bool
}

func (w *watchedInbox) EnterInbox(ctx context.Context, m client.Member, rooms []string) (bool, error) {
	w.entered.Add(1)
	return w.Store.EnterInbox(ctx, m, rooms)
}

func (w *watchedInbox) Inbox(ctx context.Context, q inbox.Query) (inbox.Page, error) {
	w.read.Add(1)
	if w.broken.Load() {
		return inbox.Page{}, errors.New("connection refused")
	}
	return w.Store.Inbox(ctx, q)
}

// inboxNode is a node whose Android devices have inboxes.
func (c *cluster) inboxNode(id string) (*testNode, *watchedInbox) {
	w := &watchedInbox{}
	n := c.node(id, func(o *Options) {
		w.Store = o.Presence.(*store.Store)
		o.Inbox, o.InboxPlatforms = w, []string{client.Android}
	})
	n.namespace("/demo", nil)
	return n, w
}

// keep pushes a message with leaveMessage to the room of user u and puts it
// into the inbox of the phone.
func (n *testNode) keep(data string, limit int) int64 {
	n.t.Helper()
	ns, _ := n.namespaces.Get("/demo")
	leave := true
	id, err := push.NewService(n.committer, nil).Push(context.Background(), ns,
		push.Request{Room: "user_u", PushData: json.RawMessage(data), ExpireHours: 1, LeaveMessage: &leave})
	must(n.t, err)
	n.place(id, limit)
	return id
}

func (n *testNode) place(id int64, limit int) push.Placed {
	n.t.Helper()
	m, err := n.store.Message(context.Background(), id)
	must(n.t, err)
	placed, err := n.store.Place(context.Background(), m, []string{phone}, limit)
	must(n.t, err)
	fate := push.Fate{State: push.StateInbox, At: 1}
	must(n.t, n.store.Settle(context.Background(), id, push.Run{}, []push.Settled{{ClientID: phone, Fate: fate}}))
	return placed[0]
}

// waiting are the ids in the inbox of the phone.
func (n *testNode) waiting() []int64 {
	n.t.Helper()
	page, err := n.store.Inbox(context.Background(), inbox.Query{Namespace: "/demo", ClientID: phone, Count: 10_000, Bytes: 1 << 30})
	must(n.t, err)
	list := []int64{}
	for _, e := range page.Entries {
		list = append(list, e.ID)
	}
	return list
}

// offline connects the phone and leaves again, so that it is known.
func (n *testNode) offline() {
	n.t.Helper()
	c := n.join(3, phoneAs)
	_ = c.conn.Close()
	n.eventually("the phone to be offline", func() bool { return n.hub.Devices() == 0 })
}

// open connects the phone up to the answer of CONNECT.
func (n *testNode) open(eio int, as string) *wsClient {
	n.t.Helper()
	c := n.dial(eio, as)
	c.send("40/demo,")
	if got := c.read(); !strings.HasPrefix(got, "40/demo,") {
		n.t.Fatalf("CONNECT answered by %q", got)
	}
	return c
}

// mail reads one offlineMessage.
func (c *wsClient) mail() (ackID string, ids []int64, records []map[string]any) {
	c.t.Helper()
	return c.mailIn(c.read())
}

func (c *wsClient) mailIn(frame string) (ackID string, ids []int64, records []map[string]any) {
	c.t.Helper()
	rest, ok := strings.CutPrefix(frame, "42/demo,")
	ackID, list, _ := strings.Cut(rest, "[")
	var args []json.RawMessage
	if !ok || json.Unmarshal([]byte("["+list), &args) != nil || len(args) != 2 || string(args[0]) != `"offlineMessage"` {
		c.t.Fatalf("frame %.200q is no offlineMessage", frame)
	}
	must(c.t, json.Unmarshal(args[1], &records))
	for _, r := range records {
		var id int64
		_, err := fmt.Sscan(r["id"].(string), &id)
		must(c.t, err)
		ids = append(ids, id)
	}
	return ackID, ids, records
}

func (c *wsClient) ready() {
	c.t.Helper()
	if got := c.read(); !strings.HasPrefix(got, `42/demo,["ok",`) {
		c.t.Fatalf("got %.200q, want ok", got)
	}
}

func (c *wsClient) wantMail(want ...int64) (ackID string) {
	c.t.Helper()
	ackID, ids, _ := c.mail()
	if !slices.Equal(ids, want) {
		c.t.Fatalf("offered %v, want %v", ids, want)
	}
	return ackID
}

func TestOfflineMessage(t *testing.T) {
	for _, eio := range []int{3, 4} {
		t.Run(fmt.Sprint("EIO ", eio), func(t *testing.T) {
			n, _ := newCluster(t).inboxNode("n1")
			n.offline()
			var ids []int64
			for i := range 4 {
				ids = append(ids, n.keep(fmt.Sprintf(`{"n":%d,"apsData":{"aps":{"alert":"a"}}}`, i), 10))
			}

			c := n.open(eio, phoneAs)
			_, got, records := c.mail()
			if !slices.Equal(got, ids) {
				t.Fatalf("offered %v, want %v: the oldest first", got, ids)
			}
			data, _ := json.Marshal(records[2]["pushData"])
			if string(data) != `{"apsData":{"aps":{"alert":"a"}},"n":2}` || records[2]["room"] != "user_u" || records[2]["leaveMessage"] != "true" {
				t.Errorf("record %v", records[2])
			}
			c.ready()
			// Never acked: the same again, also behind a proper goodbye.
			c.send("41/demo,")
			n.eventually("the phone to be gone", func() bool { return n.hub.Devices() == 0 })
			c = n.open(eio, phoneAs)
			c.wantMail(ids...)
			c.ready()

			// ackPush takes out what it names, as number and as text.
			c.send(fmt.Sprintf(`42/demo,["ackPush",{"id":%d}]`, ids[1]), fmt.Sprintf(`42/demo,["ackPush",{"id":"%d"}]`, ids[3]))
			n.eventually("two to be left", func() bool { return slices.Equal(n.waiting(), []int64{ids[0], ids[2]}) })
			// A newer connection is offered the rest, and acks it natively.
			c = n.open(eio, phoneAs)
			ackID := c.wantMail(ids[0], ids[2])
			c.ready()
			c.send("43/demo," + ackID + "[]")
			n.eventually("nothing to be left", func() bool { return len(n.waiting()) == 0 })
			c = n.join(eio, phoneAs) // ok comes first
			for i, id := range ids {
				if r := n.record(id); r["ackCount"] != "1" || r["ackAndroidCount"] != "1" {
					t.Errorf("message %d: %v", i, r)
				}
				_, fates, err := n.store.Marks(context.Background(), id, client.Android, []string{phone})
				if err != nil || fates[0].State != push.StateDelivered {
					t.Errorf("message %d: fate %+v, %v", i, fates, err)
				}
			}
			_ = c.conn.Close()
		})
	}
}

func TestInboxDropped(t *testing.T) {
	for _, how := range []string{"native", "ackPush", "mail"} {
		t.Run(how, func(t *testing.T) {
			n, _ := newCluster(t).inboxNode("n1")
			n.offline()
			var ids []int64
			for range 5 {
				ids = append(ids, n.keep(`{}`, 2))
			}
			c := n.open(3, phoneAs)
			told := c.read()
			ackID, ok := strings.CutSuffix(strings.TrimPrefix(told, "42/demo,"), `["inboxDropped",{"dropped":3}]`)
			if !ok {
				t.Fatalf("told %q", told)
			}
			mailID := c.wantMail(ids[3:]...)
			c.ready()
			switch how {
			case "native":
				c.send("43/demo," + ackID + "[]")
			case "ackPush":
				c.send(fmt.Sprintf(`42/demo,["ackPush",{"id":%d}]`, ids[4]))
			case "mail":
				c.send("43/demo," + mailID + "[]")
			}
			n.eventually("the phone to be known as told", func() bool {
				page, err := n.store.Inbox(context.Background(), inbox.Query{Namespace: "/demo", ClientID: phone, Count: 1, Bytes: 1})
				return err == nil && page.Dropped == 0
			})
			left := map[string]int{"native": 2, "ackPush": 1, "mail": 0}[how]
			n.eventually("the rest to wait", func() bool { return len(n.waiting()) == left })
		})
	}
}

// A client that never confirms is told again, with the sum.
func TestInboxDroppedUnconfirmed(t *testing.T) {
	n, _ := newCluster(t).inboxNode("n1")
	n.offline()
	var last int64
	for i := range 3 {
		last = n.keep(`{}`, 1)
		if i == 0 {
			continue
		}
		c := n.open(4, phoneAs)
		if told := c.read(); !strings.HasSuffix(told, fmt.Sprintf(`["inboxDropped",{"dropped":%d}]`, i)) {
			t.Fatalf("told %q", told)
		}
		c.wantMail(last)
		c.ready()
		_ = c.conn.Close()
		n.eventually("the phone to be gone", func() bool { return n.hub.Devices() == 0 })
	}
}

func TestInboxLeavesInParts(t *testing.T) {
	n, _ := newCluster(t).inboxNode("n1")
	n.offline()
	var ids []int64
	for range 2*inboxCount + 30 {
		ids = append(ids, n.keep(`{}`, 1000))
	}
	c := n.open(3, phoneAs)
	for from := 0; from < len(ids); from += inboxCount {
		c.wantMail(ids[from:min(from+inboxCount, len(ids))]...)
	}
	c.ready()
}

// TestLargeInbox: what does not fit before ok follows when the client has
// acked, or after a pause.
func TestLargeInbox(t *testing.T) {
	for _, acks := range []bool{true, false} {
		t.Run(fmt.Sprint("acks ", acks), func(t *testing.T) {
			t.Parallel()
			n, _ := newCluster(t).inboxNode("n1")
			n.offline()
			var ids []int64
			for range 6 {
				ids = append(ids, n.keep(`{"x":"`+strings.Repeat("x", inboxBytes)+`"}`, 1000))
			}
			c := n.open(4, phoneAs)
			var got []int64
			ready := 0
			for len(got) < len(ids) {
				frame := c.read()
				if strings.HasPrefix(frame, `42/demo,["ok",`) {
					ready = len(got)
					continue
				}
				ackID, some, _ := c.mailIn(frame)
				if len(some) != 1 {
					t.Fatalf("%d messages of %d bytes in one event", len(some), inboxBytes)
				}
				got = append(got, some...)
				if acks {
					c.send("43/demo," + ackID + "[]")
				}
			}
			if !slices.Equal(got, ids) || ready == 0 || ready == len(ids) {
				t.Errorf("offered %v, %d of them before ok; want %v", got, ready, ids)
			}
			if acks {
				n.eventually("the inbox to be empty", func() bool { return len(n.waiting()) == 0 })
			}
		})
	}
}

// TestLiveAndInbox: the worker may send live what the connect has offered, or
// the other way round; the client gets it once.
func TestLiveAndInbox(t *testing.T) {
	n, _ := newCluster(t).inboxNode("n1")
	n.offline()
	first := n.keep(`{"n":1}`, 10)
	c := n.open(4, phoneAs)
	c.wantMail(first)
	c.ready()
	direct := func(id int64) {
		m, err := n.store.Message(context.Background(), id)
		must(t, err)
		p := n.place(id, 10)
		must(t, n.store.Direct(context.Background(), m, []string{phone}, []string{p.Node}))
	}
	ns, _ := n.namespaces.Get("/demo")
	leave := true
	second, err := push.NewService(n.committer, nil).Push(context.Background(), ns, push.Request{
		Room: "nobody", PushData: json.RawMessage(`{"n":2}`), ExpireHours: 1, LeaveMessage: &leave,
	})
	must(t, err)
	direct(first)
	direct(second)
	direct(second)
	third := n.push("user_u", `{"n":3}`)
	for _, want := range []int64{second, third} {
		if _, data := payload(t, c.read(), "push"); data["id"] != float64(want) {
			t.Fatalf("got push %v, want %d: the first was offered, the second came twice", data["id"], want)
		}
	}
	// Not acked, so both wait for the next connect.
	c = n.open(4, phoneAs)
	c.wantMail(first, second)
	c.ready()
	// A device that left the room, or was never in it, may confirm what it was offered.
	c.send(fmt.Sprintf(`42/demo,["ackPush",{"ids":[%d,%d]}]`, first, second))
	n.eventually("the first to be taken out", func() bool { return !slices.Contains(n.waiting(), first) })
}

func TestInboxOnlyOfItsPlatforms(t *testing.T) {
	n, w := newCluster(t).inboxNode("n1")
	for _, platform := range []string{"web", "ios"} {
		n.join(3, "uuid=p&userid=u&platform="+platform)
	}
	if w.entered.Load()+w.read.Load() != 0 {
		t.Error("the inbox of a device without one was asked for")
	}
	n.join(3, phoneAs)
	if w.entered.Load() != 1 || w.read.Load() != 0 {
		t.Errorf("an empty inbox: %d entries, %d reads", w.entered.Load(), w.read.Load())
	}
}

// A client is not let in without its inbox: its own back-off brings it back.
func TestInboxUnavailable(t *testing.T) {
	n, w := newCluster(t).inboxNode("n1")
	n.offline()
	id := n.keep(`{}`, 10)
	w.broken.Store(true)
	c := n.dial(4, phoneAs)
	c.send("40/demo,")
	c.expect(`44/demo,{"message":"service unavailable"}`)
	if got := c.read(); got != "closed" {
		t.Errorf("got %q, want the connection to be closed", got)
	}
	n.eventually("the refused connection to leave nothing", func() bool { return n.hub.Devices() == 0 })
	w.broken.Store(false)
	c = n.open(4, phoneAs)
	c.wantMail(id)
	c.ready()
}

func TestInboxAfterResync(t *testing.T) {
	cl := newCluster(t)
	n, _ := cl.inboxNode("n1")
	c := n.join(4, phoneAs)
	n.sweep("n1")
	id := n.keep(`{}`, 10)
	n.hub.Resync(context.Background())
	if _, ids, _ := c.mail(); !slices.Equal(ids, []int64{id}) {
		t.Errorf("offered %v, want %d", ids, id)
	}
}

// TestInboxAndRecovery: what a recovered session gets replayed is not offered
// by the inbox too.
func TestInboxAndRecovery(t *testing.T) {
	cl := newRecoveryCluster(t)
	n, _ := cl.inboxNode("n1")
	c, k := n.enter(phoneAs)
	_ = c.conn.Close()
	n.gone(c)
	ids := []int64{n.keep(`{"n":1}`, 10), n.keep(`{"n":2}`, 10)}
	again, missed := n.back(phoneAs, k)
	if !slices.Equal(missed, []int{1, 2}) {
		t.Fatalf("missed %v", missed)
	}
	again.send(fmt.Sprintf(`42/demo,["ackPush",{"ids":[%d,%d]}]`, ids[0], ids[1]))
	n.eventually("the inbox to be empty", func() bool { return len(n.waiting()) == 0 })
}

func TestMailboxForgets(t *testing.T) {
	b := &mailbox{}
	entries := func(ids ...int64) (list []inbox.Entry) {
		for _, id := range ids {
			list = append(list, inbox.Entry{ID: id})
		}
		return list
	}
	if got := b.fresh(entries(1, 2, 1)); len(got) != 2 {
		t.Errorf("%v is fresh", got)
	}
	if got := b.fresh(entries(2, 3)); len(got) != 1 || got[0].ID != 3 {
		t.Errorf("%v is fresh", got)
	}
	b.clear()
	if got := b.fresh(entries(2)); len(got) != 1 {
		t.Errorf("%v is fresh after a while", got)
	}
	b.forget.Stop()
	if inboxPause < time.Second {
		t.Error("a client has no time to ack")
	}
}
