package bus

import (
	"testing"

	"github.com/lightpush/lightpush/internal/auth"
)

// guard is a listener that understands revocations.
type guard struct {
	*listener
	revoked chan auth.Revocation
}

func (g *guard) Revoked(r auth.Revocation) { g.revoked <- r }

// A notice of a revocation carries all of it; who does not understand it, or
// cannot read it, loads everything.
func TestControlRevocation(t *testing.T) {
	onEachAndCluster(t, func(t *testing.T, address string) {
		c := connect(t, address)
		begin := func(l Listener) {
			control := NewControl(connect(t, address), "", l, func(err error) { t.Error(err) })
			check(t, control.Start(t.Context()))
			t.Cleanup(control.Close)
		}
		g := &guard{newListener(), make(chan auth.Revocation, 1)}
		old := newListener()
		begin(g)
		begin(old)
		want := auth.Revocation{Namespace: "/demo", Kind: auth.Device, Value: "u1", Since: 1, Until: 2}
		check(t, c.Do(t.Context(), RevocationCommand("", want.Encode())...).Err())
		if got := <-g.revoked; got != want {
			t.Errorf("%+v", got)
		}
		<-old.reload
		check(t, c.Do(t.Context(), RevocationCommand("", "garbage")...).Err())
		<-g.reload
		<-old.reload
	})
}
