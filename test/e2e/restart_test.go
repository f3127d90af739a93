//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestKilledProcessKeepsItsData: kill -9 right after an answer loses nothing that was answered, and a second start
// prints no secret again.
func TestKilledProcessKeepsItsData(t *testing.T) {
	dir := t.TempDir()
	a := startAllInOne(t, dir)
	drv := startNode(t)
	id := identity{"phone", "kim", "ios"}
	r := rig{drv: drv, lib: "v4", mode: modes[0], url: a.sockets[0], namespace: a.namespace.name, api: a.api(t, 0)}
	r.open(t, "before", id, false, "event", emission{Event: "joinRoom", Args: []any{"club"}, Ack: "join"})
	drv.connected(t, "before", id.clientID(r.namespace))
	drv.wantOK(t, "before", "join")

	var ids []int64
	for i := range 20 {
		ids = append(ids, r.api.push("club", pushBody(fmt.Sprint(i))))
	}
	for _, msg := range ids {
		r.api.waitReceipt(msg, 1, 1, 1)
	}
	ids = append(ids, r.api.push("elsewhere", pushBody("last words")))
	a.proc.kill()
	drv.takeKind(t, "before", "disconnect")

	b := restartAllInOne(t, dir, a.deployment)
	r.url, r.api = b.sockets[0], b.api(t, 0)
	var ns struct{ Key string }
	if r.api.get("/api/auth/namespace", &ns); ns.Key != a.namespace.name {
		t.Errorf("namespace after the restart: %+v", ns)
	}
	b.adminAPI(t, 0).post("/api/admin/login", map[string]any{}, 200)

	var history []receipt
	r.api.get("/api/auth/report/push?size=100", &history)
	for i, msg := range ids {
		at := len(ids) - 1 - i // newest first
		if len(history) != len(ids) || history[at].ID != fmt.Sprint(msg) {
			t.Fatalf("history has %d messages, want %d; expected %d at %d: %v", len(history), len(ids), msg, at, history)
		}
	}
	for _, msg := range ids[:20] {
		if got, err := r.api.receipt(msg); err != nil || got.AckCount != "1" || got.AckIOSCount != "1" || got.OnlineClientCount != "1" {
			t.Errorf("receipt after the restart: %v, %v", got, err)
		}
	}
	if club, err := r.api.room("club"); err != nil || club.TotalClientCount != 1 {
		t.Errorf("room after the restart: %+v, %v", club, err)
	}

	// Life goes on: ids keep growing, and the device is a member once, not twice.
	r.open(t, "after", id, false, "event", emission{Event: "joinRoom", Args: []any{"club"}, Ack: "join"})
	drv.connected(t, "after", id.clientID(r.namespace))
	drv.wantOK(t, "after", "join")
	msg := r.api.push("club", pushBody("again"))
	if last := ids[len(ids)-1]; msg <= last {
		t.Errorf("message id %d after %d", msg, last)
	}
	r.wantPush(t, "after", "club", "again", msg)
	r.api.waitReceipt(msg, 1, 1, 1)
	if club, err := r.api.room("club"); err != nil || club.TotalClientCount != 1 || club.ClientCount != 1 {
		t.Errorf("room with the device back: %+v, %v", club, err)
	}
	drv.close(t, "after")
	r.api.waitOnline("club", 0, 30*time.Second)

	b.proc.terminate()
	lines, _ := b.proc.output()
	printed := strings.Join(lines, "\n") + b.proc.log() + a.proc.log()
	for _, secret := range []string{a.admin.passwd, a.namespace.passwd} {
		if strings.Contains(printed, secret) {
			t.Errorf("a password was printed by the second start or logged:\n%s", tail(printed))
		}
	}
}
