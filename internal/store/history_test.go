package store

import (
	"slices"
	"testing"

	"github.com/lightpush/lightpush/internal/push"
)

// A namespace may keep a shorter history than others, and never a longer one.
func TestHistoryOfANamespace(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, func(o *Options) { o.HistoryMax = 4 })
		ctx := t.Context()
		accept := func(ns string, keep, n int) {
			t.Helper()
			for range n {
				m := message(ns, "r")
				m.HistoryMax = keep
				check(t, s.Accept(ctx, []*push.Message{m, message("/other", "r")}))
			}
		}
		accept("/a", 2, 3)
		if got := must[[]int64](t)(s.MessageIDs(ctx, "/a")); !slices.Equal(got, []int64{5, 3}) {
			t.Errorf("history %v", got)
		}
		if got := must[[]int64](t)(s.MessageIDs(ctx, "/other")); len(got) != 3 {
			t.Errorf("history of the other namespace %v", got)
		}
		accept("/a", 100, 5)
		if got := must[[]int64](t)(s.MessageIDs(ctx, "/a")); len(got) != 4 {
			t.Errorf("history %v", got)
		}
	})
}
