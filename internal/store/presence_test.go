package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

func TestTakeOver(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.UnixMilli(1_800_000_000_000)
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		old := device(t, s, "/a", "u", client.Web, "n1", "user_u", "r", "s")
		now = now.Add(time.Second)
		fresh := old
		fresh.Node = "n2"
		claim, err := s.Claim(ctx, fresh)
		gen, prev := claim.Gen, claim.Prev
		check(t, err)
		if fresh.Gen = gen; gen <= old.Gen || prev != (client.Holder{Node: "n1", Gen: old.Gen}) {
			t.Fatalf("generation %d after %d, held by %+v", gen, old.Gen, prev)
		}
		// The old connection can no longer change anything …
		for what, err := range map[string]error{
			"enter": s.Enter(ctx, old, []string{"late"}),
			"join":  s.Join(ctx, old, []string{"late"}),
			"leave": s.Leave(ctx, old, []string{"r"}),
		} {
			if !errors.Is(err, client.ErrSuperseded) {
				t.Errorf("%s of the old connection: %v", what, err)
			}
		}
		if got := must[[]room.Count](t)(s.RoomCounts(ctx, "/a", []string{"late"}))[0]; got != (room.Count{}) {
			t.Errorf("a late join left %+v", got)
		}
		if got := must[[]string](t)(s.OnlineRooms(ctx, "/a")); slices.Contains(got, "late") {
			t.Errorf("rooms %v", got)
		}
		// … and its late cleanup takes only what is its own.
		check(t, s.Enter(ctx, fresh, []string{"user_u", "r"}))
		check(t, s.Release(ctx, old, []string{"user_u", "r", "s"}, client.ReasonNetwork, true))
		counts := must[[]room.Count](t)(s.RoomCounts(ctx, "/a", []string{"user_u", "r", "s"}))
		for i, want := range []int64{1, 1, 0} {
			if counts[i].Online.Web != want || counts[i].Users != want || counts[i].Total.Web != 1 {
				t.Errorf("room %d: %+v", i, counts[i])
			}
		}
		if got := must[room.Online](t)(s.Online(ctx, "/a")); got != (room.Online{Rooms: 1, Users: 1, Clients: 1, Total: 1}) {
			t.Errorf("online %+v", got)
		}
		record := s.rdb.HGetAll(ctx, s.keys.client("/a", fresh.ClientID)).Val()
		if record["~node"] != "n2" || record["last_disconnect_time"] != "" || record["userid"] != "u" ||
			record["first_connect_time"] != "1800000000000" || record["last_connect_time"] != "1800000001000" {
			t.Errorf("record %v", record)
		}
		check(t, s.Release(ctx, fresh, []string{"user_u", "r"}, client.ReasonNetwork, true))
		check(t, s.Release(ctx, fresh, []string{"user_u", "r"}, client.ReasonNetwork, true))
		record = s.rdb.HGetAll(ctx, s.keys.client("/a", fresh.ClientID)).Val()
		if record["~node"] != "" || record["last_disconnect_time"] != "1800000001000" || record["disconnect_reason"] != "network" {
			t.Errorf("record %v", record)
		}
		if got := must[room.Online](t)(s.Online(ctx, "/a")); got != (room.Online{Total: 1}) {
			t.Errorf("online %+v", got)
		}
	})
}

