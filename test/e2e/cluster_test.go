//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

// TestCluster: two connectors and two logic processes behave as one service.
func TestCluster(t *testing.T) {
	d := startRoles(t, 2, 2)
	drv := startNode(t)
	on := func(connector int, lib string, m mode) rig {
		return rig{drv: drv, lib: lib, mode: m, url: d.sockets[connector], namespace: d.namespace.name, api: d.api(t, 0)}
	}

	// Clients of all generations and transports, spread over both connectors.
	var clients []string
	for _, lib := range []string{"v2", "v3", "v4"} {
		for _, m := range modes {
			i := len(clients)
			c := fmt.Sprintf("c%d", i)
			id := identity{c, c, "web"}
			on(i%2, lib, m).open(t, c, id, false, "event", emission{Event: "joinRoom", Args: []any{"plaza"}, Ack: "join"})
			clients = append(clients, c)
		}
	}
	for _, c := range clients {
		drv.connected(t, c, identity{c, c, "web"}.clientID(d.namespace.name))
		drv.wantOK(t, c, "join")
	}

	// A push through either logic process reaches everybody, in the order one process accepted it.
	r := on(0, "v4", modes[0])
	for logic := range d.apis {
		const burst = 20
		var last int64
		for n := range burst {
			last = d.api(t, logic).push("plaza", pushBody(fmt.Sprintf("%d.%d", logic, n)))
		}
		for _, c := range clients {
			for n := range burst {
				if got := drv.takeEvent(t, c, "push"); markerOf(got) != fmt.Sprintf("%d.%d", logic, n) {
					t.Fatalf("client %s got %s in place of %d.%d", c, markerOf(got), logic, n)
				}
			}
		}
		d.api(t, 1-logic).waitReceipt(last, len(clients), len(clients), 0)
	}

	// The same device on the other connector: the newest wins. The first connector is frozen meanwhile, so that the
	// end of the old connection comes late for certain; it must not unseat the new one.
	ann := identity{"tablet", "ann", "ios"}
	on(0, "v4", modes[0]).open(t, "old", ann, false, "event", emission{Event: "joinRoom", Args: []any{"lounge"}, Ack: "join"})
	drv.connected(t, "old", ann.clientID(d.namespace.name))
	drv.wantOK(t, "old", "join")
	thaw := d.connectorProcess(0).freeze()
	on(1, "v2", modes[2]).open(t, "new", ann, false, "event", emission{Event: "joinRoom", Args: []any{"lounge"}, Ack: "join"})
	drv.connected(t, "new", ann.clientID(d.namespace.name))
	drv.wantOK(t, "new", "join")
	thaw()
	if gone := drv.takeKind(t, "old", "disconnect"); gone.Reason != "io server disconnect" {
		t.Errorf("the old connection ended with %q, want \"io server disconnect\"", gone.Reason)
	}
	for logic := range d.apis {
		for _, room := range []string{"lounge", ann.userRoom()} {
			marker := fmt.Sprintf("%s by %d", room, logic)
			msg := d.api(t, logic).push(room, pushBody(marker))
			r.wantPush(t, "new", room, marker, msg)
			d.api(t, 1-logic).waitReceipt(msg, 1, 1, 1)
			r.wantNoPush(t, "old", marker)
		}
	}
	for logic := range d.apis {
		if lounge, err := d.api(t, logic).room("lounge"); err != nil || lounge.ClientCount != 1 || lounge.TotalClientCount != 1 {
			t.Errorf("lounge reported by logic %d: %+v, %v", logic, lounge, err)
		}
	}

	// A namespace password changed through one logic process holds on the other.
	d.adminAPI(t, 1).post("/api/admin/namespace/save", map[string]any{"key": d.namespace.name, "auth_passwd": "changed"}, 200)
	d.namespace.passwd = "changed"
	eventually(t, eventTimeout, "new password everywhere", func() error {
		var ns struct{ Key string }
		return d.api(t, 0).tryGet("/api/auth/namespace", &ns)
	})
}
