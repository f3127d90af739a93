package store

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/store/redistest"
	"github.com/lightpush/lightpush/logic/report"
)

func TestOnlineSinceAndMarkCounts(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s, ctx := b.open(t, nil), t.Context()
		a := device(t, s, "/a", "ann", client.Web, "n1", "r")
		ben := device(t, s, "/a", "ben", client.IOS, "n1", "r")
		check(t, s.Release(ctx, ben, []string{"r"}, "gone", false))
		ids := []string{ben.ClientID, a.ClientID, "nobody"}
		if got := must[[]int64](t)(s.OnlineSince(ctx, "/a", ids)); !slices.Equal(got, []int64{0, a.Gen, 0}) {
			t.Errorf("online since %v, want %d", got, a.Gen)
		}
		if got := must[[]int64](t)(s.OnlineSince(ctx, "/other", ids)); !slices.Equal(got, []int64{0, 0, 0}) {
			t.Errorf("in another namespace %v", got)
		}
		if got := must[[]int64](t)(s.OnlineSince(ctx, "/a", nil)); len(got) != 0 {
			t.Errorf("nobody: %v", got)
		}
		m := message("/a", "r")
		check(t, s.Accept(ctx, []*push.Message{m}))
		check(t, s.Settle(ctx, m.ID, push.Run{}, []push.Settled{{ClientID: ben.ClientID, Fate: push.Fate{State: push.StateAPNs, At: 1}}}))
		check(t, s.Record(ctx, []push.ReceiptBatch{{MessageID: m.ID, Namespace: "/a", Acks: []push.Ack{
			{MessageID: m.ID, Namespace: "/a", ClientID: a.ClientID, Platform: client.Web},
		}}}))
		acked, fates, err := s.MarkCounts(ctx, m.ID)
		if err != nil || acked[client.Web] != 1 || acked[client.IOS] != 0 || acked[client.Android] != 0 || fates != 1 {
			t.Errorf("acked %v, fates %d, %v", acked, fates, err)
		}
	})
}

// TestStatesBig counts the receipts of a message to a large room and looks at
// what that asks of the server and how long it takes. LIGHTPUSH_STATES sets the
// number of devices.
func TestStatesBig(t *testing.T) {
	devices := 20_000
	if set := os.Getenv("LIGHTPUSH_STATES"); set != "" {
		_, err := fmt.Sscan(set, &devices)
		check(t, err)
	}
	r, err := redistest.StartServer("--slowlog-log-slower-than", "1000", "--slowlog-max-len", "10000")
	if err != nil {
		t.Skip(err)
	}
	defer r.Stop()
	b := &backend{name: "redis", options: Options{Addresses: r.Addresses, Prefix: "big:"}}
	s := b.open(t, nil)
	ctx := t.Context()
	id := func(i int) string {
		return client.Identity{Namespace: "/a", UserID: fmt.Sprint("user-", i), Platform: client.Platforms[i%3], UUID: fmt.Sprint("device-", i)}.ID()
	}
	leave := true
	m := message("/a", "all")
	m.LeaveMessage = &leave
	check(t, s.Accept(ctx, []*push.Message{m}))
	text := fmt.Sprint(m.ID)
	want := map[string]map[push.State]int64{client.Web: {}, client.IOS: {}, client.Android: {}}
	for from := 0; from < devices; from += 2000 {
		pipe := s.rdb.Pipeline()
		for i := from; i < min(from+2000, devices); i++ {
			p := client.Platforms[i%3]
			member := i%50 != 7 // some have left since
			if member {
				pipe.SAdd(ctx, s.keys.room("/a", "all").total(p), id(i))
			}
			state := push.StatePending
			switch {
			case i%10 < 6:
				pipe.SAdd(ctx, s.keys.acks(text, p), id(i))
				state = push.StateAcked
			case i%10 == 6 && member:
				pipe.HSet(ctx, s.keys.namespace("/a").online, id(i), fmt.Sprint(m.SendDate-1, "|user-", i))
				state = push.StateOnline
			case i%10 == 7 && p != client.Web:
				fate := push.Fate{State: push.StateAPNs, At: m.SendDate}
				pipe.HSet(ctx, s.keys.fates(text), id(i), fate.Encode())
				state = push.StateAPNs
			case !member:
				continue
			case p == client.Web:
				state = push.StateMissed
			}
			want[p][state]++
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	check(t, s.rdb.SlowLogReset(ctx).Err())
	var longest time.Duration
	for range 5 {
		reports := report.New(s, report.Options{OfflinePlatforms: []string{client.Android}}) // keeps no count of before
		started := time.Now()
		got, err := reports.States(ctx, "/a", m.ID)
		took := time.Since(started)
		check(t, err)
		if fmt.Sprint(got.States) != fmt.Sprint(want) || !got.Complete {
			t.Fatalf("%+v, want %v", got, want)
		}
		longest = max(longest, took)
		t.Logf("%d devices in %s", got.Total, took.Round(time.Millisecond))
	}
	slow, worst := slowest(t, s)
	t.Logf("longest command %s (%d above 1 ms)", worst, slow)
	// No promise on a busy machine, where a command also waits for its turn; a
	// quiet one is far below.
	if worst > 2*time.Second || longest > 4*time.Second {
		t.Errorf("longest command %s, longest count %s", worst, longest)
	}
}
