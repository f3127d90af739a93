package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

func TestForgetClients(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.UnixMilli(1_800_000_000_000)
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		leave := func(m client.Member, rooms ...string) {
			check(t, s.Release(ctx, m, rooms, client.ReasonNetwork, true))
		}
		old := device(t, s, "/a", "old", client.IOS, "n1", "user_old", "r", "only")
		leave(old, "user_old", "r", "only")
		online := device(t, s, "/a", "online", client.Web, "n1", "user_online", "r")
		long := device(t, s, "/a", "long", client.Android, "n1", "user_long", "r") // connected for days
		odd := device(t, s, "/a", "odd#ios-x#android", client.Web, "n1", "r")      // an id of three platforms
		leave(odd, "r")
		check(t, s.rdb.Do(ctx, "ZADD", s.keys.client("/a", old.ClientID)+":inbox", 1, "1").Err())
		check(t, s.rdb.SAdd(ctx, s.keys.client("/a", old.ClientID)+":mute", "r").Err())
		now = now.Add(240 * time.Hour)
		leave(long, "user_long", "r")
		young := device(t, s, "/a", "young", client.Web, "n1", "user_young", "r")
		leave(young, "user_young", "r")
		before := now.Add(-time.Hour).UnixMilli()

		found := must[[]string](t)(s.LegacyClients(ctx, "/a", before, 0, 10))
		slices.Sort(found)
		want := []string{old.ClientID, online.ClientID, long.ClientID, odd.ClientID}
		slices.Sort(want)
		if !slices.Equal(found, want) {
			t.Fatalf("legacy %v, want %v", found, want)
		}
		if page := must[[]string](t)(s.LegacyClients(ctx, "/a", before, 3, 10)); len(page) != 1 {
			t.Errorf("behind three: %v", page)
		}
		gone := must[[]string](t)(s.ForgetClients(ctx, "/a", found, before))
		slices.Sort(gone)
		want = []string{old.ClientID, odd.ClientID}
		slices.Sort(want)
		if !slices.Equal(gone, want) {
			t.Fatalf("forgot %v, want %v", gone, want)
		}
		for _, m := range []client.Member{old, odd} {
			for _, key := range []string{"", ":rooms", ":gone", ":mute", ":inbox"} {
				if s.rdb.Exists(ctx, s.keys.client("/a", m.ClientID)+key).Val() != 0 {
					t.Errorf("%s%s is left", m.ClientID, key)
				}
			}
		}
		for _, m := range []client.Member{online, long, young} {
			if s.rdb.Exists(ctx, s.keys.client("/a", m.ClientID)).Val() != 1 {
				t.Errorf("%s is gone", m.ClientID)
			}
		}
		counts := must[[]room.Count](t)(s.RoomCounts(ctx, "/a", []string{"r", "only", "user_old"}))
		if counts[0].Total != (room.PerPlatform{Web: 2, Android: 1}) || counts[0].Online.Web != 1 ||
			counts[1] != (room.Count{}) || counts[2] != (room.Count{}) {
			t.Errorf("rooms %+v", counts)
		}
		if got := must[room.Online](t)(s.Online(ctx, "/a")); got != (room.Online{Rooms: 1, Users: 1, Clients: 1, Total: 3}) {
			t.Errorf("online %+v", got)
		}
		if gone := must[[]string](t)(s.ForgetClients(ctx, "/a", found, before)); len(gone) != 2 {
			// The lists of the devices are gone, so there is nothing to compare: forgetting again is harmless.
			t.Errorf("again: %v", gone)
		}
	})
}

