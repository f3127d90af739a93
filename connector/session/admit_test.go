package session

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

func TestRefusals(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	n.namespace("/closed", nil)
	off := true
	n.namespace("/closed", func(p *namespace.Patch) { p.Offline = &off })
	long := strings.Repeat("x", 101)
	for _, c := range []struct{ what, ns, query, text string }{
		{"unknown namespace", "/nobody", "uuid=u", "this namespace not found"},
		{"offline namespace", "/closed", "uuid=u", "this namespace offline"},
		{"prototype name", "/constructor", "uuid=u", "this namespace not found"},
		{"no uuid", "/demo", "", "uuid invalid"},
		{"empty uuid", "/demo", "uuid=", "uuid invalid"},
		{"long uuid", "/demo", "uuid=" + long, "uuid invalid"},
		{"bad characters", "/demo", query("uuid", "a b"), "uuid invalid"},
		{"repeated uuid", "/demo", "uuid=a&uuid=b", "uuid invalid"},
		{"long userid", "/demo", "uuid=u&userid=" + long, "userid invalid"},
		{"bad userid", "/demo", query("uuid", "u", "userid", "ü"), "userid invalid"},
		{"platform", "/demo", "uuid=u&platform=windows", "platform invalid"},
	} {
		t.Run(c.what+" v2", func(t *testing.T) {
			cl := n.dial(3, c.query)
			cl.send("40" + c.ns + ",")
			cl.expect(fmt.Sprintf("44%s,%q", c.ns, c.text), "41"+c.ns+",")
		})
		t.Run(c.what+" v4", func(t *testing.T) {
			cl := n.dial(4, c.query)
			cl.send("40" + c.ns + ",")
			cl.expect(fmt.Sprintf(`44%s,{"message":%q}`, c.ns, c.text))
		})
	}
	if got := n.hub.Devices(); got != 0 {
		t.Errorf("%d devices after refusals only", got)
	}
	if online, err := n.store.Online(context.Background(), "/demo"); err != nil || online.Total != 0 {
		t.Errorf("refused clients left %+v, %v", online, err)
	}
}

func TestRefusedClientMayTryAnotherNamespace(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	c := n.dial(3, "uuid=u1")
	c.send("40/nobody,")
	c.expect(`44/nobody,"this namespace not found"`, "41/nobody,")
	c.send("40/demo,")
	c.expect("40/demo,")
}

func TestRootNamespace(t *testing.T) {
	n := newCluster(t).node("a", nil)
	v2 := n.dial(3, "") // its 40 was expected by dial
	v2.send(`420["push",{"room":"r"}]`, `42["anything"]`)
	n.namespace("/demo", nil)
	v2.send("40/demo?uuid=u1,")
	v2.expect("40/demo,") // events in "/" were ignored and harmless
	v4 := n.dial(4, "uuid=u1")
	v4.send("40")
	v4.expect(`44{"message":"this namespace not found"}`)
}

func TestIdentity(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	for _, c := range []struct {
		what    string
		eio     int
		url     string
		connect string
		id      string
	}{
		{"defaults", 3, "uuid=u1", "40/demo,", "/demo#u1#web-u1"},
		{"all given", 3, "uuid=u2&userid=joe&platform=ios", "40/demo,", "/demo#joe#ios-u2"},
		{"empty means missing", 3, "uuid=u3&userid=&platform=", "40/demo,", "/demo#u3#web-u3"},
		{"namespace query only", 3, "", "40/demo?uuid=u4&userid=joe,", "/demo#joe#web-u4"},
		{"URL wins over namespace query", 3, "uuid=u5", "40/demo?uuid=other&userid=joe,", "/demo#joe#web-u5"},
		{"auth object only", 4, "", `40/demo,{"uuid":"u6","userid":7}`, "/demo#7#web-u6"},
		{"URL wins over auth", 4, "uuid=u8", `40/demo,{"uuid":"x","platform":"android"}`, "/demo#u8#android-u8"},
		{"null in auth", 4, "uuid=u9", `40/demo,{"userid":null}`, "/demo#u9#web-u9"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cl := n.dial(c.eio, c.url)
			cl.send(c.connect)
			if got := cl.read(); !strings.HasPrefix(got, "40/demo,") {
				t.Fatalf("answer %q", got)
			}
			_, ok := payload(t, cl.read(), "ok")
			if ok["clientId"] != c.id || ok["system"] != "host" || ok["port"] != 21314.0 {
				t.Errorf("ok = %v, want %s", ok, c.id)
			}
		})
	}
	cl := n.dial(4, "")
	cl.send(`40/demo,{"uuid":["a"]}`)
	cl.expect(`44/demo,{"message":"uuid invalid"}`)
}

