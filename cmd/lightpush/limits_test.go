package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/internal/namespace"
)

func handshakeFrom(h http.Handler, remote, target string, forwarded ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	r.RemoteAddr = remote
	r.Header["X-Forwarded-For"] = forwarded
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestDoor(t *testing.T) {
	cfg := config.Default()
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	cfg.ConnectionsPerNode, cfg.ConnectionsPerAddress, cfg.HandshakesPerSecond = 5, 2, 1
	told := map[string]int{}
	d := newDoor(cfg, func(limit string) { told[limit]++ })
	open := 0
	d.len = func() int { return open }
	h := d.before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	const begin = "/socket.io/?EIO=4&transport=polling"
	want := func(what string, w *httptest.ResponseRecorder, status, code int) {
		t.Helper()
		if w.Code != status {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
		if code == 0 {
			return
		}
		var answer struct {
			Code    int
			Message string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Code != code || answer.Message == "" || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %s %v", what, w.Body, w.Header())
		}
	}
	for i := range handshakeBurst {
		want(fmt.Sprint("handshake ", i), handshakeFrom(h, "192.0.2.1:5", begin), 204, 0)
	}
	want("too fast", handshakeFrom(h, "192.0.2.1:6", begin), 429, codeHandshakeRate)
	for _, trick := range []string{"&sid=", "&sid=x&sid=", "&xsid=1", "&sid=%zz", "&a;sid=1"} {
		want(trick, handshakeFrom(h, "192.0.2.1:6", begin+trick), 429, codeHandshakeRate)
	}
	want("of a session", handshakeFrom(h, "192.0.2.1:6", begin+"&sid=abc"), 204, 0)
	want("another address", handshakeFrom(h, "192.0.2.2:6", begin), 204, 0)
	want("behind a proxy", handshakeFrom(h, "10.0.0.1:6", begin, "192.0.2.1"), 429, codeHandshakeRate)
	want("a proxy that says nothing", handshakeFrom(h, "10.0.0.1:6", begin), 204, 0)
	want("forged header", handshakeFrom(h, "192.0.2.1:6", begin, "192.0.2.77"), 429, codeHandshakeRate)
	for range 3 * handshakeBurst {
		want("this machine", handshakeFrom(h, "127.0.0.1:6", begin), 204, 0)
	}
	d.open.Add(netip.MustParseAddr("2001:db8::"))
	d.open.Add(netip.MustParseAddr("2001:db8::"))
	want("address full", handshakeFrom(h, "[2001:db8::99]:6", begin), 429, codeAddressFull)
	open = 5
	want("node full", handshakeFrom(h, "127.0.0.1:6", begin), 503, codeNodeFull)
	want("who is in stays", handshakeFrom(h, "127.0.0.1:6", begin+"&sid=abc"), 204, 0)
	cfg.ConnectionsPerNode, cfg.ConnectionsPerAddress, cfg.HandshakesPerSecond = 0, 0, 0
	d.set(cfg)
	want("no limits any more", handshakeFrom(h, "[2001:db8::99]:6", begin), 204, 0)
	if told["connections_per_node"] != 1 || told["connections_per_address"] != 1 || told["handshakes_per_second"] < 5 {
		t.Errorf("told %v", told)
	}
}

// Namespaces are held against the configuration in whole hours, rounded up: a
// namespace that sets as much as is configured never gets more.
func TestConfiguredLimits(t *testing.T) {
	cfg := config.Default()
	cfg.ConnectionsPerNamespace, cfg.PushMessageExpire, cfg.PushMessageMaxExpire = 7, 36*time.Second, 90*time.Minute
	want := namespace.Limits{
		Connections: 7, ConnectionsPerUser: 1000, EventsPerSecond: 1000, RoomsPerClient: 1000,
		DefaultExpire: 1, MaxExpire: 2, InboxMax: 100, HistoryMax: 1000, ClientExpire: 240,
	}
	if got := configuredLimits(cfg); got != want {
		t.Errorf("%+v", got)
	}
	ns := &namespace.Namespace{Limits: namespace.Limits{MaxExpire: 2}}
	if life, longest := ns.ExpireHours(cfg.PushMessageExpire.Hours(), cfg.PushMessageMaxExpire.Hours()); life != 0.01 || longest != 1.5 {
		t.Errorf("%g %g", life, longest)
	}
}
