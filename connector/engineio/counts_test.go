package engineio

import (
	"fmt"
	"testing"
)

// TestCounts follows sessions of every kind through their lives.
func TestCounts(t *testing.T) {
	st := newSite(t, Options{})
	want := func(what string, v3Polling, v3WebSocket, v4Polling, v4WebSocket int) {
		t.Helper()
		counts := []Count{
			{V3, "polling", v3Polling}, {V3, "websocket", v3WebSocket}, {V4, "polling", v4Polling}, {V4, "websocket", v4WebSocket},
		}
		eventually(t, what, func() bool { return fmt.Sprint(st.server.Counts()) == fmt.Sprint(counts) })
		if sum := v3Polling + v3WebSocket + v4Polling + v4WebSocket; st.server.Len() != sum {
			t.Errorf("%s: Len is %d, not %d", what, st.server.Len(), sum)
		}
	}
	want("nobody is there", 0, 0, 0, 0)
	old, fresh := st.poll(V3, ""), st.poll(V4, "")
	direct := st.connect(V4, "")
	want("three are open", 1, 0, 1, 1)
	for _, p := range []*poller{old, fresh} {
		c := p.attach()
		c.text("2probe")
		c.want("3probe")
		want("an upgrade that is not complete changes nothing", 1, 0, 1, 1)
		if p == old {
			c.text("1") // not what may come here: the candidate is closed
			c.want("close")
			continue
		}
		c.text("5")
	}
	want("one was upgraded", 1, 0, 0, 2)
	direct.s.Close("")
	direct.s.Close("") // counts once
	want("a WebSocket is closed", 1, 0, 0, 1)
	old.s.Close("") // its client has not fetched the close packet, but it is not open any more
	want("a polling session is closed", 0, 0, 0, 1)
	fresh.s.Close("")
	want("all are gone", 0, 0, 0, 0)
}