// Everything a client sends right behind its CONNECT is handled after ok, in
// order (B1), and a push accepted meanwhile is not lost (B2).
func TestEventsBehindConnect(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	c := n.dial(3, "uuid=u1&userid=joe")
	c.send("40/demo,", `42/demo,0["joinRoom",["r1"]]`, `42/demo,1["joinRoom","r2"]`, `42/demo,2["nothing"]`)
	c.expect("40/demo,")
	payload(t, c.read(), "ok")
	c.expect(`43/demo,0[{"status":200,"msg":"ok"}]`, `43/demo,1[{"status":200,"msg":"ok"}]`,
		`43/demo,2[{"status":404,"msg":"unknown event"}]`)
	n.push("user_joe", `{"n":1}`)
	_, got := payload(t, c.read(), "push")
	if got["room"] != "user_joe" || got["namespace"] != "/demo" || len(got) != 5 {
		t.Errorf("push = %v", got)
	}
}

func TestNewestConnectionWins(t *testing.T) {
	cl := newCluster(t)
	a := cl.node("a", nil)
	a.namespace("/demo", nil)
	b := cl.node("b", nil)
	for _, second := range []*testNode{a, b} {
		first := a.join(3, "uuid=u1&userid=joe")
		next := second.join(4, "uuid=u1&userid=joe")
		first.expect("41/demo,")
		_ = first.conn.Close()
		// The old one's clean-up must leave the new one's presence alone.
		a.eventually("one client online", func() bool {
			online, err := a.store.Online(context.Background(), "/demo")
			return err == nil && online.Clients == 1 && a.hub.Devices()+b.hub.Devices() == 1
		})
		id := a.push("user_joe", `{"n":1}`)
		if _, got := payload(t, next.read(), "push"); got["id"] != float64(id) {
			t.Errorf("the new connection got %v", got)
		}
		_ = next.conn.Close()
		a.eventually("nobody online", func() bool {
			online, err := a.store.Online(context.Background(), "/demo")
			return err == nil && online.Clients == 0
		})
	}
}

// Two connections with one id while the callback is slow: one survives, works
// and is the one in the reports (B15).
func TestConcurrentConnectsOfOneDevice(t *testing.T) {
	n := newCluster(t).node("a", nil)
	business := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond) // a slow business system, not a wait of the test
	}))
	t.Cleanup(business.Close)
	n.namespace("/demo", func(p *namespace.Patch) { p.ConnectCallback = &business.URL })
	const racers = 5
	conns := make([]*wsClient, racers)
	for i := range conns {
		conns[i] = n.dial(4, "uuid=u1&userid=joe")
	}
	for _, c := range conns {
		c.send("40/demo,")
	}
	// All but one are sent away, whatever the order of the callbacks.
	results := make(chan string, racers)
	for _, c := range conns {
		go func() {
			for {
				frame := c.read()
				if strings.Contains(frame, `"push"`) || strings.HasPrefix(frame, "41") || strings.HasPrefix(frame, "44") {
					results <- frame
					return
				}
			}
		}()
	}
	for range racers - 1 {
		if frame := <-results; strings.Contains(frame, `"push"`) {
			t.Fatalf("a push before any was sent: %s", frame)
		}
	}
	n.eventually("one device online", func() bool {
		online, err := n.store.Online(context.Background(), "/demo")
		return err == nil && online.Clients == 1 && n.hub.Devices() == 1 && tenantLen(n) == 1
	})
	n.push("user_joe", `{"n":1}`)
	if frame := <-results; !strings.Contains(frame, `"push"`) {
		t.Errorf("the survivor got %s", frame)
	}
}

func tenantLen(n *testNode) int {
	tenant, ok := n.hub.existingTenant("/demo")
	if !ok {
		return 0
	}
	return tenant.Len()
}

