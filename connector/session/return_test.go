package session

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// TestReturn: a node is frozen for longer than its lease and swept. Its clients, of either generation, notice nothing,
// stay connected, and get what was pushed meanwhile, but nothing from before they came.
func TestReturn(t *testing.T) {
	nodes := newRecoveryCluster(t)
	a, b := nodes.node("a", nil), nodes.node("b", nil)
	a.namespace("/demo", nil)
	must(t, b.namespaces.Reload(context.Background()))
	since := time.Now()
	a.push("r", number(0)) // before anybody was there
	for pushed := time.Now().UnixMilli(); time.Now().UnixMilli() <= pushed; {
		runtime.Gosched()
	}
	v3 := a.join(3, "uuid=u3&userid=u3")
	v4, k := a.enter("uuid=u4&userid=u4")
	for _, c := range []*wsClient{v3, v4} {
		c.send(`42/demo,0["joinRoom",["r"]]`)
		c.expect(`43/demo,0[{"status":200,"msg":"ok"}]`)
	}
	b.sweep("a")
	b.push("r", number(1))
	b.push("user_u4", number(2))
	must(t, a.reader.Reopen(context.Background()))
	a.hub.Return(context.Background(), since)
	b.push("r", number(3))
	for _, want := range []int{1, 3} {
		if _, got := payload(t, v3.read(), "push"); numberOf(got) != want {
			t.Errorf("v3 got %v, want %d", got, want)
		}
	}
	for _, want := range []int{1, 2} { // late, so without an offset
		if _, got := payload(t, v4.read(), "push"); numberOf(got) != want {
			t.Errorf("v4 got %v, want %d", got, want)
		}
	}
	if got := v4.pushed(k); got != 3 {
		t.Errorf("v4 got %d, want 3", got)
	}
}

func numberOf(pushed map[string]any) int {
	n, _ := pushed["pushData"].(map[string]any)["n"].(float64)
	return int(n)
}
