package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// noStep is a Step that does nothing.
func noStep(context.Context) error { return nil }

// inhabit gives a namespace everything it can have: devices online and not,
// rooms, messages with acks and without a place in the history, and keys that
// only other parts of the service write.
func inhabit(t testing.TB, s *Store, ns string) {
	t.Helper()
	ctx := t.Context()
	for i := range 5 {
		user := fmt.Sprint("u", i)
		m := device(t, s, ns, user, client.Platforms[i%3], "n1", "user_"+user, "r", fmt.Sprint("own", i))
		set := func(args ...any) { check(t, s.rdb.Do(ctx, args...).Err()) }
		set("SADD", s.keys.client(ns, m.ClientID)+":mute", "r")
		set("ZADD", s.keys.client(ns, m.ClientID)+":inbox", 1, "1")
		set("GEOADD", s.keys.namespace(ns).base+":geo", 1, 2, user+"|"+m.ClientID)
		if i < 3 {
			check(t, s.Release(ctx, m, []string{"user_" + user, "r", fmt.Sprint("own", i)}, client.ReasonNetwork, true))
		}
	}
	var batch []*push.Message
	for range 4 {
		batch = append(batch, message(ns, "r"))
	}
	check(t, s.Accept(ctx, batch))
	for _, m := range batch {
		check(t, s.Record(ctx, []push.ReceiptBatch{{MessageID: m.ID, Delivered: 1, Acks: []push.Ack{{Namespace: ns, ClientID: "x", Platform: client.IOS}}}}))
		check(t, s.rdb.HSet(ctx, s.keys.message(strconv.FormatInt(m.ID, 10))+":f", "x", "inbox").Err())
	}
	// As if the history had been longer than its limit.
	check(t, s.rdb.LTrim(ctx, s.keys.namespace(ns).history, 0, 1).Err())
	// Left by somebody who died: a room nobody lists, a device nobody has seen.
	check(t, s.rdb.SAdd(ctx, s.keys.room(ns, "lost").total(client.Web), "x").Err())
	check(t, s.rdb.HSet(ctx, s.keys.client(ns, ns+"#lost#web-1"), "userid", "lost").Err())
	check(t, s.rooms.flush(ctx))
}

// keysOf are the keys that belong to a namespace: by their tag, or as a
// message's by its record.
func keysOf(t testing.TB, s *Store, ns string) (found []string) {
	t.Helper()
	for _, key := range keysLeft(t, s) {
		tag, _, _ := strings.Cut(key, "}")
		if _, tag, _ = strings.Cut(tag, "{"); tag == escape(ns) || strings.HasPrefix(tag, escape(ns)+"|") {
			found = append(found, key)
		}
		if id, ok := strings.CutPrefix(key, "m:{"); ok {
			id, _, _ = strings.Cut(id, "}")
			if s.rdb.HGet(t.Context(), s.keys.message(id), "namespace").Val() == ns {
				found = append(found, key)
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestPurgeData(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		// Names that are parts of each other, and patterns.
		names := []string{"/a", "/a_b", "/ab", "/a/b", `/a\b[c-e]?`, "/a.b$c#d"}
		for _, ns := range names {
			inhabit(t, s, ns)
		}
		before := map[string][]string{}
		for _, ns := range names {
			if before[ns] = keysOf(t, s, ns); len(before[ns]) < 40 {
				t.Fatalf("%s has only %v", ns, before[ns])
			}
		}
		for i, ns := range names {
			steps := 0
			check(t, s.PurgeData(ctx, ns, func(context.Context) error { steps++; return nil }))
			if left := keysOf(t, s, ns); len(left) > 0 {
				t.Errorf("%s keeps %v", ns, left)
			}
			if steps == 0 {
				t.Error("no step was told")
			}
			for _, other := range names[i+1:] {
				if now := keysOf(t, s, other); !slices.Equal(now, before[other]) {
					t.Fatalf("clearing %s changed %s:\n%v\nto\n%v", ns, other, before[other], now)
				}
			}
			check(t, s.PurgeData(ctx, ns, noStep)) // nothing to do
		}
		for _, key := range keysLeft(t, s) {
			if strings.HasPrefix(key, "m:") || strings.HasPrefix(key, "c:") || strings.HasPrefix(key, "r:") {
				t.Errorf("left: %s", key)
			}
		}
	})
}

// A purge that is interrupted anywhere can be continued.
func TestPurgeDataInterrupted(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		stop := errors.New("stop")
		for after := 1; ; after++ {
			inhabit(t, s, "/a")
			left := after
			err := s.PurgeData(t.Context(), "/a", func(context.Context) error {
				if left--; left == 0 {
					return stop
				}
				return nil
			})
			if err != nil && !errors.Is(err, stop) {
				t.Fatal(err)
			}
			check(t, s.PurgeData(t.Context(), "/a", noStep))
			if left := keysOf(t, s, "/a"); len(left) > 0 {
				t.Fatalf("stopped at step %d: %v", after, left)
			}
			if err == nil {
				return // as many steps as there are
			}
		}
	})
}

