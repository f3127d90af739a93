package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/inbox"
	"github.com/lightpush/lightpush/internal/push"
)

// kept is a message with leaveMessage.
func kept(ns, room string) *push.Message {
	m := message(ns, room)
	m.LeaveMessage = ptr(true)
	return m
}

func accept(t testing.TB, s *Store, list ...*push.Message) {
	t.Helper()
	check(t, s.Accept(t.Context(), list))
}

func ids(page inbox.Page) (list []int64) {
	for _, e := range page.Entries {
		list = append(list, e.ID)
	}
	return list
}

func TestInbox(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := device(t, s, "/a", "u", client.Android, "n1", "r")
		check(t, s.Release(ctx, m, []string{"r"}, client.ReasonNetwork, false))
		all := inbox.Query{Namespace: "/a", ClientID: m.ClientID, Count: 10, Bytes: 1 << 20}
		if page := must[inbox.Page](t)(s.Inbox(ctx, all)); len(page.Entries) != 0 || page.More || page.Dropped != 0 {
			t.Errorf("an inbox nobody used: %+v", page)
		}
		var list []*push.Message
		for i := range 5 {
			msg := kept("/a", "r")
			msg.PushData = json.RawMessage(fmt.Sprintf(`{"n":%d,"apsData":{"aps":{}}}`, i))
			msg.Extra = ptr("<é\"\u2028>")
			list = append(list, msg)
		}
		accept(t, s, list...)
		place := func(msg *push.Message, limit int) push.Placed {
			t.Helper()
			return must[[]push.Placed](t)(s.Place(ctx, msg, []string{m.ClientID}, limit))[0]
		}
		for _, i := range []int{1, 0, 2, 1, 3} { // out of order, and one twice
			if p := place(list[i], 10); p != (push.Placed{Known: true}) {
				t.Errorf("message %d: %+v", i, p)
			}
		}
		page := must[inbox.Page](t)(s.Inbox(ctx, all))
		want := []int64{list[0].ID, list[1].ID, list[2].ID, list[3].ID}
		if !slices.Equal(ids(page), want) || page.More || page.Last != want[3] {
			t.Fatalf("inbox %v (more %v, last %d), want %v", ids(page), page.More, page.Last, want)
		}
		var record map[string]any
		check(t, json.Unmarshal(page.Entries[2].Record, &record))
		data, _ := json.Marshal(record["pushData"])
		if string(data) != `{"apsData":{"aps":{}},"n":2}` || record["id"] != fmt.Sprint(list[2].ID) || record["extra"] != "<é\"\u2028>" ||
			record["leaveMessage"] != "true" || record["ackCount"] != "0" || record["room"] != "r" || record["namespace"] != "/a" {
			t.Errorf("record %s", page.Entries[2].Record)
		}
		if _, ok := record["expireAt"]; ok {
			t.Errorf("internal fields show: %s", page.Entries[2].Record)
		}

		// In pages, by count and by bytes.
		q := all
		q.Count = 3
		page = must[inbox.Page](t)(s.Inbox(ctx, q))
		if !slices.Equal(ids(page), want[:3]) || !page.More {
			t.Errorf("first page %v, more %v", ids(page), page.More)
		}
		q.After = page.Last
		if page = must[inbox.Page](t)(s.Inbox(ctx, q)); !slices.Equal(ids(page), want[3:]) || page.More {
			t.Errorf("second page %v, more %v", ids(page), page.More)
		}
		q = all
		q.Bytes = 1
		if page = must[inbox.Page](t)(s.Inbox(ctx, q)); !slices.Equal(ids(page), want[:1]) || !page.More {
			t.Errorf("page of a byte %v, more %v", ids(page), page.More)
		}

		// Acks take entries out, and only those they name.
		check(t, s.Settle(ctx, list[1].ID, push.Run{}, []push.Settled{{ClientID: m.ClientID, Fate: push.Fate{State: push.StateInbox, At: 1}}}))
		ack := func(msg *push.Message) push.Ack {
			return push.Ack{MessageID: msg.ID, Namespace: "/a", ClientID: m.ClientID, Platform: m.Platform}
		}
		acks := []push.Ack{ack(list[1]), ack(list[4])}
		check(t, s.Record(ctx, []push.ReceiptBatch{{MessageID: list[1].ID, Acks: acks[:1]}}))
		check(t, s.Collect(ctx, acks, []int64{list[1].ExpireAt, list[4].ExpireAt}))
		if page = must[inbox.Page](t)(s.Inbox(ctx, all)); !slices.Equal(ids(page), []int64{want[0], want[2], want[3]}) {
			t.Errorf("after the ack %v", ids(page))
		}
		_, fates, err := s.Marks(ctx, list[1].ID, client.Android, []string{m.ClientID})
		if err != nil || fates[0].State != push.StateDelivered {
			t.Errorf("fate of what was acked: %+v, %v", fates, err)
		}
		if _, fates, _ = s.Marks(ctx, list[4].ID, client.Android, []string{m.ClientID}); fates[0].State != "" {
			t.Errorf("fate of what was in no inbox: %+v", fates)
		}

		// A full inbox loses its oldest, and what was lost is told once.
		if p := place(list[4], 2); p.Dropped != 2 {
			t.Errorf("dropped %+v, want 2", p)
		}
		page = must[inbox.Page](t)(s.Inbox(ctx, all))
		if !slices.Equal(ids(page), []int64{want[3], list[4].ID}) || page.Dropped != 2 {
			t.Errorf("after the overflow %v, dropped %d", ids(page), page.Dropped)
		}
		again := device(t, s, "/a", "u", client.Android, "n2", "r")
		waiting, err := s.EnterInbox(ctx, again, []string{"r"})
		if err != nil || !waiting {
			t.Errorf("entered: waiting %v, %v", waiting, err)
		}
		if p := place(list[4], 2); p.Node != "n2" || p.Gen != again.Gen || p.Dropped != 0 {
			t.Errorf("placed for a connected device: %+v", p)
		}
		check(t, s.Unplace(ctx, list[3], []string{m.ClientID}))
		check(t, s.Unplace(ctx, list[4], []string{m.ClientID}))
		if waiting, err = s.EnterInbox(ctx, again, nil); err != nil || !waiting {
			t.Errorf("an empty inbox that lost something: waiting %v, %v", waiting, err)
		}
		check(t, s.Told(ctx, "/a", m.ClientID, 1))
		if page = must[inbox.Page](t)(s.Inbox(ctx, all)); page.Dropped != 1 || len(page.Entries) != 0 {
			t.Errorf("after one was told: %+v", page)
		}
		check(t, s.Told(ctx, "/a", m.ClientID, 1))
		if waiting, err = s.EnterInbox(ctx, again, nil); err != nil || waiting {
			t.Errorf("nothing is left: waiting %v, %v", waiting, err)
		}
	})
}

