package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/node"
	"github.com/lightpush/lightpush/internal/room"
)

func TestLease(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.Now()
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		beat := func(n string) bool { return must[bool](t)(s.Beat(ctx, n, 15*time.Second)) }
		if beat("n1") || beat("n2") || !beat("n1") {
			t.Error("a node was known before its first beat, or not after")
		}
		now = now.Add(10 * time.Second)
		if !beat("n2") || len(must[[]string](t)(s.Expired(ctx))) != 0 {
			t.Error("a lease ran out too early")
		}
		now = now.Add(6 * time.Second)
		if got := must[[]string](t)(s.Expired(ctx)); !slices.Equal(got, []string{"n1"}) {
			t.Errorf("expired %v", got)
		}
		if got := must[map[string]time.Time](t)(s.Nodes(ctx)); len(got) != 2 || !got["n2"].After(now) || got["n1"].After(now) {
			t.Errorf("nodes %v", got)
		}
		check(t, s.Drop(ctx, "n1"))
		if beat("n1") {
			t.Error("a dropped node was known")
		}

		lock := func(by string) bool { return must[bool](t)(s.Lock(ctx, "n1", by, 30*time.Second)) }
		if !lock("a") || lock("b") || !lock("a") {
			t.Error("the lock was not held by one")
		}
		if b.mini != nil {
			b.mini.FastForward(time.Minute)
			if !lock("b") {
				t.Error("the lock does not end")
			}
		} else if ttl := s.rdb.PTTL(ctx, s.keys.lock("n1")).Val(); ttl <= 0 || ttl > 50*time.Second {
			t.Errorf("the lock ends in %v", ttl)
		}
	})
}

// TestSweepLeavesAMark: a sweeper that died in the middle has taken clients
// offline; a node that wakes up behind it must hear of that.
func TestSweepLeavesAMark(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, func(*Options) {})
		ctx := t.Context()
		beat := func() bool { return must[bool](t)(s.Beat(ctx, "n1", 15*time.Second)) }
		beat()
		if !must[bool](t)(s.Lock(ctx, "n1", "dies", time.Minute)) {
			t.Fatal("no lock")
		}
		if beat() {
			t.Error("a node did not hear that somebody began to sweep it")
		}
		if !beat() {
			t.Error("the node heard of one sweep twice")
		}
		must[bool](t)(s.Lock(ctx, "n1", "dies", time.Minute))
		check(t, s.Drop(ctx, "n1"))
		beat()
		if !beat() {
			t.Error("the mark of a sweep outlived it")
		}
	})
}

// TestSweep lets the domain's Sweeper clear a dead node.
func TestSweep(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.Now()
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		const dead, alive = 230, 3
		for _, n := range []string{"dead", "alive"} {
			must[bool](t)(s.Beat(ctx, n, time.Second))
			stream(t, s, n)
		}
		for i := range dead {
			device(t, s, "/a", fmt.Sprint("u", i), client.Web, "dead", "r", fmt.Sprint("user_u", i)) // all in one millisecond
		}
		for i := range alive {
			device(t, s, "/a", fmt.Sprint("u", i), client.Web, "alive", "r") // took over
		}
		now = now.Add(2 * time.Second)
		must[bool](t)(s.Beat(ctx, "alive", time.Second))
		swept := map[string]int{}
		sweeper := node.NewSweeper(s, "me", time.Hour, 0, func(n string, clients int) { swept[n] += clients }, nil)
		check(t, sweeper.Sweep(ctx))
		if len(swept) != 1 || swept["dead"] < dead {
			t.Errorf("swept %v", swept)
		}
		if got := must[room.Online](t)(s.Online(ctx, "/a")); got != (room.Online{Rooms: 1, Users: alive, Clients: alive, Total: dead}) {
			t.Errorf("online %+v", got)
		}
		if got := must[[]room.Count](t)(s.RoomCounts(ctx, "/a", []string{"r"}))[0]; got.Online.Web != alive || got.Total.Web != dead {
			t.Errorf("room %+v", got)
		}
		for _, k := range keysLeft(t, s) {
			if strings.Contains(k, "{dead}") {
				t.Errorf("%s is left", k)
			}
		}
	})
}

func TestMemberCodec(t *testing.T) {
	for _, m := range []client.Member{
		{Namespace: "/a", ClientID: "/a#u#web-1", UserID: "u", Platform: client.Web, Node: "n", Gen: 1},
		{Namespace: "/a|%7C", ClientID: "|%|", UserID: "%7C|", Platform: client.IOS, Node: "n", Gen: 1 << 50},
	} {
		if got, ok := decodeMember(m.Node, encodeMember(m)); !ok || got != m {
			t.Errorf("%+v came back as %+v", m, got)
		}
	}
	for _, text := range []string{"", "1|web|/a|u", "x|web|/a|u|c"} {
		if m, ok := decodeMember("n", text); ok {
			t.Errorf("%q is %+v", text, m)
		}
	}
}
