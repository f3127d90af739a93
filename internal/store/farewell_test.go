package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/queue"
)

// leaving enters a device that has a disconnect callback.
func leaving(t *testing.T, s *Store, user, node, body string) client.Member {
	t.Helper()
	m := client.Member{Namespace: "/a", ClientID: "/a#" + user + "#web-1", UserID: user, Platform: client.Web, Node: node, Farewell: body}
	claim, err := s.Claim(t.Context(), m)
	check(t, err)
	m.Gen = claim.Gen
	check(t, s.Enter(t.Context(), m, []string{"user_" + user}))
	return m
}

// farewells are the jobs that have come, id → body; all are done then.
func farewells(t *testing.T, s *Store) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, j := range must[[]queue.Job](t)(s.Queues().Take(t.Context(), queue.Callback, "w", nil, 100, time.Hour)) {
		got[j.ID] = string(j.Body)
		check(t, s.Queues().Done(t.Context(), queue.Callback, "w", []string{j.ID}))
	}
	return got
}

func expectFarewells(t *testing.T, s *Store, what string, want map[string]string) {
	t.Helper()
	if got := farewells(t, s); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestFarewell(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := leaving(t, s, "u", "n1", "body of u")
		id := fmt.Sprintf("/a#u#web-1|%d", m.Gen)
		expectFarewells(t, s, "while it is connected", map[string]string{})
		for range 2 { // a release may be repeated
			check(t, s.Release(ctx, m, []string{"user_u"}, client.ReasonNetwork, false))
		}
		expectFarewells(t, s, "it has gone", map[string]string{id: "body of u"})
		check(t, s.Release(ctx, m, []string{"user_u"}, client.ReasonNetwork, false))
		expectFarewells(t, s, "once", map[string]string{})
		check(t, s.Expel(ctx, []client.Member{m}, client.ReasonNetwork))
		expectFarewells(t, s, "nor by a sweep", map[string]string{})

		refused := leaving(t, s, "r", "n1", "body of r")
		refused.Refused = true
		check(t, s.Release(ctx, refused, []string{"user_r"}, client.ReasonNetwork, false))
		silent := leaving(t, s, "s", "n1", "")
		check(t, s.Release(ctx, silent, []string{"user_s"}, client.ReasonNetwork, false))
		expectFarewells(t, s, "refused, or without a callback", map[string]string{})
		if n := s.rdb.Exists(ctx, s.keys.farewells("n1"), s.keys.connections("n1")).Val(); n != 0 {
			t.Error("something is left of the node")
		}
	})
}

// TestFarewellOfTheDead: a node that dies leaves the callbacks of its
// connections behind, also of those whose device has come back elsewhere.
func TestFarewellOfTheDead(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.UnixMilli(1_800_000_000_000)
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		want := map[string]string{}
		for i := range 30 {
			m := leaving(t, s, fmt.Sprint("u", i), "dead", fmt.Sprint("body ", i))
			want[farewellID(m)] = m.Farewell
		}
		leaving(t, s, "silent", "dead", "")
		now = now.Add(time.Second)
		back := leaving(t, s, "u3", "alive", "body of the new one") // before the sweep
		left := must[[]client.Member](t)(func() ([]client.Member, error) {
			members, _, err := s.Connections(ctx, "dead", 0, 100)
			return members, err
		}())
		if len(left) != 31 {
			t.Fatalf("%d connections", len(left))
		}
		for range 2 { // a sweep may be repeated
			check(t, s.Expel(ctx, left, client.ReasonNetwork))
		}
		expectFarewells(t, s, "of the dead node", want)
		check(t, s.Drop(ctx, "dead"))
		check(t, s.Release(ctx, back, []string{"user_u3"}, client.ReasonNetwork, false))
		expectFarewells(t, s, "of the new one", map[string]string{farewellID(back): "body of the new one"})
	})
}

// TestFarewellSuperseded: the old connection of a device that is online
// elsewhere is told of; one that never got in is not.
func TestFarewellSuperseded(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		old := leaving(t, s, "u", "n1", "old")
		fresh := leaving(t, s, "u", "n2", "fresh")
		late := old
		late.Node = "n3"
		if err := s.Enter(ctx, late, []string{"user_u"}); !errors.Is(err, client.ErrSuperseded) {
			t.Fatal(err)
		}
		if n := s.rdb.Exists(ctx, s.keys.farewells("n3")).Val(); n != 0 {
			t.Error("a superseded enter left its callback")
		}
		check(t, s.Release(ctx, old, []string{"user_u"}, client.ReasonNetwork, true))
		expectFarewells(t, s, "the old one", map[string]string{farewellID(old): "old"})
		check(t, s.Release(ctx, fresh, []string{"user_u"}, client.ReasonNetwork, true))
		expectFarewells(t, s, "the fresh one", map[string]string{farewellID(fresh): "fresh"})
	})
}

// TestFarewellFails: while the job cannot be written, the connection stays
// listed, so that the next release or sweep writes it.
func TestFarewellFails(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m, other := leaving(t, s, "u", "n1", "body"), leaving(t, s, "v", "n1", "other body")
		k := s.keys.queue(queue.Callback)
		check(t, s.run(ctx, do("SET", k.jobs, "no hash"))) // makes the enqueuing fail, and nothing else
		if err := s.Release(ctx, m, []string{"user_u"}, client.ReasonNetwork, false); err == nil {
			t.Error("released without its callback")
		}
		if err := s.Expel(ctx, []client.Member{{Namespace: other.Namespace, ClientID: other.ClientID, UserID: "v", Platform: client.Web, Node: "n1", Gen: other.Gen}}, client.ReasonNetwork); err == nil {
			t.Error("expelled without its callback")
		}
		left, _, err := s.Connections(ctx, "n1", 0, 10)
		if err != nil || len(left) != 2 {
			t.Fatalf("%+v, %v", left, err)
		}
		check(t, s.run(ctx, do("DEL", k.jobs)))
		check(t, s.Expel(ctx, left, client.ReasonNetwork))
		expectFarewells(t, s, "in the end", map[string]string{farewellID(m): "body", farewellID(other): "other body"})
	})
}