func TestInboxOfTheUnknown(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		msg := kept("/a", "r")
		accept(t, s, msg)
		if p := must[[]push.Placed](t)(s.Place(ctx, msg, []string{"/a#nobody#android-1"}, 10)); p[0].Known {
			t.Errorf("placed %+v", p)
		}
		check(t, s.Told(ctx, "/a", "/a#nobody#android-1", 3))
		for _, key := range keysLeft(t, s) {
			if strings.Contains(key, "nobody") {
				t.Errorf("key %s came to be", key)
			}
		}
	})
}

// TestInboxExpiry: an entry goes with its message, takes nobody's place, and
// does not count as dropped; and the key goes with its last entry.
func TestInboxExpiry(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := device(t, s, "/a", "u", client.Android, "n1", "r")
		live, gone, other := kept("/a", "r"), kept("/a", "r"), kept("/a", "r")
		accept(t, s, live, gone, other)
		past := *gone
		past.ExpireAt = time.Now().Add(-time.Second).UnixMilli()
		check(t, s.rdb.Del(ctx, s.keys.message(fmt.Sprint(gone.ID))).Err())
		for _, msg := range []*push.Message{live, &past} {
			must[[]push.Placed](t)(s.Place(ctx, msg, []string{m.ClientID}, 2))
		}
		q := inbox.Query{Namespace: "/a", ClientID: m.ClientID, Count: 10, Bytes: 1 << 20}
		if page := must[inbox.Page](t)(s.Inbox(ctx, q)); !slices.Equal(ids(page), []int64{live.ID}) {
			t.Errorf("inbox %v", ids(page))
		}
		if n := s.rdb.ZCard(ctx, s.keys.inbox("/a", m.ClientID)).Val(); n != 1 {
			t.Errorf("%d entries are left after a read, want the live one", n)
		}
		must[[]push.Placed](t)(s.Place(ctx, &past, []string{m.ClientID}, 2))
		if p := must[[]push.Placed](t)(s.Place(ctx, other, []string{m.ClientID}, 2)); p[0].Dropped != 0 {
			t.Errorf("the expired entry counts as dropped: %+v", p)
		}
		if page := must[inbox.Page](t)(s.Inbox(ctx, q)); !slices.Equal(ids(page), []int64{live.ID, other.ID}) || page.Dropped != 0 {
			t.Errorf("inbox %v, dropped %d", ids(page), page.Dropped)
		}
		end := s.rdb.PTTL(ctx, s.keys.inbox("/a", m.ClientID)).Val()
		if want := time.Until(time.UnixMilli(live.ExpireAt)); end < want-time.Minute || end > want+time.Minute {
			t.Errorf("the inbox lives for %s, want about %s", end, want)
		}
	})
}

// TestInboxMeetsConnect: whatever the order of a connect and of the worker, one
// of the two knows of the other.
func TestInboxMeetsConnect(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		both := map[string]int{}
		for i := range 150 {
			m := device(t, s, "/a", fmt.Sprint("u", i), client.Android, "n1", "r")
			check(t, s.Release(ctx, m, []string{"r"}, client.ReasonNetwork, false))
			msg := kept("/a", "r")
			accept(t, s, msg)
			claim := must[client.Claim](t)(s.Claim(ctx, m))
			m.Gen = claim.Gen
			var waiting bool
			var placed []push.Placed
			var errs [2]error
			var wg sync.WaitGroup
			wg.Go(func() { waiting, errs[0] = s.EnterInbox(ctx, m, []string{"r"}) })
			wg.Go(func() { placed, errs[1] = s.Place(ctx, msg, []string{m.ClientID}, 10) })
			wg.Wait()
			check(t, errors.Join(errs[:]...))
			if !waiting && placed[0].Node == "" {
				t.Fatalf("round %d: the device finds nothing and the worker sees nobody", i)
			}
			both[fmt.Sprint(waiting, placed[0].Node != "")]++
		}
		t.Logf("waiting and seen: %v", both)
	})
}
