package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

// transfersIn are the transfers in a node's stream.
func transfersIn(t *testing.T, s *Store, node string) (list []room.Transfer) {
	t.Helper()
	for _, e := range must[[]redis.XMessage](t)(s.rdb.XRange(t.Context(), bus.StreamKey(s.opt.Prefix, node), "-", "+").Result()) {
		if text, ok := e.Values["t"].(string); ok {
			list = append(list, must[room.Transfer](t)(bus.DecodeTransfer(text)))
		}
	}
	return list
}

// belongs reports whether a device is in the offline audience of a room.
func belongs(t *testing.T, s *Store, m client.Member, name string) bool {
	t.Helper()
	return must[bool](t)(s.rdb.SIsMember(t.Context(), s.keys.room(m.Namespace, name).total(m.Platform), m.ClientID).Result())
}

func TestTransferOffline(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		const n = 700 // several steps of one source and platform
		source := func(i int) string {
			if i%8 == 7 {
				return "src2"
			}
			return "src"
		}
		var members []client.Member
		for i := range n {
			m := device(t, s, "/a", fmt.Sprint("u", i), client.Platforms[max(0, i+3-n)], "n1", source(i))
			check(t, s.Release(ctx, m, []string{"src", "src2"}, client.ReasonNetwork, false))
			members = append(members, m)
		}
		stranger := device(t, s, "/a", "stranger", client.Web, "n1", "dst", "other")
		check(t, s.Release(ctx, stranger, []string{"dst", "other"}, client.ReasonNetwork, false))
		foreign := device(t, s, "/b", "u0", client.Web, "n1", "src", "dst")
		move := func(kind, target string, sources ...string) {
			t.Helper()
			check(t, s.Transfer(ctx, room.Transfer{Namespace: "/a", Target: target, Sources: sources, Type: kind}))
		}
		all := func(name string, want func(i int) bool) {
			t.Helper()
			for i, m := range members {
				if belongs(t, s, m, name) != want(i) {
					t.Fatalf("device %d in %s: %v", i, name, !want(i))
				}
				listed := must[bool](t)(s.rdb.HExists(ctx, s.keys.clientRooms("/a", m.ClientID), name).Result())
				if listed != want(i) {
					t.Fatalf("device %d lists %s: %v", i, name, listed)
				}
			}
		}
		yes, no := func(int) bool { return true }, func(int) bool { return false }
		move(room.TransferJoin, "dst", "src", "src2")
		all("dst", yes)
		move(room.TransferJoin, "dst", "src") // again
		all("dst", yes)
		move(room.TransferLeave, "dst", "src2", "nobody")
		all("dst", func(i int) bool { return source(i) == "src" })
		move(room.TransferLeave, "src", "src") // itself
		all("src", no)
		move(room.TransferJoin, "src", "dst", "src")
		all("src", func(i int) bool { return source(i) == "src" })
		if !belongs(t, s, stranger, "dst") || !belongs(t, s, foreign, "dst") || !belongs(t, s, foreign, "src") {
			t.Error("others were moved")
		}
		if err := s.Transfer(ctx, room.Transfer{Namespace: "/a", Target: "dst", Sources: []string{"src"}, Type: "move"}); !errors.Is(err, room.ErrTransferType) {
			t.Errorf("unknown type: %v", err)
		}
		if keys := must[[]string](t)(s.rdb.Keys(ctx, s.opt.Prefix+"*transfer*").Result()); len(keys) > 0 {
			t.Errorf("left behind: %v", keys)
		}
	})
}

// TestTransferSession holds that a session which can be continued follows what
// happened while it was away.
func TestTransferSession(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, func(o *Options) { o.RecoveryWindow, o.RecoveryLag = time.Minute, time.Minute })
		ctx := t.Context()
		m := client.Member{Namespace: "/a", ClientID: "/a#u#web-1", UserID: "u", Platform: client.Web, Node: "n1", PID: "p", SID: "s"}
		m.Gen = must[client.Claim](t)(s.Claim(ctx, m)).Gen
		check(t, s.Enter(ctx, m, []string{"src", "old"}))
		check(t, s.Release(ctx, m, []string{"src", "old"}, client.ReasonNetwork, true))
		check(t, s.Transfer(ctx, room.Transfer{Namespace: "/a", Target: "dst", Sources: []string{"src"}, Type: room.TransferJoin}))
		check(t, s.Transfer(ctx, room.Transfer{Namespace: "/a", Target: "dst2", Sources: []string{"dst"}, Type: room.TransferJoin}))
		check(t, s.Transfer(ctx, room.Transfer{Namespace: "/a", Target: "old", Sources: []string{"src"}, Type: room.TransferLeave}))
		rooms, _, err := s.Session(ctx, m, must[client.Claim](t)(s.Claim(ctx, m)))
		check(t, err)
		slices.Sort(rooms)
		if !slices.Equal(rooms, []string{"dst", "dst2", "src"}) {
			t.Errorf("session is in %v", rooms)
		}
	})
}

