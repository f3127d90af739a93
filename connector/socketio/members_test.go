package socketio

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A large room is walked in the order of the sessions, whatever the order of
// joining was, and a few changes do not make it be sorted again.
func TestMemberOrder(t *testing.T) {
	const n = 4 * tidyFrom
	ns := benchRoom(t, n)
	sockets := ns.Sockets() // of a map: in no order
	for _, s := range sockets {
		s.Leave("room")
	}
	for _, s := range sockets {
		if err := s.Join("room"); err != nil {
			t.Fatal(err)
		}
	}
	ordered := func(list []*Socket) bool {
		return slices.IsSortedFunc(list, func(a, b *Socket) int { return int(a.session.Order()) - int(b.session.Order()) })
	}
	if got := ns.To("room").Sockets(); len(got) != n || !ordered(got) {
		t.Fatalf("%d members, in order: %v", len(got), ordered(got))
	}
	sockets[0].Leave("room")
	_ = sockets[0].Join("room")
	got := ns.To("room").Sockets()
	if last := got[n-1]; len(got) != n || last != sockets[0] {
		t.Errorf("%d members, last %s, want %s: two changes have sorted the room", len(got), last.ID(), sockets[0].ID())
	}
	for i, at := range rand.Perm(n) { // the index is right, or this would remove others
		sockets[at].Leave("room")
		if ns.RoomLen("room") != n-i-1 {
			t.Fatalf("%d are left, want %d", ns.RoomLen("room"), n-i-1)
		}
	}
}

// A broadcast to a crowd reaches everybody once, on however many goroutines.
func TestFanOut(t *testing.T) {
	const n = 4*fanOutShard + 7
	ns := benchRoom(t, n)
	for name, b := range map[string]Broadcast{
		"room": ns.To("room"), "namespace": ns.All(), "volatile": ns.All().Volatile(),
	} {
		if sent, err := b.Emit("push", 1); sent != n || err != nil {
			t.Errorf("%s: sent to %d of %d, %v", name, sent, n, err)
		}
	}
}