// TestClaimWithoutEnter holds that a claim which came to nothing, because its
// reply was lost or the connection was refused, hides nobody: the connection
// that is online is still named by the next claim, and stays online.
func TestClaimWithoutEnter(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		old := device(t, s, "/a", "u", client.Web, "n1", "r")
		lost := old
		lost.Node = "n2"
		for range 2 {
			claim, err := s.Claim(ctx, lost)
			gen, prev := claim.Gen, claim.Prev
			check(t, err)
			if prev != (client.Holder{Node: "n1", Gen: old.Gen}) || gen <= lost.Gen {
				t.Errorf("generation %d, held by %+v", gen, prev)
			}
			lost.Gen = gen
		}
		check(t, s.Release(ctx, lost, []string{"r"}, client.ReasonNetwork, true)) // refused
		if got := must[room.Online](t)(s.Online(ctx, "/a")); got != (room.Online{Rooms: 1, Users: 1, Clients: 1, Total: 1}) {
			t.Errorf("online %+v", got)
		}
		check(t, s.Release(ctx, old, []string{"r"}, client.ReasonNetwork, true))
		record := s.rdb.HGetAll(ctx, s.keys.client("/a", old.ClientID)).Val()
		if record["~node"] != "" || record["disconnect_reason"] != client.ReasonNetwork {
			t.Errorf("record %v", record)
		}
		if c, err := s.Claim(ctx, old); err != nil || c.Prev != (client.Holder{}) {
			t.Errorf("held by %+v, %v", c.Prev, err)
		}
	})
}

// TestGenerationsGrow holds that generations grow even over the deletion of a
// record and a clock that is put back.
func TestGenerationsGrow(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.UnixMilli(1_800_000_000_000)
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		m := client.Member{Namespace: "/a", ClientID: "c", Node: "n1"}
		last := int64(0)
		for _, change := range []func(){
			func() {},
			func() {},
			func() { now = now.Add(-time.Hour) },
			func() { now = now.Add(2 * time.Hour) },
			func() { now = now.Add(time.Second); s.rdb.Del(t.Context(), s.keys.client("/a", "c")) },
		} {
			change()
			claim, err := s.Claim(t.Context(), m)
			gen := claim.Gen
			check(t, err)
			if gen <= last {
				t.Errorf("generation %d after %d", gen, last)
			}
			last = gen
		}
	})
}

// TestEnterAgain holds that a connection that was expelled while its node was
// cut off can enter again with its generation.
func TestEnterAgain(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := device(t, s, "/a", "u", client.Web, "n1", "r")
		check(t, s.Expel(ctx, []client.Member{m}, client.ReasonNetwork))
		if got := must[room.Online](t)(s.Online(ctx, "/a")); got != (room.Online{Total: 1}) {
			t.Errorf("online %+v", got)
		}
		check(t, s.Enter(ctx, m, []string{"r"}))
		check(t, s.Enter(ctx, m, []string{"r"})) // repeated after a lost reply
		if got := must[room.Online](t)(s.Online(ctx, "/a")); got != (room.Online{Rooms: 1, Users: 1, Clients: 1, Total: 1}) {
			t.Errorf("online %+v", got)
		}
		claim, err := s.Claim(ctx, m)
		prev := claim.Prev
		if err != nil || prev != (client.Holder{Node: "n1", Gen: m.Gen}) {
			t.Errorf("held by %+v, %v", prev, err)
		}
	})
}

// TestLeave holds that leaving on purpose ends offline membership, even of a
// device that is not online in the room (B10, B20).
func TestLeave(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := device(t, s, "/a", "u", client.Android, "n1", "r")
		check(t, s.Release(ctx, m, []string{"r"}, client.ReasonNetwork, true))
		m = device(t, s, "/a", "u", client.Android, "n1")
		if got := must[[]room.Count](t)(s.RoomCounts(ctx, "/a", []string{"r"}))[0]; got != (room.Count{Total: room.PerPlatform{Android: 1}}) {
			t.Errorf("after reconnecting: %+v", got)
		}
		check(t, s.Leave(ctx, m, []string{"r", "never"}))
		if got := must[[]room.Count](t)(s.RoomCounts(ctx, "/a", []string{"r"}))[0]; got != (room.Count{}) {
			t.Errorf("after leaving: %+v", got)
		}
		check(t, s.rooms.flush(ctx)) // the list of rooms follows a moment later
		for _, k := range keysLeft(t, s) {
			if strings.HasPrefix(k, "r:") || strings.HasSuffix(k, ":rooms") {
				t.Errorf("%s is left", k)
			}
		}
	})
}