func TestConnectCallback(t *testing.T) {
	n := newCluster(t).node("a", nil)
	status := http.StatusOK
	var gone atomic.Int32
	var seen *http.Request
	business := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			var body struct{ Query map[string]string }
			if json.NewDecoder(r.Body).Decode(&body) != nil || body.Query["uuid"] != "u1" || body.Query["platform"] != "web" {
				t.Errorf("disconnect callback body %+v", body)
			}
			gone.Add(1)
			return
		}
		seen = r
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"userid":"boss","rooms":["good1","bad room","good2"]}`))
	}))
	t.Cleanup(business.Close)
	target := business.URL + "/con?x=1"
	auth := "Bearer t"
	n.namespace("/demo", func(p *namespace.Patch) {
		p.ConnectCallback, p.DisconnectCallback, p.CallbackAuth = &target, &business.URL, &auth
	})

	c := n.dial(3, "uuid=u1&userid=joe&token=abc")
	c.send("40/demo,")
	c.expect("40/demo,")
	if _, ok := payload(t, c.read(), "ok"); ok["clientId"] != "/demo#joe#web-u1" {
		t.Errorf("the callback's user must not change the client id: %v", ok)
	}
	q := seen.URL.Query()
	for key, want := range map[string]string{"x": "1", "uuid": "u1", "userid": "joe", "platform": "web", "token": "abc", "EIO": "3"} {
		if q.Get(key) != want {
			t.Errorf("callback query %s = %q, want %q", key, q.Get(key), want)
		}
	}
	for header, want := range map[string]string{"Namespace": "/demo", "Authorization": "Bearer t", "Cookie": "a=b", "X-Forwarded-For": "192.0.2.9"} {
		if got := seen.Header.Get(header); got != want {
			t.Errorf("callback header %s = %q, want %q", header, got, want)
		}
	}
	for _, room := range []string{"user_boss", "good1", "good2"} {
		n.push(room, `{"n":1}`)
		if _, got := payload(t, c.read(), "push"); got["room"] != room {
			t.Errorf("push to %s: %v", room, got)
		}
	}
	_ = c.conn.Close()
	n.eventually("disconnect callback", func() bool { return gone.Load() == 1 })

	for _, refusal := range []int{201, 204, 403, 500} {
		status = refusal
		c := n.dial(4, "uuid=u1")
		c.send("40/demo,")
		c.expect(fmt.Sprintf(`44/demo,{"message":"handshake fail statusCode: %d"}`, refusal))
	}
	if gone.Load() != 1 {
		t.Error("a refused client must not be reported as disconnected")
	}
}

// A business system that does not answer is a passing fault: neutral text,
// and the connection is closed so that the v2 client comes back by itself.
func TestConnectCallbackUnavailable(t *testing.T) {
	n := newCluster(t).node("a", nil)
	nowhere := "http://127.0.0.1:1/"
	n.namespace("/demo", func(p *namespace.Patch) { p.ConnectCallback = &nowhere })
	c := n.dial(3, "uuid=u1")
	c.send("40/demo,")
	c.expect(`44/demo,"handshake fail"`, "closed")
}

func TestNamespaceGoesOffline(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	c := n.join(3, "uuid=u1")
	off := true
	n.namespace("/demo", func(p *namespace.Patch) { p.Offline = &off })
	c.expect("41/demo,")
	n.eventually("presence is gone", func() bool {
		online, err := n.store.Online(context.Background(), "/demo")
		return err == nil && online.Clients == 0
	})
}

// A node that was swept although it lives registers its clients again.
func TestResync(t *testing.T) {
	cl := newCluster(t)
	a := cl.node("a", nil)
	a.namespace("/demo", nil)
	c := a.join(4, "uuid=u1&userid=joe")
	c.send(`42/demo,0["joinRoom","r1"]`)
	c.expect(`43/demo,0[{"status":200,"msg":"ok"}]`)
	ctx := context.Background()
	members, _, err := a.store.Connections(ctx, "a", 0, 10)
	must(t, err)
	must(t, a.store.Expel(ctx, members, "network"))
	if online, _ := a.store.Online(ctx, "/demo"); online.Clients != 0 {
		t.Fatalf("after the sweep: %+v", online)
	}
	a.hub.Resync(ctx)
	for _, room := range []string{"r1", "user_joe"} {
		a.push(room, `{"n":1}`)
		if _, got := payload(t, c.read(), "push"); got["room"] != room {
			t.Errorf("push to %s after resync: %v", room, got)
		}
	}
}
