//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"
)

// TestQuickStart is a newcomer's first minute: start one command, connect, paste the printed curl line, see the receipt.
func TestQuickStart(t *testing.T) {
	need(t, "curl")
	a := startAllInOne(t, t.TempDir())
	drv := startNode(t)
	id := identity{"first-phone", "newcomer", "web"}
	r := rig{drv: drv, lib: "v4", mode: modes[2], url: a.sockets[0], namespace: a.namespace.name, api: a.api(t, 0)}
	r.open(t, "c", id, false, "event", emission{Event: "joinRoom", Args: []any{"news"}, Ack: "join"})
	drv.connected(t, "c", id.clientID(r.namespace))
	drv.wantOK(t, "c", "join")

	cmd := exec.Command("sh", "-c", a.curl)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", a.curl, err, out, stderr.Bytes())
	}
	var answer struct{ ID int64 }
	if err := json.Unmarshal(out, &answer); err != nil || answer.ID <= 0 {
		t.Fatalf("%s answered %s", a.curl, out)
	}
	push := drv.takeEvent(t, "c", "push")
	var event struct {
		ID       int64
		Room     string
		PushData map[string]any
	}
	if err := json.Unmarshal(push.Args[0], &event); err != nil || event.ID != answer.ID || event.Room != "news" || event.PushData["text"] != "hello" {
		t.Errorf("the client got %s", push.Args[0])
	}
	a.api(t, 0).waitReceipt(answer.ID, 1, 1, 0)
}
