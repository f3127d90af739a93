package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/canary"
)

func peerNames(peers []canary.Peer) string {
	var names []string
	for _, p := range peers {
		names = append(names, p.Node+":"+p.Interval.String())
	}
	return strings.Join(names, " ")
}

func TestCanaryRing(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.UnixMilli(1_800_000_000_000)
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		enter := func(node string, interval time.Duration, before, behind string) {
			t.Helper()
			prev, next, err := s.KeepInRing(ctx, node, interval, 2)
			check(t, err)
			if got := peerNames(prev) + " | " + peerNames(next); got != before+" | "+behind {
				t.Errorf("%s: %s, want %s | %s", node, got, before, behind)
			}
		}
		behind := func(name string, n int, want string) {
			t.Helper()
			peers, err := s.RingBehind(ctx, name, n)
			check(t, err)
			if got := peerNames(peers); got != want {
				t.Errorf("behind %q: %s, want %s", name, got, want)
			}
		}
		behind("", 3, "")
		for _, node := range []string{"a", "b", "b-1", "c", "d"} {
			must[bool](t)(s.Beat(ctx, node, time.Minute))
		}
		enter("a", 5*time.Second, "", "")
		enter("a", 5*time.Second, "", "") // alone still
		enter("c", 5*time.Second, "a:5s", "a:5s")
		enter("b", time.Second, "a:5s c:5s", "c:5s a:5s")
		enter("b-1", 5*time.Second, "b:1s a:5s", "c:5s a:5s")
		enter("d", 5*time.Second, "c:5s b-1:5s", "a:5s b:1s")
		enter("a", 5*time.Second, "d:5s c:5s", "b:1s b-1:5s")
		behind("", 3, "a:5s b:1s b-1:5s")
		behind("a", 3, "b:1s b-1:5s c:5s")
		behind("b", 2, "b-1:5s c:5s")
		behind("d", 9, "a:5s b:1s b-1:5s c:5s d:5s")
		behind("a-is-gone", 2, "b:1s b-1:5s")
		// Another interval is the same node; what it was before goes.
		enter("b", 2*time.Second, "a:5s d:5s", "b-1:5s c:5s")
		enter("c", 5*time.Second, "b-1:5s b:2s", "d:5s a:5s")

		check(t, s.LeaveRing(ctx, "b")) // and not b-1
		enter("c", 5*time.Second, "b-1:5s a:5s", "d:5s a:5s")
		check(t, s.Drop(ctx, "d"))
		enter("c", 5*time.Second, "b-1:5s a:5s", "a:5s b-1:5s")
		// A sweep by an older version leaves the ring as it was; a lease that has ended is nobody's, either.
		must[int](t)(0, s.run(ctx, do("ZREM", s.keys.nodes(), "b-1")))
		now = now.Add(30 * time.Second)
		must[bool](t)(s.Beat(ctx, "c", time.Minute))
		now = now.Add(45 * time.Second)
		enter("c", 5*time.Second, "", "")
		ring := do("ZRANGE", s.keys.ring(), 0, -1)
		check(t, s.run(ctx, ring))
		if got := ring.texts(); !slices.Equal(got, []string{"a 5000", "c 5000"}) { // a may still come back
			t.Errorf("ring %q", got)
		}
		must[bool](t)(s.Beat(ctx, "a", time.Minute))
		first, _, err := s.KeepInRing(ctx, "c", 5*time.Second, 2)
		check(t, err)
		now = now.Add(time.Second)
		must[bool](t)(s.Beat(ctx, "a", time.Minute))
		second, _, err := s.KeepInRing(ctx, "c", 5*time.Second, 2)
		check(t, err)
		if len(first) != 1 || len(second) != 1 || first[0].Lease == second[0].Lease {
			t.Errorf("a renewed lease is not seen: %v, %v", first, second)
		}
		if _, _, err := s.KeepInRing(ctx, "{}", time.Second, 2); err == nil {
			t.Error("a name with braces")
		}
	})
}

func TestCanaryPickUp(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		want := func(process string, own int64, last canary.Note) {
			t.Helper()
			gotOwn, gotLast, err := s.PickedUp(t.Context(), process)
			check(t, err)
			if gotOwn != own || gotLast != last {
				t.Errorf("%s: %d %+v, want %d %+v", process, gotOwn, gotLast, own, last)
			}
		}
		want("l1", 0, canary.Note{})
		first, second := canary.Note{From: "l1", Sent: 1_800_000_000_000_000, Interval: time.Second, Answer: true}, canary.Note{From: "l 2", Sent: 7, Answer: true}
		check(t, s.PickUp(t.Context(), []canary.Note{first, second}))
		want("l1", first.Sent, second)
		want("l 2", 7, second)
		check(t, s.PickUp(t.Context(), []canary.Note{first}))
		want("l 2", 7, first)
		check(t, s.PickUp(t.Context(), nil))
	})
}
