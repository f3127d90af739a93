package session

import (
	"context"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
)

// TestClaimThatCameToNothing: a node claims a client id and is gone before it enters, as when the store was away for
// a while and executed what was given up long before. The connection that is there must not stay, unable to join.
func TestClaimThatCameToNothing(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.hub.orphanWait = 10 * time.Millisecond
	n.namespace("/demo", nil)
	c := n.join(3, "uuid=u1&userid=joe")
	_, err := n.store.Claim(context.Background(), client.Member{
		Namespace: "/demo", ClientID: "/demo#joe#web-u1", UserID: "joe", Platform: client.Web, Node: "dead",
	})
	must(t, err)
	const conflict = `[{"status":500,"msg":"joinOrleaveRoom error: Error: socket.id conflict"}]`
	c.send(`42/demo,0["joinRoom",["r"]]`)
	c.expect("43/demo,0" + conflict)
	n.eventually("the connection ended", func() bool { return n.hub.Devices() == 0 })
	again := n.join(3, "uuid=u1&userid=joe")
	again.send(`42/demo,1["joinRoom",["r"]]`)
	again.expect(`43/demo,1[{"status":200,"msg":"ok"}]`)
}
