package relay

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// testCertificate is one that nobody vouches for.
func testCertificate(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)} // of no name
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// secure puts TLS in front of a member; it shows whatever the pointer holds.
func (g *group) secure(m *member) *atomic.Pointer[tls.Certificate] {
	g.t.Helper()
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(testCertificate(g.t))
	server := httptest.NewUnstartedServer(m.relay)
	// StartTLS would show its own certificate to clients that name none.
	server.Listener = tls.NewListener(server.Listener, &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil },
		NextProtos:     []string{"http/1.1"},
	})
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are part of the tests
	server.Start()
	g.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.address[m.tag] = server.Listener.Addr().String()
	g.pins[m.tag] = []Pin{PinOf(shown.Load().Leaf)}
	return &shown
}

func TestPin(t *testing.T) {
	pin := PinOf(testCertificate(t).Leaf)
	if got, ok := ParsePin(pin.String()); !ok || got != pin {
		t.Errorf("%s, %v", got, ok)
	}
	for _, s := range []string{"", "00", pin.String() + "00", strings.Repeat("x", 64)} {
		if _, ok := ParsePin(s); ok {
			t.Errorf("%q is a pin", s)
		}
	}
}

// TestTLS: a server behind TLS is reached in all ways, by its key alone.
func TestTLS(t *testing.T) {
	g := newGroup(t)
	a, b := g.add(unknown, nil), g.add(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			t.Error("no TLS")
		}
		if isUpgrade(r) {
			sockets(w, r)
			return
		}
		echo(w, r)
	}, nil)
	g.secure(b)
	body := strings.Repeat("42[\"x\"]\x1e", 10_000)
	for method, body := range map[string]string{"GET": "", "POST": body} {
		if status, got, _ := g.do(a, method, "sid="+b.sid(), body); status != http.StatusAccepted || !strings.HasSuffix(got, "|"+body) {
			t.Errorf("%s: %d %.300s", method, status, got)
		}
	}
	conn, reader, res := g.upgrade(a, "sid="+b.sid(), "early ")
	if res.StatusCode != 101 || res.Header.Get("X-Client") != conn.LocalAddr().String() {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	wantEcho(t, reader, "hello early ")
	fmt.Fprint(conn, body)
	wantEcho(t, reader, body)
	_ = conn.Close()
	eventually(t, func() bool { return a.relay.Active() == 0 && a.relay.Tunnels() == 0 })
	if _, _, res := g.upgrade(a, "refuse=1&sid="+b.sid(), ""); res.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("refused with %d", res.StatusCode)
	}
	if len(g.failed) != 0 {
		t.Errorf("failed %v", g.failed)
	}
}

func wantEcho(t *testing.T, reader *bufio.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(reader, got); err != nil || string(got) != want {
		t.Fatalf("%.100q, %v", got, err)
	}
}

// TestAnotherKey: whoever answers in the place of a server gets nothing, and a server that has a new key is believed
// when it has published it.
func TestAnotherKey(t *testing.T) {
	g := newGroup(t)
	reached := atomic.Bool{}
	a, b := g.add(unknown, nil), g.add(func(w http.ResponseWriter, r *http.Request) {
		reached.Store(true)
		if isUpgrade(r) {
			sockets(w, r)
			return
		}
		echo(w, r)
	}, nil)
	shown := g.secure(b)
	next := testCertificate(t)
	shown.Store(next)
	for _, header := range [][]string{nil, {"Connection", "Upgrade", "Upgrade", "websocket"}} {
		if status, got, _ := g.do(a, "GET", "sid="+b.sid(), "", header...); status != http.StatusBadRequest || got != "unknown" {
			t.Errorf("%v: %d %s", header, status, got)
		}
	}
	if reached.Load() || len(g.failed) != 2 || g.count("poll dead") != 1 || g.count("upgrade dead") != 1 {
		t.Errorf("reached: %v, failed %v, counted %v", reached.Load(), g.failed, g.counts)
	}
	g.mu.Lock()
	g.renewed[b.tag] = append([]Pin{PinOf(next.Leaf)}, g.pins[b.tag]...)
	g.mu.Unlock()
	if status, got, _ := g.do(a, "POST", "sid="+b.sid(), "x"); status != http.StatusAccepted {
		t.Errorf("the published key: %d %s", status, got)
	}
	if _, _, res := g.upgrade(a, "sid="+b.sid(), ""); res.StatusCode != 101 {
		t.Errorf("the published key: %d", res.StatusCode)
	}
	// A server that has published a key is not spoken to without TLS.
	plain := g.add(func(http.ResponseWriter, *http.Request) { t.Error("reached without TLS") }, nil)
	g.mu.Lock()
	g.pins[plain.tag] = []Pin{PinOf(next.Leaf)}
	g.mu.Unlock()
	for _, header := range [][]string{nil, {"Connection", "Upgrade", "Upgrade", "websocket"}} {
		if status, got, _ := g.do(a, "GET", "sid="+plain.sid(), "", header...); status != http.StatusBadRequest || got != "unknown" {
			t.Errorf("%v: %d %s", header, status, got)
		}
	}
}