// TestTransferNodes holds what the nodes are told, and that a transfer waits
// for those that are alive only.
func TestTransferNodes(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		for _, node := range []string{"n1", "n2", "n3"} {
			stream(t, s, node)
		}
		must[bool](t)(s.Beat(ctx, "n1", time.Hour))
		must[bool](t)(s.Beat(ctx, "n2", time.Hour))
		m1 := device(t, s, "/a", "u1", client.Web, "n1", "src", "dst")
		m2 := device(t, s, "/a", "u2", client.Web, "n2", "src")
		check(t, s.Release(ctx, m2, []string{"src"}, client.ReasonNetwork, false))
		m2 = device(t, s, "/a", "u2", client.Web, "n2", "dst") // in the source before only
		device(t, s, "/a", "u3", client.Web, "n3", "src")      // its node is dead
		var nodes sync.WaitGroup
		confirm := func(nodes *sync.WaitGroup, names ...string) {
			for _, node := range names {
				had := len(transfersIn(t, s, node))
				nodes.Go(func() {
					for ctx.Err() == nil {
						if list := transfersIn(t, s, node); len(list) > had {
							check(t, s.TransferDone(context.Background(), list[had].Done))
							return
						}
						time.Sleep(time.Millisecond)
					}
				})
			}
		}
		confirm(&nodes, "n1")
		begin := time.Now()
		check(t, s.Transfer(ctx, room.Transfer{Namespace: "/a", Target: "dst", Sources: []string{"src"}, Type: room.TransferJoin}))
		nodes.Wait()
		if took := time.Since(begin); took >= transferWait {
			t.Errorf("it waited %v for a dead node", took)
		}
		for node, want := range map[string]int{"n1": 1, "n2": 0, "n3": 1} {
			list := transfersIn(t, s, node)
			if len(list) != want || (want > 0 && (list[0].Target != "dst" || list[0].Clients != nil || list[0].Type != room.TransferJoin || list[0].Done == "")) {
				t.Errorf("%s: %+v", node, list)
			}
		}
		confirm(&nodes, "n1", "n2")
		check(t, s.Transfer(ctx, room.Transfer{Namespace: "/a", Target: "dst", Sources: []string{"src"}, Type: room.TransferLeave}))
		nodes.Wait()
		for node, want := range map[string]string{"n1": m1.ClientID, "n2": m2.ClientID} {
			list := transfersIn(t, s, node)
			if last := list[len(list)-1]; last.Type != room.TransferLeave || !slices.Equal(last.Clients, []string{want}) {
				t.Errorf("%s: %+v", node, last)
			}
		}
		for _, m := range []client.Member{m1, m2} {
			if belongs(t, s, m, "dst") {
				t.Errorf("%s is in the offline audience", m.ClientID)
			}
		}
		// The membership itself is the nodes' to end; until then the list of
		// rooms must know of it, for the sweep.
		if !must[bool](t)(s.rdb.HExists(ctx, s.keys.clientRooms("/a", m1.ClientID), "dst").Result()) {
			t.Error("a connected member is out of its list of rooms")
		}
	})
}

// TestTransferTurns holds that transfers of a namespace do not overlap and
// that a lock left behind ends.
func TestTransferTurns(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		m := device(t, s, "/a", "u", client.Web, "n1", "src")
		check(t, s.Release(t.Context(), m, []string{"src"}, client.ReasonNetwork, false))
		held := &move{store: s, Transfer: room.Transfer{Namespace: "/a", Done: "somebody"}}
		check(t, held.lock(t.Context()))
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		join := room.Transfer{Namespace: "/a", Target: "dst", Sources: []string{"src"}, Type: room.TransferJoin}
		if err := s.Transfer(short, join); !errors.Is(err, room.ErrBusy) {
			t.Errorf("while another is under way: %v", err)
		}
		if belongs(t, s, m, "dst") {
			t.Error("it did something")
		}
		check(t, s.Transfer(t.Context(), room.Transfer{Namespace: "/b", Target: "dst", Sources: []string{"src"}, Type: room.TransferJoin}))
		held.unlock()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { check(t, s.Transfer(t.Context(), join)) })
		}
		all.Wait()
		if !belongs(t, s, m, "dst") {
			t.Error("nothing was done")
		}
	})
}
