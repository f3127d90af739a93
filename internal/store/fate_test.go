package store

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

var testRun = push.Run{Intro: "apnsEnv:dev  ", ResultMax: 120, Separator: "  >>>>  "}

func settled(id string, state push.State, text string) push.Settled {
	return push.Settled{ClientID: id, Fate: push.Fate{State: state, At: 7, Detail: "d|" + id}, Text: text}
}

func recordOf(t testing.TB, s *Store, id int64) map[string]string {
	t.Helper()
	return must[[]map[string]string](t)(s.Records(t.Context(), []int64{id}))[0]
}

func TestSettle(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := kept("/a", "r")
		accept(t, s, m)
		settle := func(run push.Run, list ...push.Settled) {
			t.Helper()
			check(t, s.Settle(ctx, m.ID, run, list))
		}
		want := func(count, success, result string) {
			t.Helper()
			r := recordOf(t, s, m.ID)
			if r["apnsCount"] != count || r["apnsSuccessCount"] != success || r["result"] != result {
				t.Errorf("count %s, success %s, result %q\nwant %s, %s, %q", r["apnsCount"], r["apnsSuccessCount"], r["result"], count, success, result)
			}
		}
		settle(push.Run{}, settled("inbox", push.StateInbox, ""), settled("live", push.StateLive, ""))
		want("", "", "")
		settle(testRun)
		want("0", "0", "apnsEnv:dev  ")
		first := []push.Settled{
			settled("ok", push.StateAPNs, ""), settled("bad", push.StateAPNsFailed, "bad"), settled("mute", push.StateMuted, "mute"),
			settled("away", push.StatePending, "connect"),
		}
		settle(testRun, first...)
		settle(testRun, first...) // the job runs again
		const text = "apnsEnv:dev    >>>>  bad  >>>>  mute  >>>>  connect"
		want("3", "1", text)
		again := settled("away", push.StateLive, "")
		again.Fate.Detail = push.DetailAgain
		settle(testRun, again)
		settle(testRun, settled("away", push.StateAPNs, ""), settled("live", push.StateAPNs, ""), settled("ok", push.StatePending, "x"))
		want("4", "3", text)
		settle(testRun, settled("inbox", push.StateAPNs, "x"), settled("inbox", push.StateDelivered, ""), settled("nobody", push.StateDelivered, ""))
		want("4", "3", text)
		settle(testRun, settled("l1", push.StateNoToken, strings.Repeat("x", 90)), settled("l2", push.StateNoToken, "short"))
		want("4", "3", text+"  >>>>  and 2 more")
		settle(testRun, settled("l3", push.StateNoToken, "short"), settled("l2", push.StateNoToken, "short"), settled("l4", push.StateAPNs, ""))
		want("5", "4", text+"  >>>>  and 3 more")

		names := []string{"inbox", "live", "away", "ok", "bad", "mute", "l3", "nobody"}
		_, fates, err := s.Marks(ctx, m.ID, client.IOS, names)
		check(t, err)
		var states []string
		for _, f := range fates {
			states = append(states, string(f.State))
		}
		if got := strings.Join(states, " "); got != "delivered apns apns apns apns_failed muted no_token " {
			t.Errorf("fates %s", got)
		}
		if f := fates[4]; f.At != 7 || f.Detail != "d|bad" {
			t.Errorf("fate %+v", f)
		}
		if ttl := s.rdb.PTTL(ctx, s.keys.fates(fmt.Sprint(m.ID))).Val(); ttl <= 0 {
			t.Errorf("fates live for %s", ttl)
		}

		check(t, s.Settle(ctx, 4711, testRun, first))
		check(t, s.Finish(ctx, 4711, "x"))
		check(t, s.Finish(ctx, m.ID, "x"))
		want("5", "4", text+"  >>>>  and 3 more")
		for _, key := range keysLeft(t, s) {
			if strings.Contains(key, "4711") {
				t.Errorf("key %s came to be", key)
			}
		}
		other := kept("/a", "r")
		accept(t, s, other)
		check(t, s.Finish(ctx, other.ID, "no default apns"))
		if r := recordOf(t, s, other.ID); r["result"] != "no default apns" || r["apnsCount"] != "" || r[push.FieldDone] == "" {
			t.Errorf("record %v", r)
		}
	})
}

