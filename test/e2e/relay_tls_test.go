//go:build e2e

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// anyCertificate is for clients of these tests: what nodes make of certificates is what is tested.
var anyCertificate = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
	TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // certificates of this test
}}

// startSecured starts a logic process and connectors, each of which has a certificate of its own, but for those that are
// to be plain. dirs are the folders of the certificates.
func startSecured(t *testing.T, connectors int, plain map[int]bool) (d *deployment, dirs []string) {
	redis := startRedis(t)
	d = &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{"/demo", "e2e-demo-passwd"}}
	d.apis = append(d.apis, d.startRole(t, "logic", 0, redis))
	d.createNamespace(t) // connectors that start later know it
	for i := range connectors {
		dir, env := t.TempDir(), []string{withMetrics}
		if !plain[i] {
			writeCertificate(t, dir, fmt.Sprint("first of ", i))
			env = append(env, "LIGHTPUSH_TLS_CERT="+filepath.Join(dir, "cert.pem"), "LIGHTPUSH_TLS_KEY="+filepath.Join(dir, "key.pem"))
		}
		base := d.startRole(t, "connector", i, redis, env...)
		if !plain[i] {
			base = strings.Replace(base, "http://", "https://", 1)
		}
		d.sockets, dirs = append(d.sockets, base), append(dirs, dir)
	}
	return d, dirs
}

// TestTLSWithoutStickySessions: connectors that serve TLS pass requests on to each other, by TLS, without an authority that
// both know, so that clients of all generations work behind round robin.
func TestTLSWithoutStickySessions(t *testing.T) {
	d, _ := startSecured(t, 2, nil)
	var turn atomic.Int64
	front := httptest.NewServer(&httputil.ReverseProxy{
		Transport: anyCertificate.Transport,
		ErrorLog:  log.New(io.Discard, "", 0), // clients that leave
		Rewrite: func(r *httputil.ProxyRequest) {
			target, _ := url.Parse(d.sockets[int(turn.Add(1))%len(d.sockets)])
			r.SetURL(target)
		},
		ModifyResponse: func(res *http.Response) error {
			if res.Request.URL.Scheme != "https" {
				t.Errorf("asked by %s", res.Request.URL.Scheme)
			}
			return nil
		},
	})
	defer front.Close()
	drv := startNode(t)
	t.Run("clients", func(t *testing.T) {
		for _, lib := range []string{"v2", "v3", "v4"} {
			for _, m := range modes {
				t.Run(lib+"/"+m.name, func(t *testing.T) {
					t.Parallel()
					runCore(t, rig{drv: drv, lib: lib, mode: m, url: front.URL, path: "/socket.io/", namespace: d.namespace.name, api: d.api(t, 0)}, lib+"-"+m.name)
				})
			}
		}
	})
	for _, kind := range []string{"poll", "post", "upgrade"} {
		n := d.relayed(t, kind, "relayed")
		t.Logf("%s: %.0f passed on", kind, n)
		if n == 0 {
			t.Errorf("no %s was passed on: is this round robin?", kind)
		}
		for _, outcome := range []string{"dead", "busy", "unknown"} {
			if n := d.relayed(t, kind, outcome); n != 0 {
				t.Errorf("%s: %.0f requests with outcome %s", kind, n, outcome)
			}
		}
	}
}

// openPolling opens a session, and tells its id.
func openPolling(t *testing.T, base string) string {
	t.Helper()
	res, err := anyCertificate.Get(base + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	var open struct{ SID string }
	if len(body) == 0 || json.Unmarshal(body[1:], &open) != nil || open.SID == "" {
		t.Fatalf("handshake: %d %s", res.StatusCode, body)
	}
	return open.SID
}

// askAbout posts to a session, or asks for its upgrade, at any connector.
func askAbout(base, sid string, upgrade bool) (int, error) {
	req, err := http.NewRequest("POST", base+"/socket.io/?EIO=4&transport=polling&sid="+sid, strings.NewReader("40/nowhere,"))
	if upgrade {
		req, err = http.NewRequest("GET", base+"/socket.io/?EIO=4&transport=websocket&sid="+sid, nil)
		req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	}
	if err != nil {
		return 0, err
	}
	res, err := anyCertificate.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// TestPlainAndTLS: nodes that serve TLS and nodes that do not find each other's sessions, as during a change from one to the
// other; and one that has gone is gone.
func TestPlainAndTLS(t *testing.T) {
	d, _ := startSecured(t, 3, map[int]bool{1: true})
	for owner, base := range d.sockets {
		sid := openPolling(t, base)
		for i, other := range d.sockets {
			for upgrade, want := range map[bool]int{false: 200, true: 101} {
				if status, err := askAbout(other, sid, upgrade); err != nil || status != want {
					t.Errorf("connector %d for a session of %d, upgrade %v: %d, %v", i, owner, upgrade, status, err)
				}
			}
		}
	}
	sid := openPolling(t, d.sockets[0])
	d.connectorProcess(0).kill()
	for _, other := range d.sockets[1:] {
		if status, err := askAbout(other, sid, false); err != nil || status != 400 {
			t.Errorf("after its end: %d, %v", status, err)
		}
	}
}

// TestCertificateChangeWhileRelaying: one connector gets another certificate while the other one passes requests on to it,
// each by a connection of its own. None fails.
func TestCertificateChangeWhileRelaying(t *testing.T) {
	d, dirs := startSecured(t, 2, nil)
	shown := func() string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(d.sockets[1], "https://"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a certificate of this test
		if err != nil {
			return err.Error()
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	asked, before := 0, 0.0
	for _, name := range []string{"second", "third"} {
		for after, changed, end := 0, false, time.Now().Add(30*time.Second); after < 40; asked++ {
			if !changed && asked%40 == 20 {
				writeCertificate(t, dirs[1], name)
				_ = d.connectorProcess(1).cmd.Process.Signal(syscall.SIGHUP)
				changed = true
			}
			sid := openPolling(t, d.sockets[1])
			status, err := askAbout(d.sockets[0], sid, true)
			if err != nil || status != 101 {
				t.Fatalf("request %d, with the certificate %q: %d, %v", asked, shown(), status, err)
			}
			switch {
			case changed && shown() == name:
				after++
			case time.Now().After(end):
				t.Fatalf("the certificate is still %q", shown())
			}
		}
		if n := d.relayed(t, "upgrade", "relayed"); n <= before {
			t.Errorf("%.0f were passed on", n)
		} else {
			before = n
		}
	}
	t.Logf("%d requests, %.0f passed on", asked, before)
	if n := d.relayed(t, "upgrade", "dead"); n != 0 {
		t.Errorf("%.0f found nobody", n)
	}
}
