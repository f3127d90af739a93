package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
)

func TestReconcileRooms(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		s.settleTime = 50 * time.Millisecond
		ctx := t.Context()
		var want []string
		for i := range 5 {
			name := fmt.Sprint("r", i)
			want = append(want, name)
			device(t, s, "/a", fmt.Sprint("u", i), client.Web, "n1", name, fmt.Sprint("user_u", i))
		}
		if got := must[[]string](t)(s.OnlineRooms(ctx, "/a")); !slices.Equal(got, want) {
			t.Fatalf("rooms %v", got)
		}
		if fixed := must[int](t)(s.ReconcileRooms(ctx, "/a")); fixed != 0 {
			t.Errorf("%d corrections of a list that was right", fixed)
		}
		// What processes leave that die before they note a transition.
		list := s.keys.namespace("/a").rooms
		check(t, s.rdb.HDel(ctx, list, "r0", "r1").Err())
		check(t, s.rdb.HSet(ctx, list, "r2", 2, "ghost", 1, "other", -1).Err())
		if fixed := must[int](t)(s.ReconcileRooms(ctx, "/a")); fixed != 5 {
			t.Errorf("%d corrections, want 5", fixed)
		}
		if got := must[[]string](t)(s.OnlineRooms(ctx, "/a")); !slices.Equal(got, want) {
			t.Errorf("rooms %v", got)
		}
		if got := s.rdb.HGet(ctx, list, "r2").Val(); got != "1" {
			t.Errorf("r2 counts %s", got)
		}
	})
}
