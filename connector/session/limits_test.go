package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/auth"
)

func TestConnectionLimits(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	n.namespace("/other", nil)
	n.hub.SetCeilings(Ceilings{PerUser: 2, PerNamespace: 3})
	refused := func(eio int, ns, values, text string) {
		t.Helper()
		c := n.dial(eio, values)
		c.send("40" + ns + ",")
		if eio == 3 {
			c.expect(fmt.Sprintf("44%s,%q", ns, text), "closed") // its own back-off brings it back
			return
		}
		c.expect(fmt.Sprintf(`44%s,{"message":%q}`, ns, text))
	}
	first := n.join(4, "uuid=u1&userid=joe")
	n.join(4, "uuid=u2&userid=joe")
	refused(3, "/demo", "uuid=u3&userid=joe", "too many connections of this user")
	refused(4, "/demo", "uuid=u3&userid=joe", "too many connections of this user")
	n.join(4, "uuid=u1&userid=joe") // takes the place of the first
	first.expect("41/demo,")
	n.join(3, "uuid=a1&userid=ann")
	refused(4, "/demo", "uuid=b1&userid=ben", "too many connections of this namespace")
	other := n.dial(4, "uuid=b1&userid=ben")
	other.send("40/other,")
	if got := other.read(); !strings.HasPrefix(got, "40/other,") {
		t.Error(got)
	}
	n.hub.SetCeilings(Ceilings{})
	n.join(4, "uuid=b1&userid=ben")
}

func TestEventLimit(t *testing.T) {
	told := &recorder{}
	n, _ := newCluster(t).guarded("a", func(o *Options) { o.Observer = told })
	n.namespace("/demo", nil)
	n.hub.SetCeilings(Ceilings{Events: 1})
	c := n.join(4, "uuid=u1")
	quiet := n.join(4, "uuid=u2")
	const ok, limited = `{"status":200,"msg":"ok"}`, `{"status":429,"msg":"limited access"}`
	var frames []string
	for i := range eventsBurst + eventsPatience {
		frames = append(frames, fmt.Sprintf(`42/demo,%d["leaveRoom","x"]`, i))
	}
	c.send(frames...)
	began := time.Now()
	for i := range eventsBurst + eventsPatience {
		want := ok
		if i >= eventsBurst {
			want = limited
		}
		got := c.read()
		if time.Since(began) > 500*time.Millisecond {
			t.Skip("the machine is too slow to tell a burst")
		}
		if got != fmt.Sprintf(`43/demo,%d[%s]`, i, want) {
			t.Fatalf("event %d: %s", i, got)
		}
	}
	_, closing := payload(t, c.read(), "closing")
	if closing["reason"] != "too many events" || told.of("refused too many events") != eventsPatience {
		t.Errorf("closing %v, told %v", closing, told.counts())
	}
	c.expect("41/demo,")
	quiet.send(`42/demo,1["leaveRoom","x"]`)
	quiet.expect(`43/demo,1[` + ok + `]`)
}

// What every client pays for tokens and limits it does not use.
func TestAccessCostsLittle(t *testing.T) {
	if newAccess(grant{}) != nil {
		t.Error("a client without a token has an access")
	}
	if r := auth.NewRevocations(nil, time.Hour, nil); testing.AllocsPerRun(100, func() { r.Blocked("/demo", auth.User, "joe") }) != 0 {
		t.Error("looking for a revocation allocates")
	}
}