// TestSettleAtOnce: many workers on the same message, each device once in the
// figures, and the fates say the same as the figures.
func TestSettleAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		m := kept("/a", "r")
		accept(t, s, m)
		const workers, devices = 6, 700
		states := []push.State{push.StateAPNs, push.StateAPNsFailed, push.StatePending}
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				var list []push.Settled
				for d := range devices {
					list = append(list, settled(fmt.Sprint("c", d), states[(d+w)%len(states)], ""))
				}
				for len(list) > 0 {
					n := min(len(list), 90)
					if err := s.Settle(t.Context(), m.ID, testRun, list[:n]); err != nil {
						t.Error(err)
					}
					list = list[n:]
				}
			})
		}
		wg.Wait()
		counts := map[push.State]int{}
		var all []string
		for cursor := uint64(0); ; {
			page, next, err := s.SettledPage(t.Context(), m.ID, cursor, 100)
			check(t, err)
			all = append(all, page...)
			if cursor = next; cursor == 0 {
				break
			}
		}
		slices.Sort(all)
		all = slices.Compact(all)
		_, fates, err := s.Marks(t.Context(), m.ID, client.IOS, all)
		check(t, err)
		for _, f := range fates {
			counts[f.State]++
		}
		r := recordOf(t, s, m.ID)
		if len(all) != devices || r["apnsCount"] != fmt.Sprint(devices) || counts[push.StatePending] != 0 ||
			r["apnsSuccessCount"] != fmt.Sprint(counts[push.StateAPNs]) {
			t.Errorf("%d devices, fates %v, record %v", len(all), counts, r)
		}
	})
}

func TestAudienceAndRecipients(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		const n = 1300
		want := make([]string, n)
		for i := range n {
			want[i] = fmt.Sprintf("/a#u%04d#android-1", i)
		}
		members := make([]any, n)
		for i, c := range want {
			members[i] = c
		}
		check(t, s.rdb.SAdd(ctx, s.keys.room("/a", "big").total(client.Android), members...).Err())
		var got []string
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			page, next, err := s.Audience(ctx, "/a", "big", client.Android, cursor, 500)
			check(t, err)
			if b.mini == nil && len(page) > 1000 {
				t.Errorf("a step of %d devices", len(page))
			}
			got, cursor = append(got, page...), next
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%d devices of %d", len(got), n)
		}

		on := device(t, s, "/a", "on", client.IOS, "n1", "r")
		off := device(t, s, "/a", "off", client.IOS, "n1", "r")
		check(t, s.Release(ctx, off, []string{"r"}, client.ReasonNetwork, false))
		check(t, s.rdb.HSet(ctx, s.keys.client("/a", off.ClientID), "leaveMessage", "false", "device_token", "T").Err())
		check(t, s.rdb.SAdd(ctx, s.keys.mutes("/a", off.ClientID), "r").Err())
		list := must[[]push.Recipient](t)(s.Recipients(ctx, "/a", "r", []string{off.ClientID, "nobody", on.ClientID}))
		if list[0] != (push.Recipient{ClientID: off.ClientID, Known: true, OptOut: true, Muted: true, Token: "T"}) ||
			list[1] != (push.Recipient{ClientID: "nobody"}) ||
			list[2] != (push.Recipient{ClientID: on.ClientID, Known: true, Node: "n1", Gen: on.Gen}) {
			t.Errorf("recipients %+v", list)
		}
		if other := must[[]push.Recipient](t)(s.Recipients(ctx, "/a", "r2", []string{off.ClientID})); other[0].Muted {
			t.Error("another room is muted too")
		}
		for token, want := range map[string]bool{"S": false, "T": true} {
			if dropped, err := s.DropToken(ctx, "/a", off.ClientID, token); err != nil || dropped != want {
				t.Errorf("token %s: dropped %v, %v", token, dropped, err)
			}
			if token == "T" {
				break
			}
		}
	})
}

func TestDirectAndStoredMessage(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		stream(t, s, "n1")
		m := kept("/a", "r")
		accept(t, s, m)
		got := must[*push.Message](t)(s.Message(ctx, m.ID))
		if got == nil || got.ID != m.ID || got.ExpireAt != m.ExpireAt || !*got.LeaveMessage || string(got.PushData) != string(m.PushData) {
			t.Errorf("message %+v", got)
		}
		if got, err := s.Message(ctx, 4711); got != nil || err != nil {
			t.Errorf("unknown message %+v, %v", got, err)
		}
		check(t, s.Direct(ctx, m, []string{"c1", "c2"}, []string{"n1", "gone"}))
		if keys := keysLeft(t, s); slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, "{gone}") }) {
			t.Errorf("the stream of a dead node came to be: %v", keys)
		}
		if n := s.rdb.XLen(ctx, s.opt.Prefix+"s:{n1}").Val(); n != 2 {
			t.Errorf("%d entries in the stream, want its first and the message", n)
		}
	})
}
