//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// canaryPlace is a cluster whose processes have a Redis user each, so that single ways of messages can be cut while
// everything else goes on: Redis answers PING, leases are renewed.
type canaryPlace struct {
	*deployment
	t     *testing.T
	redis *redis.Client
}

const canaryRules = "~lp:* +@read +@write +@scripting +@connection +info +time"

func startCanaries(t *testing.T) *canaryPlace {
	address := startRedis(t)
	p := &canaryPlace{
		t: t, redis: redis.NewClient(&redis.Options{Addr: address}),
		deployment: &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{"/demo", "e2e-demo-passwd"}},
	}
	t.Cleanup(func() { _ = p.redis.Close() })
	start := func(role string, i int, user string) string {
		p.acl(user, append([]string{"on", ">canary"}, strings.Fields(canaryRules)...)...)
		return p.startRole(t, role, i, address, withMetrics, "LIGHTPUSH_CANARY_INTERVAL=1000", "LIGHTPUSH_NODE_ID="+user,
			"LIGHTPUSH_REDIS_USERNAME="+user, "LIGHTPUSH_REDIS_PASSWORD=canary")
	}
	for i := range 2 {
		p.apis = append(p.apis, start("logic", i, fmt.Sprint("l", i)))
	}
	for i := range 2 {
		p.sockets = append(p.sockets, start("connector", i, fmt.Sprint("c", i)))
	}
	p.createNamespace(t)
	return p
}

// acl changes what a user may do, at once.
func (p *canaryPlace) acl(user string, rules ...string) {
	p.t.Helper()
	args := []any{"ACL", "SETUSER", user}
	for _, r := range rules {
		args = append(args, r)
	}
	if err := p.redis.Do(p.t.Context(), args...).Err(); err != nil {
		p.t.Fatal(err)
	}
}

// readiness maps each process to what its /readyz says of the canary, "" when it is ready.
func (p *canaryPlace) readiness() map[string]string {
	found := map[string]string{}
	for kind, bases := range map[string][]string{"c": p.sockets, "l": p.apis} {
		for i, base := range bases {
			status, body := probe(p.t, strings.TrimPrefix(base, "http://"), "/readyz")
			switch {
			case status == 200:
				found[fmt.Sprint(kind, i)] = ""
			case status == 503 && strings.Contains(body, `"check":"canary"`):
				found[fmt.Sprint(kind, i)] = body
			default:
				p.t.Fatalf("%s%d: /readyz answers %d %s", kind, i, status, body)
			}
		}
	}
	return found
}

// unready waits until one process gives that reason, and sees to it that all others are ready all the time.
func (p *canaryPlace) unready(who, reason string) {
	p.t.Helper()
	eventually(p.t, 40*time.Second, who+" is not ready", func() error {
		found := p.readiness()
		for name, said := range found {
			if name != who && said != "" {
				p.t.Fatalf("%s is not ready: %s", name, said)
			}
		}
		if !strings.Contains(found[who], reason) {
			return fmt.Errorf("%s says %q", who, found[who])
		}
		return nil
	})
	p.t.Logf("%s: %s", who, p.readiness()[who])
}

func (p *canaryPlace) allReady() {
	p.t.Helper()
	eventually(p.t, 20*time.Second, "all are ready", func() error {
		for name, said := range p.readiness() {
			if said != "" {
				return fmt.Errorf("%s: %s", name, said)
			}
		}
		return nil
	})
}

