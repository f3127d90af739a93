//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestClientBursts: more than a client's transport takes at once, on polling, where it has to be cut into answers and
// requests. Checklist 98, 99, 100 and 101; what these clients do otherwise is in TestOfficialClients and
// TestPythonClient.
func TestClientBursts(t *testing.T) {
	const (
		pushes = 50     // to the client, far more than a python client takes in one answer
		asks   = 30     // of the client, which make
		size   = 50_000 // bytes each, together more than max_payload
	)
	d := startRoles(t, 1, 1)
	node, python := startNode(t), startPython(t)
	polling := modes[1]
	for _, lib := range []string{"v2", "v3", "v4", "py"} {
		t.Run(lib, func(t *testing.T) {
			r := rig{drv: node, lib: lib, mode: polling, url: d.sockets[0], namespace: d.namespace.name, api: d.api(t, 0)}
			if lib == "py" {
				r.drv = python
			}
			c, id, room := lib+"/burst", identity{"burst-" + lib, "burst." + lib, "web"}, "burst-"+lib
			join := func(i int, filler string) emission {
				return emission{Event: "joinRoom", Args: []any{[]string{room}, filler}, Ack: fmt.Sprint("join", i)}
			}
			emissions := []emission{join(0, "")}
			if lib == "v4" { // the only one that reads maxPayload and cuts its requests
				for i := 1; i <= asks; i++ {
					emissions = append(emissions, join(i, strings.Repeat("x", size)))
				}
			}
			r.open(t, c, id, false, "", emissions...)
			r.drv.connected(t, c, id.clientID(r.namespace))
			for i := range emissions {
				r.drv.wantOK(t, c, fmt.Sprint("join", i))
			}

			// At once, so that they wait for the next GET together; what comes is in order of the ids.
			var mu sync.Mutex
			var all sync.WaitGroup
			ids := map[int64]bool{}
			for i := range pushes {
				all.Go(func() {
					id := r.api.push(room, map[string]any{"n": i, "filler": strings.Repeat("é", 100)})
					mu.Lock()
					defer mu.Unlock()
					ids[id] = true
				})
			}
			all.Wait()
			last := int64(0)
			for n := range pushes {
				got := pushID(r.drv.takeEvent(t, c, "push"))
				ordered := got > last || lib == "py" // which has a thread for every event
				if !ids[got] || !ordered {
					t.Fatalf("push %d of %d has the id %d, behind %d", n+1, pushes, got, last)
				}
				delete(ids, got)
				last = got
			}
			for _, rep := range r.drv.seen(c) {
				if rep.Ev == "disconnect" || rep.Name == "push" {
					t.Errorf("client %s: %v", c, rep)
				}
			}
			r.drv.close(t, c)
			r.drv.takeKind(t, c, "disconnect")
		})
	}
}

func pushID(r report) int64 {
	var event struct{ ID int64 }
	if len(r.Args) > 0 {
		_ = json.Unmarshal(r.Args[0], &event)
	}
	return event.ID
}
