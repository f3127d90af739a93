//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startConfigured starts everything in one process with a configuration file and returns its address.
func startConfigured(t testing.TB, file string) (*process, *deployment) {
	t.Helper()
	p := startProcess(t, "lightpush", nil, binary, "--config", file, "--listen", "127.0.0.1:0", "--data-dir", t.TempDir())
	line := regexp.MustCompile(`^\s+Namespace\s+(/\S+) / (\S+)\s*$`)
	address := regexp.MustCompile(`^\s+REST API\s+(https?://\S+)/api/\s*$`)
	p.waitOutput("its ready lines", func(lines []string) bool { return find(lines, curlLine) != nil })
	lines, _ := p.output()
	ns, base := find(lines, line), find(lines, address)
	if ns == nil || base == nil {
		t.Fatalf("output:\n%s", strings.Join(lines, "\n"))
	}
	return p, &deployment{sockets: []string{base[1]}, apis: []string{base[1]}, namespace: credential{ns[1], ns[2]}, procs: []*process{p}}
}

func writeConfig(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeCertificate makes a certificate of that name for this machine.
func writeCertificate(t testing.TB, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeConfig(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	writeConfig(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// TestTLSAndReload has the official clients on TLS, and changes certificate, log level and limits while they are connected.
func TestTLSAndReload(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, "first")
	file := filepath.Join(dir, "config.yaml")
	base := fmt.Sprintf("log_format: json\ntls_cert: %s\ntls_key: %s\n", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	writeConfig(t, file, base+"log_level: warn\n")
	p, d := startConfigured(t, file)
	host := strings.TrimPrefix(d.sockets[0], "https://")
	if !strings.HasPrefix(d.sockets[0], "https://") {
		t.Fatalf("address %s", d.sockets[0])
	}
	drv := startNode(t)
	for _, m := range modes {
		for _, lib := range []string{"v2", "v4"} {
			c := m.name + lib
			drv.open(t, openCommand{C: c, Lib: lib, URL: d.sockets[0], Namespace: d.namespace.name, Opts: map[string]any{
				"transports": m.transports, "rejectUnauthorized": false, "query": map[string]any{"uuid": c, "userid": "joe"},
			}})
			drv.connected(t, c, d.namespace.name+"#joe#web-"+c)
		}
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a certificate of this test
	}}
	resp, err := client.Get(d.apis[0] + "/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=15552000"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	shown := func() string {
		conn, err := tls.Dial("tcp", host, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a certificate of this test
		if err != nil {
			return err.Error()
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := shown(); got != "first" {
		t.Errorf("certificate %q", got)
	}
	writeCertificate(t, dir, "second")
	writeConfig(t, file, base+"log_level: info\nconnections_per_user: 6\nsocket_port: 1\n")
	_ = p.cmd.Process.Signal(syscall.SIGHUP)
	eventually(t, 10*time.Second, "the configuration is reloaded", func() error {
		if !strings.Contains(p.log(), "configuration reloaded") {
			return fmt.Errorf("log %s", tail(p.log()))
		}
		return nil
	})
	if got := shown(); got != "second" {
		t.Errorf("certificate %q", got)
	}
	for i, lib := range []string{"v2", "v4"} {
		c := "more" + lib
		drv.open(t, openCommand{C: c, Lib: lib, URL: d.sockets[0], Namespace: d.namespace.name, Opts: map[string]any{
			"transports": []string{"websocket"}, "rejectUnauthorized": false, "query": map[string]any{"uuid": c, "userid": "joe"},
		}})
		r := drv.take(t, c, "a refusal", func(r report) bool { return r.Ev == []string{"error", "connect_error"}[i] })
		if r.Message != "too many connections of this user" {
			t.Errorf("%s: %v", lib, r)
		}
		drv.close(t, c)
	}
	eventually(t, 10*time.Second, "the refusals are logged at the new level", func() error {
		if !strings.Contains(p.log(), "client refused") {
			return fmt.Errorf("log %s", tail(p.log()))
		}
		return nil
	})
	if !strings.Contains(p.log(), `"need_restart":["SocketPort"]`) {
		t.Error("nobody is told that a key needs a restart")
	}
	writeConfig(t, file, base+"log_level: loud\n")
	_ = p.cmd.Process.Signal(syscall.SIGHUP)
	eventually(t, 10*time.Second, "the mistake is reported", func() error {
		if !strings.Contains(p.log(), "nothing was changed") {
			return fmt.Errorf("log %s", tail(p.log()))
		}
		return nil
	})
	drv.emit(t, "websocketv4", emission{Event: "joinRoom", Args: []any{"news"}, Ack: "still"})
	drv.takeAck(t, "websocketv4", "still")
}

// TestLimitsFromOutside hits the limits of handshakes and of requests and looks at the answers.
func TestLimitsFromOutside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	writeConfig(t, file, "trusted_proxies: [127.0.0.1/32]\nhandshakes_per_second: 1\nconnections_per_address: 3\nrequests_per_second: 5\nlog_format: json\n")
	_, d := startConfigured(t, file)
	shake := func(client string) (int, string, string) {
		t.Helper()
		req, err := http.NewRequest("GET", d.sockets[0]+"/socket.io/?EIO=4&transport=polling", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", client)
		resp, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, resp.Header.Get("Retry-After"), string(body)
	}
	wantRefusal := func(what string, code, status int, retry, body string) {
		t.Helper()
		var answer struct{ Code int }
		seconds, _ := strconv.Atoi(retry)
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 429 || answer.Code != code || seconds < 1 {
			t.Errorf("%s: %d, Retry-After %q, %s", what, status, retry, body)
		}
	}
	for range 3 {
		if status, _, body := shake("192.0.2.1"); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	status, retry, body := shake("192.0.2.1")
	wantRefusal("too many connections", 1302, status, retry, body)
	if status, _, body := shake("192.0.2.2"); status != 200 {
		t.Errorf("another address: %d %s", status, body)
	}
	for i := range 30 {
		if status, retry, body = shake("2001:db8::" + strconv.Itoa(i)); status != 200 {
			break
		}
	}
	wantRefusal("one IPv6 network", 1302, status, retry, body)

	limited := false
	for range 40 {
		req, err := http.NewRequest("GET", d.apis[0]+"/api/auth/namespace", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(d.namespace.name, d.namespace.passwd)
		resp, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == 429 && strings.Contains(string(body), `"code":1011`) && resp.Header.Get("Retry-After") == "1" {
			limited = true
			break
		}
	}
	if !limited {
		t.Error("40 requests at once, and none was refused")
	}
}

// silentConnections is how many connections say nothing; E2E_SILENT sets another number, as 20000.
func silentConnections(t testing.TB) int {
	n, err := strconv.Atoi(os.Getenv("E2E_SILENT"))
	if os.Getenv("E2E_SILENT") == "" {
		return 1000
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSilentConnections: connections that never speak, and WebSockets that never join, keep nobody else out and are closed.
func TestSilentConnections(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	writeConfig(t, file, "connect_timeout: 3000\nlog_format: json\n")
	p, d := startConfigured(t, file)
	host := strings.TrimPrefix(d.sockets[0], "http://")
	n := silentConnections(t)
	before := rss(t, p)
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	const upgrade = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for i := range n {
		c, err := net.DialTimeout("tcp", host, 10*time.Second)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns = append(conns, c)
		if i%2 == 0 {
			if _, err := io.WriteString(c, upgrade); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
	}
	drv := startNode(t)
	drv.open(t, openCommand{C: "a", Lib: "v4", URL: d.sockets[0], Namespace: d.namespace.name, Opts: map[string]any{
		"transports": []string{"websocket"}, "query": map[string]any{"uuid": "a"},
	}})
	drv.connected(t, "a", d.namespace.name+"#a#web-a")
	d.api(t, 0).push("user_a", pushBody("through"))
	if got := markerOf(drv.takeEvent(t, "a", "push")); got != "through" {
		t.Errorf("got %q", got)
	}
	// Buffers and a goroutine each, twice over for the race detector, and some for the device.
	if taken := rss(t, p) - before; taken > 32e6+float64(n)*100e3 {
		t.Errorf("%d silent connections take %.0f MB", n, taken/1e6)
	}
	deadline := time.Now().Add(60 * time.Second) // connect_timeout, or the time for a request's headers
	for i, c := range conns {
		_ = c.SetReadDeadline(deadline)
		if _, err := io.Copy(io.Discard, c); err != nil && os.IsTimeout(err) {
			t.Fatalf("connection %d is still open", i)
		}
	}
}
