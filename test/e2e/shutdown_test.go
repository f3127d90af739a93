//go:build e2e

package e2e

import (
	"net"
	"strings"
	"testing"
	"time"
)

// TestCleanShutdown: SIGTERM with clients connected. The clients must see the transport end, not a server's
// disconnect: after that one they would not come back by themselves.
func TestCleanShutdown(t *testing.T) {
	forEachDeployment(t, func(t *testing.T, d *deployment) {
		drv := startNode(t)
		var clients []string
		for _, lib := range []string{"v2", "v3", "v4"} {
			for _, m := range modes {
				c := lib + "-" + m.name
				id := identity{c, c, "web"}
				r := rig{drv: drv, lib: lib, mode: m, url: d.sockets[0], namespace: d.namespace.name, api: d.api(t, 0)}
				r.open(t, c, id, false, "", emission{Event: "joinRoom", Args: []any{"all"}, Ack: "join"})
				r.wantTransport(t, c, drv.connected(t, c, id.clientID(r.namespace)))
				drv.wantOK(t, c, "join")
				clients = append(clients, c)
			}
		}
		for i := len(d.procs) - 1; i >= 0; i-- { // connectors first: the logic must not depend on them either way
			start := time.Now()
			d.procs[i].terminate()
			t.Logf("%s ended after %s", d.procs[i].name, time.Since(start).Round(time.Millisecond))
		}
		for _, c := range clients {
			if got := drv.takeKind(t, c, "disconnect"); got.Reason != "transport close" {
				t.Errorf("client %s: disconnect %q, want \"transport close\"", c, got.Reason)
			}
		}
		for _, url := range append(append([]string{}, d.sockets...), d.apis...) {
			if conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
				_ = conn.Close()
				t.Errorf("something still listens on %s", url)
			}
		}
	})
}