// TestCanary: each way on which messages stop flowing, while Redis answers and leases are renewed, is seen by the process
// that has to leave the balancer and by no other, and is over by itself.
func TestCanary(t *testing.T) {
	p := startCanaries(t)
	p.allReady()
	client := p.connect(t, 1, "joe")

	t.Run("stream not read", func(t *testing.T) {
		p.t = t
		p.acl("c1", "-xread")
		p.unready("c1", "the stream of this node is not read")
		if status, body := probe(t, p.host(1), "/livez"); status != 200 {
			t.Errorf("/livez: %d %s", status, body)
		}
		// What is pushed meanwhile is late, not lost.
		id := p.api(t, 0).push("user_joe", pushBody("late"))
		p.acl("c1", "+xread")
		p.allReady()
		_ = client.SetReadDeadline(time.Now().Add(eventTimeout))
		for {
			packet, err := client.Next()
			if err != nil {
				t.Fatalf("the late push did not come: %v", err)
			}
			var event struct{ ID int64 }
			if packet.Name() == "push" && packet.Arg(0, &event) == nil && event.ID == id {
				break
			}
		}
	})
	t.Run("stream not written", func(t *testing.T) {
		p.t = t
		p.acl("c0", "-xadd")
		p.unready("c0", "nothing can be written to the stream of this node")
		p.acl("c0", "+xadd")
		p.allReady()
	})
	t.Run("nothing from others", func(t *testing.T) {
		p.t = t
		for _, other := range []string{"c0", "l0", "l1"} { // they may touch any stream but that of c1
			p.acl(other, "resetkeys", "~lp:[^s]*", "~lp:swept", "~lp:s:{c0}")
		}
		p.unready("c1", "nothing written by other processes arrives")
		for _, other := range []string{"c0", "l0", "l1"} {
			p.acl(other, "resetkeys", "~lp:*")
		}
		p.allReady()
	})
	t.Run("a logic process is not heard", func(t *testing.T) {
		p.t = t
		p.acl("l1", "-xadd")
		p.unready("l1", "no connector gets what this process writes")
		p.acl("l1", "+xadd")
		p.allReady()
	})
	t.Run("no logic process is heard", func(t *testing.T) {
		p.t = t
		p.acl("l0", "-xadd")
		p.acl("l1", "-xadd")
		for i := range p.apis {
			eventually(t, 30*time.Second, "it is counted", func() error {
				// The first to lose its way may have been alone in that for a moment.
				if n := metric(t, p.procs[i], `lightpush_canary_failures_total{failure="nobody"`); n == 0 {
					return fmt.Errorf("%.0f", n)
				}
				return nil
			})
		}
		p.allReady() // to refuse pushes would help nobody
		p.acl("l0", "+xadd")
		p.acl("l1", "+xadd")
		p.allReady()
	})
	p.t = t
	for i, failures := range [][]string{{"write"}, {"read", "others"}} {
		for _, failure := range failures {
			if n := metric(t, p.connectorProcess(i), fmt.Sprintf(`lightpush_canary_failures_total{failure=%q`, failure)); n == 0 {
				t.Errorf("connector %d has not counted %q", i, failure)
			}
		}
		for _, from := range []string{"own", "other"} {
			if n := metric(t, p.connectorProcess(i), fmt.Sprintf(`lightpush_canary_seconds_count{from=%q`, from)); n == 0 {
				t.Errorf("connector %d has seen no canary of %q", i, from)
			}
		}
	}
}

// TestCanaryChurn: connectors that come, leave, are killed and are frozen, and one without canaries, make nobody else
// unready; nor is anybody, alone in the end.
func TestCanaryChurn(t *testing.T) {
	address := startRedis(t)
	d := &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{"/demo", "e2e-demo-passwd"}}
	env := []string{"LIGHTPUSH_CANARY_INTERVAL=1000", shortLease}
	d.apis = append(d.apis, d.startRole(t, "logic", 0, address, env...))
	connector := func(more ...string) *process {
		d.sockets = append(d.sockets, d.startRole(t, "connector", len(d.sockets), address, append(env, more...)...))
		return d.procs[len(d.procs)-1]
	}
	first := connector()
	watch := func(what string, during time.Duration) {
		t.Helper()
		for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			for _, base := range []string{d.sockets[0], d.apis[0]} {
				if status, body := probe(t, strings.TrimPrefix(base, "http://"), "/readyz"); status != 200 {
					t.Fatalf("%s: %s answers %d %s", what, base, status, body)
				}
			}
		}
	}
	watch("alone", 5*time.Second)
	second, third, old := connector(), connector(), connector("LIGHTPUSH_CANARY_INTERVAL=0")
	watch("four", 5*time.Second)
	thaw := second.freeze()
	third.kill()
	watch("one frozen, one killed", 8*time.Second)
	thaw()
	watch("one came back", 5*time.Second)
	old.terminate()
	second.terminate()
	watch("alone again", 5*time.Second)
	if strings.Contains(first.log(), "canary: not ready") {
		t.Error("the first was not ready for a moment")
	}
}
