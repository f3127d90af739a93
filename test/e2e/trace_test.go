//go:build e2e

package e2e

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/test/apnsgateway"
)

// trace is the answer of /api/auth/message/:id/trace.
type trace struct {
	Message struct {
		ID               string
		Acked, Delivered int64
		ExpireAt         int64
	}
	Time     int64
	Timeline []traceEvent
	Devices  []tracedDevice
	Cursor   string
}

type traceEvent struct {
	At                            int64
	Event, Node, ClientID, Detail string
	Count                         int64
}

type tracedDevice struct {
	ClientID, UserID, State, Node, Rule, Explanation, Reason string
	Online                                                   bool
	At, Since                                                int64
	Steps                                                    []struct {
		At            int64
		Event, Detail string
	}
}

func (d tracedDevice) steps() string {
	var list []string
	for _, s := range d.Steps {
		list = append(list, s.Event)
	}
	return strings.Join(list, " ")
}

func (a *api) trace(id int64, query string) (tr trace, err error) {
	return tr, a.tryGet(fmt.Sprintf("/api/auth/message/%d/trace%s", id, query), &tr)
}

// TestTrace: a message to a device that acks, one that does not, one with an inbox and one at APNs; then the one with
// the inbox returns.
func TestTrace(t *testing.T) {
	t.Run("all-in-one", func(t *testing.T) {
		g, env := startGateway(t, func(apnsgateway.Request) apnsgateway.Answer { return apnsgateway.Answer{} })
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, "LIGHTPUSH_SECRET_KEY=") }) // it has its own
		testTrace(t, launchAllInOne(t, t.TempDir(), curlLine, nil, env...).deployment, g)
	})
	t.Run("connector+logic", func(t *testing.T) {
		g, env := startGateway(t, func(apnsgateway.Request) apnsgateway.Answer { return apnsgateway.Answer{} })
		testTrace(t, startRoles(t, 2, 2, env...), g)
	})
}

