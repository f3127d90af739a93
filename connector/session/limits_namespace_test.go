package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/namespace"
)

// A namespace's own limits hold for its clients, those that are connected too,
// and for no others.
func TestLimitsOfANamespace(t *testing.T) {
	told := &recorder{}
	n := newCluster(t).node("a", func(o *Options) { o.Observer = told })
	n.namespace("/other", nil)
	n.namespace("/demo", nil)
	n.hub.SetCeilings(Ceilings{PerUser: 3, PerNamespace: 4})
	limit := func(limits map[string]int) {
		t.Helper()
		n.namespace("/demo", func(p *namespace.Patch) { p.Limits, p.ByAdmin = limits, true })
		ns, _ := n.namespaces.Get("/demo")
		want := ns.InForce(namespace.Limits{Connections: 4, ConnectionsPerUser: 3, RoomsPerClient: 5})
		n.eventually("the limits are in force", func() bool {
			c := ceilingsOf(n, "/demo")
			return c.PerNamespace == want.Connections && c.PerUser == want.ConnectionsPerUser && c.Events == want.EventsPerSecond && c.Rooms == want.RoomsPerClient
		})
	}
	c := n.join(4, "uuid=u1&userid=joe")
	other := n.dial(4, "uuid=o1")
	other.send("40/other,")
	if got := other.read(); !strings.HasPrefix(got, "40/other,") {
		t.Fatal(got)
	}
	other.read() // ok
	refused := func(values, text string) {
		t.Helper()
		d := n.dial(4, values)
		d.send("40/demo,")
		d.expect(fmt.Sprintf(`44/demo,{"message":%q}`, text))
	}

	limit(map[string]int{"max_connections": 1})
	refused("uuid=u2&userid=ann", "too many connections of this namespace")
	limit(map[string]int{"max_connections": 0, "max_connections_per_user": 1})
	refused("uuid=u2&userid=joe", "too many connections of this user")
	n.join(4, "uuid=u2&userid=ann")
	limit(map[string]int{"max_connections_per_user": 0})
	n.join(4, "uuid=u2&userid=joe")
	limit(map[string]int{"max_connections": 5}) // above the configuration: an administrator may
	n.join(4, "uuid=u3&userid=joe")
	n.join(4, "uuid=u3&userid=ann")
	refused("uuid=u4&userid=ben", "too many connections of this namespace")

	limit(map[string]int{"max_rooms_per_client": 2})
	c.send(`42/demo,1["joinRoom",["r1","r2"]]`)
	c.expect(`43/demo,1[{"status":500,"msg":"joinOrleaveRoom error: Error: too many rooms"}]`)
	other.send(`42/other,1["joinRoom",["r1","r2"]]`)
	other.expect(`43/other,1[{"status":200,"msg":"ok"}]`)
	limit(map[string]int{"max_rooms_per_client": 0})
	c.send(`42/demo,1["joinRoom",["r2"]]`)
	c.expect(`43/demo,1[{"status":200,"msg":"ok"}]`)

	limit(map[string]int{"max_push_bytes": 10})
	c.send(`42/demo,2["push",{"room":"r1","pushData":{"text":"longer"}}]`)
	c.expect(`43/demo,2[{"status":400,"msg":"{\"code\": 9999,\"msg\": \"pushData is larger than this namespace allows\"}"}]`)

	limit(map[string]int{"max_events_per_second": 1})
	var frames []string
	for i := range eventsBurst + 1 {
		frames = append(frames, fmt.Sprintf(`42/demo,%d["leaveRoom","x"]`, i))
	}
	c.send(frames...)
	for range eventsBurst {
		c.read()
	}
	c.expect(fmt.Sprintf(`43/demo,%d[{"status":429,"msg":"limited access"}]`, eventsBurst))
	for reason, want := range map[string]int{
		"too many connections of this namespace": 2, "too many connections of this user": 1, "too many rooms": 1,
		"pushData is larger than this namespace allows": 1, "too many events": 1,
	} {
		if got := told.of("refused " + reason); got != want {
			t.Errorf("%q was counted %d times, want %d", reason, got, want)
		}
	}
}

// A reload of the configuration does not lift what namespaces have set.
func TestLimitsOfANamespaceSurviveAReload(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", func(p *namespace.Patch) { p.Limits = map[string]int{"max_connections": 2} })
	n.join(4, "uuid=u1")
	for _, configured := range []int{0, 100, 1} {
		n.hub.SetCeilings(Ceilings{PerNamespace: configured})
		want := 2
		if configured == 1 {
			want = 1 // what the operator has tightened holds
		}
		if got := ceilingsOf(n, "/demo").PerNamespace; got != want {
			t.Errorf("configured %d: %d", configured, got)
		}
	}
}

func ceilingsOf(n *testNode, key string) Ceilings {
	tenant, ok := n.hub.existingTenant(key)
	if !ok {
		n.t.Fatalf("nobody was in %s", key)
	}
	return *tenant.Data.(*bounds).Load()
}