// A process died after it had forgotten a device and before its rooms were
// left; the next one finishes that.
func TestForgetClientsIsResumed(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := device(t, s, "/a", "u", client.Web, "n1", "user_u", "r")
		check(t, s.Release(ctx, m, []string{"user_u", "r"}, client.ReasonNetwork, true))
		future := time.Now().Add(time.Hour).UnixMilli()
		id := m.ClientID
		check(t, s.run(ctx, clientForget.call([]string{
			s.keys.client("/a", id), s.keys.clientRooms("/a", id), s.keys.clientGone("/a", id), s.keys.mutes("/a", id), s.keys.inbox("/a", id),
		}, future)))
		if s.rdb.Exists(ctx, s.keys.clientGone("/a", id)).Val() != 1 {
			t.Fatal("nothing to resume")
		}
		if gone := must[[]string](t)(s.ForgetClients(ctx, "/a", []string{id}, future)); !slices.Equal(gone, []string{id}) {
			t.Errorf("forgot %v", gone)
		}
		check(t, s.rooms.flush(ctx))
		if left := keysOf(t, s, "/a"); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	})
}

// Devices that come back while they are being forgotten lose nothing of their
// new connection, whatever the order of the steps.
func TestForgetClientsRacesReturn(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		var ahead atomic.Int64 // ms
		s := b.open(t, func(o *Options) {
			o.Now = func() time.Time { return time.UnixMilli(1_800_000_000_000 + ahead.Load()) }
		})
		ctx := t.Context()
		const devices = 20
		rooms := func(i int) []string { return []string{fmt.Sprint("user_u", i), "r"} }
		for round := range 5 {
			old := make([]client.Member, devices)
			var ids []string
			for i := range old {
				old[i] = device(t, s, "/a", fmt.Sprint("u", i), client.Web, "n1", rooms(i)...)
				check(t, s.Release(ctx, old[i], rooms(i), client.ReasonNetwork, true))
				ids = append(ids, old[i].ClientID)
			}
			before := s.nowMillis()
			ahead.Add(time.Hour.Milliseconds())
			var back []client.Member
			var both sync.WaitGroup
			both.Go(func() {
				if _, err := s.ForgetClients(context.Background(), "/a", ids, before); err != nil {
					t.Error(err)
				}
			})
			both.Go(func() {
				for i := 0; i < devices; i += 2 {
					m := client.Member{Namespace: "/a", ClientID: ids[i], UserID: fmt.Sprint("u", i), Platform: client.Web, Node: "n2"}
					claim, err := s.Claim(context.Background(), m)
					if err != nil {
						t.Error(err)
						return
					}
					m.Gen = claim.Gen
					if err := s.Enter(context.Background(), m, rooms(i)); err != nil {
						t.Error(err)
						return
					}
					back = append(back, m)
				}
			})
			both.Wait()
			if got := must[room.Online](t)(s.Online(ctx, "/a")); got != (room.Online{Rooms: 1, Users: devices / 2, Clients: devices / 2, Total: devices / 2}) {
				t.Fatalf("round %d: online %+v", round, got)
			}
			counts := must[[]room.Count](t)(s.RoomCounts(ctx, "/a", []string{"r", "user_u0", "user_u1"}))
			if counts[0].Total.Web != devices/2 || counts[0].Online.Web != devices/2 || counts[1].Total.Web != 1 || counts[2].Total.Web != 0 {
				t.Fatalf("round %d: rooms %+v", round, counts)
			}
			for i, m := range back {
				record := s.rdb.HGetAll(ctx, s.keys.client("/a", m.ClientID)).Val()
				if record["~on"] == "" || record["userid"] == "" {
					t.Fatalf("round %d: record %v", round, record)
				}
				check(t, s.Release(ctx, m, rooms(2*i), client.ReasonNetwork, true))
			}
			ahead.Add(time.Hour.Milliseconds())
			if gone := must[[]string](t)(s.ForgetClients(ctx, "/a", ids, s.nowMillis())); len(gone) != devices {
				t.Fatalf("forgot %d", len(gone))
			}
			check(t, s.rooms.flush(ctx))
			if left := keysOf(t, s, "/a"); len(left) > 0 {
				t.Fatalf("left %v", left)
			}
		}
	})
}
