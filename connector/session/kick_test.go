package session

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/room"
)

func setOffline(offline bool) func(*namespace.Patch) {
	return func(p *namespace.Patch) { p.Offline = &offline }
}

func (n *testNode) online() room.Online {
	n.t.Helper()
	online, err := n.store.Online(context.Background(), "/demo")
	must(n.t, err)
	return online
}

func TestOfflineKicksAtARate(t *testing.T) {
	n := newCluster(t).node("a", func(o *Options) { o.Limits.KickRate = 20 })
	n.namespace("/demo", nil)
	const clients = 12
	var all []*wsClient
	for i := range clients {
		all = append(all, n.join(3+i%2, query("uuid", string(rune('a'+i)))))
	}
	started := time.Now()
	n.namespace("/demo", setOffline(true))
	for _, c := range all {
		c.expect("41/demo,")
	}
	// The first may go at once, the others 20 per second.
	if took := time.Since(started); took < (clients-1)*time.Second/20 {
		t.Errorf("%d clients were sent away within %s", clients, took)
	}
	n.eventually("everybody has left", func() bool { return n.online() == room.Online{Total: clients} })
}

// Going online again ends the kicking, and going offline once more begins it
// anew; each saved change is not a kicker of its own.
func TestOfflineIsCancelled(t *testing.T) {
	n := newCluster(t).node("a", func(o *Options) { o.Limits.KickRate = 1 })
	n.namespace("/demo", nil)
	const clients = 6
	for i := range clients {
		n.join(3, query("uuid", string(rune('a'+i))))
	}
	n.namespace("/demo", setOffline(true))
	n.namespace("/demo", func(p *namespace.Patch) { name := "other"; p.Name = &name })
	n.eventually("somebody was sent away", func() bool { return n.hub.Devices() < clients })
	n.namespace("/demo", setOffline(false))
	n.eventually("the kicking has ended", func() bool {
		n.hub.kicks.mu.Lock()
		defer n.hub.kicks.mu.Unlock()
		return len(n.hub.kicks.running) == 0
	})
	left := n.hub.Devices()
	if left < clients-3 {
		t.Errorf("%d of %d are left after a moment at one per second", left, clients)
	}
	n.join(4, query("uuid", "late"))
	n.namespace("/demo", setOffline(true))
	n.eventually("kicked again", func() bool { return n.hub.Devices() < left+1 })
	n.namespace("/demo", setOffline(false))
}

// A client whose connect callback was under way when the namespace went
// offline is refused; nothing of it is left.
func TestOfflineDuringCallback(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	business := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(asked); <-goOn }))
	defer business.Close()
	cluster := newCluster(t)
	n := cluster.node("a", nil)
	n.namespace("/demo", func(p *namespace.Patch) { p.ConnectCallback = &business.URL })
	c := n.dial(4, query("uuid", "u"))
	c.send("40/demo,")
	<-asked
	n.namespace("/demo", setOffline(true))
	close(goOn)
	c.expect(`44/demo,{"message":"this namespace offline"}`)
	if got := n.online(); got != (room.Online{}) {
		t.Errorf("online %+v", got)
	}
	if cluster.redis.Exists("lp:c:{/demo|/demo#u#web-u}") {
		t.Error("a record is left")
	}
}

// A namespace that vanishes sends its clients away too, and what they leave
// behind does not come back.
func TestFlushKicks(t *testing.T) {
	cluster := newCluster(t)
	n := cluster.node("a", nil)
	n.namespace("/demo", nil)
	c := n.join(3, query("uuid", "u"))
	n.namespace("/demo", setOffline(true))
	ctx := context.Background()
	_, err := n.store.UpdateNamespace(ctx, "/demo", func(ns *namespace.Namespace) (*namespace.Namespace, error) {
		return ns.BeginPurge(namespace.PurgeFlush, 1)
	})
	must(t, err)
	must(t, n.namespaces.Reload(ctx))
	c.expect("41/demo,")
	n.eventually("nobody is connected", func() bool { return n.hub.Devices() == 0 && n.online().Clients == 0 })
	must(t, n.store.PurgeData(ctx, "/demo", func(context.Context) error { return nil }))
	must(t, n.store.RemoveNamespace(ctx, "/demo"))
	kept := []string{"lp:nodes", "lp:ctl", "lp:s:{a}", "lp:{q:callback}:workers"}
	n.eventually("nothing else is left", func() bool { // the end of the release may come a moment later
		return !slices.ContainsFunc(cluster.redis.Keys(), func(key string) bool { return !slices.Contains(kept, key) })
	})
}

// Kickers of one namespace never run twice, and none misses a change.
func TestKicksBeginAndEnd(t *testing.T) {
	k := newKicks(0)
	if !k.begin("/a") || k.begin("/a") || !k.begin("/b") {
		t.Error("two kickers of one namespace")
	}
	if k.end("/a") {
		t.Error("the second change was missed")
	}
	if !k.end("/a") || !k.end("/b") || !k.begin("/a") {
		t.Error("never ends")
	}
	if k.limiter.Limit() != defaultKickRate {
		t.Errorf("rate %v", k.limiter.Limit())
	}
}
