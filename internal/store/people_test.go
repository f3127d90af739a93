package store

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

// eventsIn are the events in a node's stream, as "name payload".
func eventsIn(t *testing.T, s *Store, node string) (list []string) {
	t.Helper()
	for _, e := range must[[]redis.XMessage](t)(s.rdb.XRange(t.Context(), bus.StreamKey(s.opt.Prefix, node), "-", "+").Result()) {
		if text, ok := e.Values["e"].(string); ok {
			event := must[room.Event](t)(bus.DecodeEvent(text))
			if !strings.Contains(string(event.Payload), `"sid":"`+event.Except+`"`) {
				t.Errorf("event of %s excepts %s", event.Payload, event.Except)
			}
			list = append(list, event.Name+" "+string(event.Payload))
		}
	}
	return list
}

// announcing enters a device that wants to be announced.
func announcing(t *testing.T, s *Store, user, node string, rooms ...string) client.Member {
	t.Helper()
	id := client.Identity{Namespace: "/a", UserID: user, Platform: client.Web, UUID: "1"}
	m := client.Member{Namespace: "/a", ClientID: id.ID(), UserID: user, Platform: client.Web, Node: node, Announce: "uu"}
	m.Gen = must[client.Claim](t)(s.Claim(t.Context(), m)).Gen
	check(t, s.Enter(t.Context(), m, rooms))
	return m
}

func TestPeople(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, func(o *Options) { o.PeopleMax = 4 })
		ctx := t.Context()
		stream(t, s, "n1")
		stream(t, s, "n2")
		device(t, s, "/a", "watch1", client.Web, "n1", "r", "large")
		device(t, s, "/a", "watch2", client.Web, "n2", "r", "large")
		device(t, s, "/a", "watch3", client.Web, "n2", "large")
		device(t, s, "/a", "watch4", client.Web, "n2", "large")
		device(t, s, "/a", "watch5", client.Web, "n2", "large")
		told := 0
		expect := func(what string, want ...string) {
			t.Helper()
			marker := announcing(t, s, fmt.Sprint("marker", told), "n2", "r")
			check(t, s.Release(ctx, marker, []string{"r"}, client.ReasonNetwork, false))
			told++
			var got []string
			eventually(t, what, func() bool {
				got = eventsIn(t, s, "n1")
				last := len(got) - 1
				return last >= 0 && strings.Contains(got[last], marker.ClientID) && strings.HasPrefix(got[last], "peopleLeave")
			})
			got = got[:len(got)-1]
			if last := len(got) - 1; last >= 0 && strings.Contains(got[last], marker.ClientID) {
				got = got[:last] // it may have come and gone too fast to be told
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
			check(t, s.rdb.XTrimMaxLen(ctx, bus.StreamKey(s.opt.Prefix, "n1"), 0).Err())
		}
		join := func(user, room string) string {
			return fmt.Sprintf(`peopleJoin {"sid":"/a#%s#web-1","uuid":"uu","userid":"%s","room":"%s"}`, user, user, room)
		}
		leave := func(user, room string, offline bool) string {
			return fmt.Sprintf(`peopleLeave {"sid":"/a#%s#web-1","uuid":"uu","userid":"%s","room":"%s","clientOffline":%v}`, user, user, room, offline)
		}
		device(t, s, "/a", "quiet", client.Web, "n1")
		m := announcing(t, s, "ann", "n2", "large", "r")
		expect("enter", join("ann", "r"))
		check(t, s.Join(ctx, m, []string{"r"}))
		expect("joined already")
		check(t, s.Leave(ctx, m, []string{"r", "never"}))
		expect("leave", leave("ann", "r", false))
		check(t, s.Leave(ctx, m, []string{"r"}))
		expect("left already")
		check(t, s.Join(ctx, m, []string{"r"}))
		expect("join", join("ann", "r"))

		again := announcing(t, s, "ann", "n1", "r") // the newest wins
		check(t, s.Release(ctx, m, []string{"r", "large"}, client.ReasonNetwork, false))
		expect("take-over")
		check(t, s.Release(ctx, again, []string{"r"}, client.ReasonNetwork, false))
		expect("offline", leave("ann", "r", true))
		check(t, s.Release(ctx, again, []string{"r"}, client.ReasonNetwork, false))
		expect("released again")

		swept := announcing(t, s, "ann", "n3", "r") // its node dies
		expect("back", join("ann", "r"))
		silent := device(t, s, "/a", "silent", client.Web, "n3", "r")
		swept.Announce = "" // the sweep reads it from the record
		check(t, s.Expel(ctx, []client.Member{swept, silent}, client.ReasonNetwork))
		expect("swept", leave("ann", "r", true))
		plain := device(t, s, "/a", "ann", client.Web, "n3", "r") // without wanting it, this time
		check(t, s.Expel(ctx, []client.Member{plain}, client.ReasonNetwork))
		expect("swept without wanting it")
	})
}

// TestPeopleOff holds that nothing is told, or remembered, when announcements
// are switched off.
func TestPeopleOff(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		stream(t, s, "n1")
		device(t, s, "/a", "watch", client.Web, "n1", "r")
		m := announcing(t, s, "ann", "n1", "r")
		check(t, s.Leave(t.Context(), m, []string{"r"}))
		check(t, s.Expel(t.Context(), []client.Member{m}, client.ReasonNetwork))
		check(t, s.Close())
	})
}

// TestPeopleStorm holds that what waits is bounded, and that the loss is told
// once.
func TestPeopleStorm(t *testing.T) {
	var failures atomic.Int64
	s := &Store{opt: Options{PeopleMax: 1, OnError: func(error) { failures.Add(1) }}}
	p := &people{store: s, wake: make(chan struct{}, 1)}
	for range announceMax + 100 {
		p.add(announcement{})
	}
	if len(p.waiting) != announceMax || failures.Load() != 1 {
		t.Errorf("%d wait, %d reports", len(p.waiting), failures.Load())
	}
}
