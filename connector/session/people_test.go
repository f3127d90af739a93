package session

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestPeopleEvents holds that joins and leaves are told over the whole
// cluster, once, when they are real, and not to the client itself (B21).
func TestPeopleEvents(t *testing.T) {
	nodes := newCluster(t)
	nodes.people = 4
	a, kill := nodes.mortalNode("a", nil)
	b := nodes.node("b", nil)
	b.namespace("/demo", nil)
	must(t, a.namespaces.Reload(context.Background()))
	here, there := a.join(4, "uuid=here&userid=w1"), b.join(3, "uuid=there&userid=w2")
	here.joins("r", "large", "last")
	there.joins("r", "large", "last")
	for i := range 3 { // more than people are told of
		b.join(4, fmt.Sprintf("uuid=crowd%d", i)).joins("large")
	}
	// A take-over is sometimes told as a leave and a join, also of the room of
	// the user, though the device is in the room all the time; the leave can
	// come late. What of it is told is therefore not compared here.
	takenOver := "nobody"
	after := func(c *wsClient) (got string) {
		for got = c.read(); strings.Contains(got, `"userid":"`+takenOver+`"`); got = c.read() {
		}
		return got
	}
	told := func(event, user, room string, offline string) {
		t.Helper()
		want := fmt.Sprintf(`42/demo,["%s",{"sid":"/demo#%s#web-u1","uuid":"u1","userid":"%s","room":"%s"%s}]`, event, user, user, room, offline)
		for _, c := range []*wsClient{here, there} {
			if got := after(c); got != want {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
		}
	}
	c := a.join(4, "uuid=u1&userid=joe&activityBroadcast=1")
	c.joins("large", "r", "r")
	told("peopleJoin", "joe", "r", "")
	c.joins("r") // it is there
	if got := c.ask(`"leaveRoom",["r","never"]`); got != ackOK {
		t.Fatal(got)
	}
	told("peopleLeave", "joe", "r", `,"clientOffline":false`)
	c.joins("r")
	told("peopleJoin", "joe", "r", "")
	_ = c.conn.Close()
	told("peopleLeave", "joe", "r", `,"clientOffline":true`)

	for _, value := range []string{"", "false", "0", "no"} { // B21
		silent := b.join(3, "uuid=s&activityBroadcast="+value)
		silent.joins("r")
		_ = silent.conn.Close()
	}
	// A take-over changes nothing where the new connection is at once; the
	// other rooms are left, and joined again if it does so.
	first := b.join(4, "uuid=u1&userid=ann&activityBroadcast=true")
	first.joins("r")
	told("peopleJoin", "ann", "r", "")
	kin := b.join(4, "uuid=kin&userid=ann")
	second := b.join(4, "uuid=u1&userid=ann&activityBroadcast=true")
	second.joins("r")
	first.expect("41/demo,")
	_ = second.conn.Close()
	for _, c := range []*wsClient{here, there} {
		for got := ""; !strings.Contains(got, `"clientOffline":true`); {
			got = c.read()
			if !strings.Contains(got, `"userid":"ann","room":"r"`) {
				t.Errorf("during the take-over: %s", got)
			}
		}
	}
	for got := ""; !strings.Contains(got, `"clientOffline":true`); {
		if got = kin.read(); !strings.Contains(got, `"userid":"ann","room":"user_ann"`) {
			t.Errorf("in the room of the user: %s", got)
		}
	}
	// The clients of a node that is killed leave, too.
	doomed := a.join(4, "uuid=u1&userid=eve&activityBroadcast=on")
	takenOver = "ann"
	doomed.joins("last")
	told("peopleJoin", "eve", "last", "")
	kill()
	b.sweep("a")
	if got := after(there); !strings.HasPrefix(got, `42/demo,["peopleLeave",{"sid":"/demo#eve#web-u1"`) || !strings.Contains(got, `"room":"last","clientOffline":true`) {
		t.Errorf("after the kill: %s", got)
	}
}