func testTrace(t *testing.T, d *deployment, g *apnsgateway.Gateway) {
	d.defaultProfile(t)
	ns, api := d.namespace.name, d.api(t, 0)
	r := rig{drv: startNode(t), lib: "v4", mode: modes[0], url: d.sockets[0], namespace: ns, api: api}
	far := r
	far.url = d.sockets[len(d.sockets)-1] // another node, if there is one
	acks, silent := identity{"a1", "ann", "web"}, identity{"b1", "bob", "web"}
	phone, apple := identity{"c1", "cem", "android"}, identity{"d1", "dan", "ios"}
	r.visit(t, "phone", phone, "trace")
	r.visit(t, "apple", apple, "trace")
	api.post("/api/auth/client", map[string]any{"id": apple.clientID(ns), "device_token": "aa01"}, 204)
	join := emission{Event: "joinRoom", Args: []any{"trace"}, Ack: "join"}
	r.open(t, "acks", acks, false, "event", join)
	far.open(t, "silent", silent, false, "", join)
	for c, id := range map[string]identity{"acks": acks, "silent": silent} {
		r.drv.connected(t, c, id.clientID(ns))
		r.drv.wantOK(t, c, "join")
	}

	id := api.leave("trace", map[string]any{"m": 1, "apsData": map[string]any{"aps": map[string]any{"alert": "hey"}}}, nil)
	api.waitStates(id, "acked ann#web-a1; apns dan#ios-d1; inbox cem#android-c1; online bob#web-b1")
	var got trace
	nodes := min(len(d.sockets), 2)
	eventually(t, eventTimeout, "the trace of a message that is decided", func() (err error) {
		if got, err = api.trace(id, ""); err != nil {
			return err
		}
		written := 0
		for _, e := range got.Timeline {
			if e.Event == "written" {
				written++
			}
		}
		if !slices.ContainsFunc(got.Timeline, func(e traceEvent) bool {
			return e.Event == "decided"
		}) || written != nodes {
			return fmt.Errorf("%+v", got.Timeline)
		}
		return nil
	})
	wantTimeline(t, &got, id, nodes)

	byID := map[string]tracedDevice{}
	for _, dev := range got.Devices {
		byID[dev.ClientID] = dev
	}
	for _, want := range []struct {
		id                         identity
		state, rule, steps, detail string
		online                     bool
	}{
		{acks, "acked", "acked", "written acked", "", true},
		{silent, "online", "unacked", "written", "", true},
		{phone, "inbox", "inbox", "inbox", "", false},
		{apple, "apns", "apns", "apns", g.Requests()[0].Header.Get("apns-id"), false},
	} {
		dev := byID[want.id.clientID(ns)]
		if dev.State != want.state || dev.Rule != want.rule || dev.steps() != want.steps || dev.UserID != want.id.userid || dev.Online != want.online ||
			(dev.Node != "") != want.online || dev.Explanation == "" {
			t.Errorf("device %+v, want %+v", dev, want)
			continue
		}
		if want.detail != "" && dev.Steps[0].Detail != want.detail {
			t.Errorf("device %+v, want %q", dev, want.detail)
		}
		if want.state != "online" && (dev.At < got.Timeline[0].At || dev.At > got.Time) {
			t.Errorf("device %+v: its time is not between %d and %d", dev, got.Timeline[0].At, got.Time)
		}
	}
	if len(got.Devices) != 4 || got.Cursor != "" {
		t.Errorf("%d devices, cursor %q", len(got.Devices), got.Cursor)
	}

	// The phone comes back, and its ack ends the wait in the inbox.
	r.wantBack(t, "phone", phone, "event", id)
	api.waitStates(id, "acked ann#web-a1; apns dan#ios-d1; delivered cem#android-c1; online bob#web-b1")
	one, err := api.trace(id, "?clientId="+url.QueryEscape(phone.clientID(ns)))
	if err != nil || len(one.Devices) != 1 {
		t.Fatalf("%+v %v", one, err)
	}
	dev := one.Devices[0]
	if steps := dev.steps(); (steps != "inbox acked delivered" && steps != "inbox delivered acked") || dev.Rule != "inbox_acked" || one.Message.Acked != 2 {
		t.Errorf("the phone: %+v", dev)
	}
	if own := slices.DeleteFunc(slices.Clone(one.Timeline), func(e traceEvent) bool {
		return e.ClientID == ""
	}); len(own) != 3 {
		t.Errorf("the phone in the timeline: %+v", own)
	}

	var page struct {
		Devices []struct{ ID string }
		List    []struct {
			ID, Room string
			Devices  []struct {
				ClientID, State string
				At              int64
			}
		}
	}
	api.get("/api/auth/user/cem/messages", &page)
	if len(page.Devices) != 1 || len(page.List) != 1 || page.List[0].ID != fmt.Sprint(id) || len(page.List[0].Devices) != 1 ||
		page.List[0].Devices[0].State != "delivered" || page.List[0].Devices[0].At != dev.At {
		t.Errorf("messages of the user: %+v", page)
	}
}

// wantTimeline: everything happened, in the order it must.
func wantTimeline(t *testing.T, got *trace, id int64, nodes int) {
	t.Helper()
	if got.Message.ID != fmt.Sprint(id) || got.Message.Acked != 1 || got.Message.Delivered != 2 || got.Message.ExpireAt <= got.Time {
		t.Errorf("message %+v", got.Message)
	}
	at, count := map[string]int64{}, map[string]int64{}
	last := int64(0)
	for _, e := range got.Timeline {
		if e.At < last {
			t.Errorf("not by time: %+v", got.Timeline)
		}
		last = e.At
		if _, known := at[e.Event]; !known {
			at[e.Event] = e.At
		}
		count[e.Event] += max(e.Count, 1)
		if (e.Event == "written") != (e.Node != "") && e.Event != "written_last" {
			t.Errorf("event %+v", e)
		}
	}
	order := []string{"accepted", "stored", "routed", "queued", "written", "ack_first", "provider_first", "decided", "expires"}
	for i, event := range order {
		if at[event] == 0 {
			t.Errorf("no %s in %+v", event, got.Timeline)
		} else if i > 0 && cmp.Compare(at[order[i-1]], at[event]) > 0 {
			t.Errorf("%s at %d, %s at %d", order[i-1], at[order[i-1]], event, at[event])
		}
	}
	if count["routed"] != int64(nodes) || count["written"] != 2 || count["ack_first"] != 1 || count["provider_first"] != 1 {
		t.Errorf("counts %v in %+v", count, got.Timeline)
	}
}