// TestUnambiguousNames holds that names cannot be mixed up across tenants
// (B27), whatever characters they have.
func TestUnambiguousNames(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		pairs := [][2]string{{"/a", "b_c"}, {"/a_b", "c"}, {"/a", "b|c"}, {"/a|b", "c"}, {"/a", "b%7Cc"}, {"/a", "{x}"}, {"/a}", "{x"}}
		for i, p := range pairs {
			device(t, s, p[0], fmt.Sprintf("u|%d", i), client.Web, "n1", p[1])
		}
		for i, p := range pairs {
			users := must[[]string](t)(s.RoomUsers(ctx, p[0], p[1]))
			if !slices.Equal(users, []string{fmt.Sprintf("u|%d", i)}) {
				t.Errorf("%q: users %q", p, users)
			}
		}
		members, _, err := s.Connections(ctx, "n1", 0, 100)
		check(t, err)
		check(t, s.Expel(ctx, members, client.ReasonNetwork))
		for _, p := range pairs {
			if got := must[room.Online](t)(s.Online(ctx, p[0])); got.Clients != 0 || got.Users != 0 || got.Rooms != 0 {
				t.Errorf("%s: %+v", p[0], got)
			}
		}
		for _, node := range []string{"", "a|b", "~a", "a}"} {
			if _, err := s.Claim(ctx, client.Member{Namespace: "/a", ClientID: "c", Node: node}); !errors.Is(err, ErrNode) {
				t.Errorf("node %q: %v", node, err)
			}
		}
	})
}

// TestPresenceRaces lets connections of few devices come and go on several
// nodes at once. When all are released nothing may be online.
func TestPresenceRaces(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		stores := []*Store{b.open(t, nil), b.open(t, nil)} // two processes
		rounds := 150
		if b.mini != nil {
			rounds = 30
		}
		rooms := []string{"user_u", "r1", "r2", "r3"}
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(worker), 7))
				for range rounds {
					s := stores[random.IntN(2)]
					id := client.Identity{Namespace: "/a", UserID: "u", Platform: client.Web, UUID: fmt.Sprint(random.IntN(3))}
					m := client.Member{Namespace: "/a", ClientID: id.ID(), UserID: fmt.Sprint("u", random.IntN(2)), Platform: client.Web, Node: fmt.Sprint("n", worker%3)}
					life(t, s, m, rooms, random)
				}
			})
		}
		wg.Wait()
		for _, s := range stores {
			check(t, s.rooms.flush(t.Context()))
		}
		s := stores[0]
		if got := must[room.Online](t)(s.Online(t.Context(), "/a")); got.Clients != 0 || got.Users != 0 || got.Rooms != 0 {
			t.Errorf("online %+v", got)
		}
		for _, k := range keysLeft(t, s) {
			total := strings.HasPrefix(k, "r:") && strings.Contains(k, ":t:")
			if !total && !strings.HasPrefix(k, "c:") && !strings.HasSuffix(k, ":seen") {
				t.Errorf("%s is left", k)
			}
		}
	})
}

// life is one connection from claim to release.
func life(t *testing.T, s *Store, m client.Member, rooms []string, random *rand.Rand) {
	ctx := context.Background()
	claim, err := s.Claim(ctx, m)
	gen := claim.Gen
	if err != nil {
		t.Error(err)
		return
	}
	m.Gen = gen
	tolerate := func(err error) {
		if err != nil && !errors.Is(err, client.ErrSuperseded) {
			t.Error(err)
		}
	}
	tolerate(s.Enter(ctx, m, rooms[:1+random.IntN(2)]))
	for range random.IntN(3) {
		if random.IntN(3) == 0 {
			tolerate(s.Leave(ctx, m, rooms[1+random.IntN(2):]))
		} else {
			tolerate(s.Join(ctx, m, rooms[random.IntN(3):]))
		}
	}
	tolerate(s.Release(ctx, m, rooms, client.ReasonNetwork, true))
}