func TestEvictClients(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		inhabit(t, s, "/a")
		inhabit(t, s, "/b")
		if n := must[int](t)(s.ConnectionsOf(ctx, "/a", noStep)); n != 0 {
			t.Errorf("%d connections of nodes without a lease", n)
		}
		must[bool](t)(s.Beat(ctx, "n1", time.Minute))
		if n := must[int](t)(s.ConnectionsOf(ctx, "/a", noStep)); n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
		check(t, s.EvictClients(ctx, "/a", noStep))
		if got := must[room.Online](t)(s.Online(ctx, "/a")); got != (room.Online{Total: 5}) {
			t.Errorf("online %+v", got)
		}
		if got := must[room.Online](t)(s.Online(ctx, "/b")); got.Clients != 2 || got.Rooms != 3 {
			t.Errorf("the other namespace: %+v", got)
		}
		for user, reason := range map[string]string{"u0#web": client.ReasonNetwork, "u3#web": client.ReasonClear, "u4#ios": client.ReasonClear} {
			record := s.rdb.HGetAll(ctx, s.keys.client("/a", "/a#"+user+"-1")).Val()
			if record["disconnect_reason"] != reason || record["~on"] != "" {
				t.Errorf("%s: %v", user, record)
			}
		}
		if counts := must[[]room.Count](t)(s.RoomCounts(ctx, "/a", []string{"r"})); counts[0].Online != (room.PerPlatform{}) || counts[0].Total != (room.PerPlatform{Web: 2, IOS: 2, Android: 1}) {
			t.Errorf("room %+v", counts[0])
		}
		// A ghost no figure knows, and a list that is wrong.
		k := s.keys.namespace("/a")
		check(t, s.rdb.HSet(ctx, k.users, "ghost", "1").Err())
		check(t, s.rdb.HSet(ctx, s.keys.room("/a", "user_ghost").members, "x", "1|web|n1|ghost").Err())
		check(t, s.rdb.HSet(ctx, k.rooms, "haunted", "-1").Err())
		check(t, s.PurgeRealtime(ctx, "/a", noStep))
		for _, key := range []string{k.online, k.users, k.rooms, k.geo, s.keys.room("/a", "user_ghost").members, s.keys.room("/a", "r").index} {
			if n := s.rdb.Exists(ctx, key).Val(); n != 0 {
				t.Errorf("%s is left", key)
			}
		}
		if n := len(must[[]int64](t)(s.MessageIDs(ctx, "/a"))); n != 2 {
			t.Errorf("%d messages in the history", n)
		}
	})
}

func TestNamespaceNotes(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		save := func(n *namespace.Namespace) {
			t.Helper()
			_, err := s.UpdateNamespace(ctx, n.Key, func(*namespace.Namespace) (*namespace.Namespace, error) { return n, nil })
			check(t, err)
		}
		save(&namespace.Namespace{Key: "/a", Offline: true})
		save(&namespace.Namespace{Key: "/b", Offline: true, Purge: namespace.PurgeClear})
		save(&namespace.Namespace{Key: "/c", Offline: true, Purge: namespace.PurgeFlush})
		names := func(list []*namespace.Namespace, err error) string {
			check(t, err)
			var keys []string
			for _, n := range list {
				keys = append(keys, n.Key)
			}
			slices.Sort(keys)
			return strings.Join(keys, " ")
		}
		if got := names(s.LoadNamespaces(ctx)); got != "/a /b" {
			t.Errorf("loaded %s", got)
		}
		if got := names(s.Purges(ctx)); got != "/b /c" {
			t.Errorf("purges %s", got)
		}
		for _, key := range []string{"/a", "/b", "/c", "/nothing"} {
			check(t, s.RemoveNamespace(ctx, key))
		}
		for key, there := range map[string]bool{"/a": true, "/b": true, "/c": false, "/nothing": false} {
			if n := must[*namespace.Namespace](t)(s.Namespace(ctx, key)); (n != nil) != there {
				t.Errorf("%s: %v", key, n)
			}
		}
	})
}

func TestUnlock(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		lock := func(by string) bool { return must[bool](t)(s.Lock(ctx, "job", by, time.Minute)) }
		if !lock("a") || lock("b") {
			t.Fatal("the lock does not lock")
		}
		check(t, s.Unlock(ctx, "job", "b"))
		if lock("b") {
			t.Error("unlocked by somebody else")
		}
		check(t, s.Unlock(ctx, "job", "a"))
		check(t, s.Unlock(ctx, "job", "a"))
		if !lock("b") {
			t.Error("still locked")
		}
	})
}
