package session

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// recorder counts what an Observer hears.
type recorder struct {
	mu     sync.Mutex
	events map[string]int
	late   time.Duration // the greatest
}

func (r *recorder) add(n int, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		r.events = map[string]int{}
	}
	r.events[fmt.Sprintf(format, args...)] += n
}

func (r *recorder) of(event string) int { return r.counts()[event] }

func (r *recorder) counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.events)
}

func (r *recorder) Connected(platform string, recovered bool) {
	r.add(1, "connected %s %v", platform, recovered)
}
func (r *recorder) Refused(reason string)       { r.add(1, "refused %s", reason) }
func (r *recorder) Delivered(way string, n int) { r.add(n, "delivered %s", way) }
func (r *recorder) Acked(platform string)       { r.add(1, "acked %s", platform) }
func (r *recorder) Dropped(cause string)        { r.add(1, "dropped %s", cause) }
func (r *recorder) Written(after time.Duration) {
	r.add(1, "written")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late = max(r.late, after)
}

func TestObserver(t *testing.T) {
	seen := &recorder{}
	n := newCluster(t).node("a", func(o *Options) { o.Observer = seen })
	n.namespace("/demo", nil)
	for _, c := range []struct{ namespace, query, reason string }{
		{"/nowhere", "uuid=a", "this namespace not found"},
		{"/demo", "uuid=", "uuid invalid"},
		{"/demo", "uuid=a&platform=fridge", "platform invalid"},
	} {
		refused := n.dial(4, c.query)
		refused.send("40" + c.namespace + ",")
		if got := refused.read(); !strings.Contains(got, c.reason) {
			t.Fatalf("%s: %s", c.reason, got)
		}
		if seen.of("refused "+c.reason) != 1 {
			t.Errorf("%s is not counted: %v", c.reason, seen.counts())
		}
	}
	phone, browser := n.join(3, "uuid=p&userid=u&platform=ios"), n.join(4, "uuid=b&userid=u")
	if n.hub.DevicesOn(client.IOS) != 1 || n.hub.DevicesOn(client.Web) != 1 || n.hub.DevicesOn(client.Android) != 0 {
		t.Error("devices by platform")
	}
	n.push("user_u", `{"sendDate":1,"x":"\",\"sendDate\":2"}`)
	n.push("nobody", `{}`)
	id, _ := payload(t, browser.read(), "push")
	payload(t, phone.read(), "push")
	browser.send("43/demo," + id + "[]")
	n.eventually("the ack is counted", func() bool { return seen.of("acked web") == 1 })
	n.eventually("the delivery is observed", func() bool { return seen.of("written") > 0 })
	second := n.join(4, "uuid=b&userid=u") // takes the place of the browser
	second.send("41/demo,")
	n.eventually("the browser is gone", func() bool { return n.hub.DevicesOn(client.Web) == 0 })
	if n.hub.Devices() != 1 {
		t.Errorf("%d devices", n.hub.Devices())
	}
	want := map[string]int{
		"refused this namespace not found": 1, "refused uuid invalid": 1, "refused platform invalid": 1,
		"connected ios false": 1, "connected web false": 2, "delivered live": 2, "written": 1, "acked web": 1,
	}
	if got := seen.counts(); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if seen.late < 0 || seen.late > time.Minute {
		t.Errorf("delivered after %v", seen.late)
	}
}

// TestObserverInbox: kept messages, and those of a recovered session.
func TestObserverInbox(t *testing.T) {
	seen := &recorder{}
	c := newCluster(t)
	n, w := c.inboxNode("a")
	other := c.node("b", func(o *Options) {
		o.Observer, o.Inbox, o.InboxPlatforms = seen, w, []string{client.Android}
	})
	must(t, other.namespaces.Reload(t.Context()))
	n.join(4, phoneAs).send("41/demo,")
	n.eventually("the phone is gone", func() bool { return n.hub.Devices() == 0 })
	n.keep(`{"a":1}`, 10)
	n.keep(`{"a":2}`, 10)
	back := other.dial(4, phoneAs)
	back.send("40/demo,")
	if got := back.read(); !strings.HasPrefix(got, "40/demo,") {
		t.Fatal(got)
	}
	other.eventually("the inbox is counted", func() bool { return seen.of("delivered inbox") == 2 })
}

// TestAcceptedAt: the time is that of the message, whatever its data holds.
func TestAcceptedAt(t *testing.T) {
	text := func(s string) *string { return &s }
	yes := true
	for _, data := range []string{`{}`, `{"sendDate":7}`, `{"a":{"b":1,"sendDate":8}}`, `[1,"sendDate",{"x":",\"sendDate\":9"}]`} {
		m := push.Message{
			ID: 5, Namespace: "/demo", Room: `r,"sendDate":6`, PushData: json.RawMessage(data), SendDate: 1_700_000_000_123, Expire: "1",
			LeaveMessage: &yes, From: text(`,"sendDate":3`), Extra: text(`{"a":1,"sendDate":4}`), Except: text("x"), APNsName: text("y"),
		}
		for _, full := range []bool{false, true} {
			if got := acceptedAt(m.Event(full)); got != m.SendDate {
				t.Errorf("%s, full %v: %d", data, full, got)
			}
		}
	}
	for _, none := range []string{``, `{}`, `{"id":1}`, `{"a":1,"sendDate":"x"}`} {
		if got := acceptedAt([]byte(none)); got != 0 {
			t.Errorf("%s: %d", none, got)
		}
	}
}

// BenchmarkWritten is what observing costs a message that comes alone, and one of a hundred that leave together.
func BenchmarkWritten(b *testing.B) {
	m := push.Message{ID: 5, Namespace: "/demo", Room: "r", PushData: json.RawMessage(`{"text":"` + strings.Repeat("x", 1000) + `"}`), SendDate: time.Now().UnixMilli()}
	event := m.Event(false)
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("of %d", batch), func(b *testing.B) {
			h := &Hub{opts: Options{Observer: NopObserver{}}}
			for n := 1; b.Loop(); n++ {
				h.leaving = append(h.leaving, acceptedAt(event))
				if n%batch == 0 {
					h.written()
				}
			}
		})
	}
}
