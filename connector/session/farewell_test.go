package session

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/queue"
)

// goodbyes records the disconnect callbacks a business system gets.
type goodbyes struct {
	url string
	mu  sync.Mutex
	got []string // path, uuid and signature or authorization
	ids []string // of deliveries
}

func newGoodbyes(t *testing.T) *goodbyes {
	g := &goodbyes{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		data, _ := io.ReadAll(r.Body)
		var body struct{ Query map[string]string }
		_ = json.Unmarshal(data, &body)
		entry := r.URL.Path + " " + body.Query["uuid"]
		if callback.Verify("key", r.Header.Get(callback.HeaderSignature), r.Method, r.RequestURI, data, time.Now(), time.Minute) == nil {
			entry += " signed"
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.got = append(g.got, strings.TrimSpace(entry+" "+r.Header.Get("Authorization")))
		g.ids = append(g.ids, r.Header.Get(callback.HeaderDelivery))
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *goodbyes) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	got := slices.Clone(g.got)
	slices.Sort(got)
	return got
}

// TestFarewellConfiguration: the callback is that of the time of connecting,
// whatever has become of the namespace since (B25).
func TestFarewellConfiguration(t *testing.T) {
	n := newCluster(t).node("a", nil)
	g := newGoodbyes(t)
	one, two, auth, secret := g.url+"/one", g.url+"/two", "Bearer t", "key"
	n.namespace("/demo", func(p *namespace.Patch) {
		p.DisconnectCallback, p.CallbackAuth, p.CallbackSecret = &one, &auth, &secret
	})
	a := n.join(3, "uuid=a")
	n.namespace("/demo", func(p *namespace.Patch) { p.DisconnectCallback = &two })
	b := n.join(4, "uuid=b")
	none := ""
	n.namespace("/demo", func(p *namespace.Patch) { p.DisconnectCallback = &none })
	c := n.join(4, "uuid=c")
	d := n.join(4, "uuid=d") // leaves by itself while the namespace is offline
	off := true
	_ = d.conn.Close()
	n.namespace("/demo", func(p *namespace.Patch) { p.Offline = &off })
	a.expect("41/demo,")
	b.expect("41/demo,")
	c.expect("41/demo,")
	want := []string{"/one a signed Bearer t", "/two b signed Bearer t"}
	n.eventually("callbacks", func() bool { return slices.Equal(g.all(), want) })
	n.eventually("nobody is left", func() bool { return n.hub.Devices() == 0 })
	if got := g.all(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if left, err := n.store.Queues().Stats(context.Background(), queue.Callback); err != nil || left.Dead != 0 {
		t.Errorf("%+v, %v", left, err)
	}
}

// TestFarewellOfFlushed: the namespace does not exist any more.
func TestFarewellOfFlushed(t *testing.T) {
	cl := newCluster(t)
	n := cl.node("a", nil)
	g := newGoodbyes(t)
	target, auth := g.url+"/gone", "Bearer t"
	n.namespace("/demo", func(p *namespace.Patch) { p.DisconnectCallback, p.CallbackAuth = &target, &auth })
	c := n.join(4, "uuid=a")
	cl.redis.HDel(n.store.Prefix()+"nsp", "/demo")
	must(t, n.namespaces.Reload(context.Background()))
	_ = c.conn.Close()
	n.eventually("the callback", func() bool { return slices.Equal(g.all(), []string{"/gone a"}) })
}

// TestFarewellSuperseded: the connection that a newer one has ended is told
// of as well, each once.
func TestFarewellSuperseded(t *testing.T) {
	cl := newCluster(t)
	n, m := cl.node("a", nil), cl.node("b", nil)
	g := newGoodbyes(t)
	n.namespace("/demo", func(p *namespace.Patch) { p.DisconnectCallback = &g.url })
	must(t, m.namespaces.Reload(context.Background()))
	old := n.join(4, "uuid=a")
	again := n.join(4, "uuid=a") // on the same node
	old.expect("41/demo,")
	n.eventually("one callback", func() bool { return len(g.all()) == 1 })
	elsewhere := m.join(4, "uuid=a")
	again.expect("41/demo,")
	n.eventually("two callbacks", func() bool { return len(g.all()) == 2 })
	_ = elsewhere.conn.Close()
	n.eventually("three callbacks", func() bool { return len(g.all()) == 3 })
	g.mu.Lock()
	defer g.mu.Unlock()
	slices.Sort(g.ids)
	if ids := slices.Compact(g.ids); len(ids) != 3 || !strings.HasPrefix(ids[0], "/demo#a#web-a|") {
		t.Errorf("deliveries %v", ids)
	}
}

// TestNoFarewellForRefused: who was never let in is never told of (B19).
func TestNoFarewellForRefused(t *testing.T) {
	g := newGoodbyes(t)
	n := newCluster(t).node("a", func(o *Options) {
		o.Presence = refusing{o.Presence}
	})
	nowhere := "http://127.0.0.1:1/"
	for _, c := range []struct{ name, uuid, frame string }{
		{"malformed", "uuid=a+b", `44/demo,{"message":"uuid invalid"}`},
		{"no answer", "uuid=a", `44/demo,{"message":"handshake fail"}`},
		{"too much to keep", "uuid=a", `44/demo,{"message":"handshake too large"}`},
		{"lost its id", "uuid=superseded", `44/demo,{"message":"socket.id conflict"}`},
		{"store fails", "uuid=unavailable", `44/demo,{"message":"service unavailable"}`},
	} {
		connect := ""
		if c.name == "no answer" {
			connect = nowhere
		}
		n.namespace("/demo", func(p *namespace.Patch) { p.DisconnectCallback, p.ConnectCallback = &g.url, &connect })
		auth := ""
		if c.name == "too much to keep" {
			auth = `{"token":"` + strings.Repeat("x", 70<<10) + `"}`
		}
		s := n.dial(4, c.uuid)
		s.send("40/demo," + auth)
		s.expect(c.frame)
		_ = s.conn.Close()
	}
	ok := n.join(4, "uuid=good")
	_ = ok.conn.Close()
	n.eventually("the good one's", func() bool { return slices.Contains(g.all(), "/ good") })
	n.eventually("nothing is left", func() bool {
		f, err := n.store.Queues().Stats(context.Background(), queue.Callback)
		return err == nil && f == queue.Stats{} && n.hub.Devices() == 0
	})
	if got := g.all(); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// refusing lets some clients enter and then says that they have not.
type refusing struct {
	Presence
}

func (r refusing) Enter(ctx context.Context, m client.Member, rooms []string) error {
	err := r.Presence.Enter(ctx, m, rooms)
	switch {
	case strings.HasSuffix(m.ClientID, "-superseded"):
		return client.ErrSuperseded
	case strings.HasSuffix(m.ClientID, "-unavailable"):
		return context.DeadlineExceeded
	}
	return err
}
