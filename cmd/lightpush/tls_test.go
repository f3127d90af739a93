package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/connector/relay"
	"github.com/lightpush/lightpush/internal/config"
)

// writePair writes a certificate of that name, valid for this machine.
func writePair(t *testing.T, dir, name string) (certFile, keyFile string) {
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
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	if c, err := openCertificate(cfg, zerolog.Nop()); c != nil || err != nil {
		t.Fatalf("%v, %v", c, err)
	}
	cfg.TLSCert, cfg.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := openCertificate(cfg, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "tls_cert") {
		t.Fatalf("without files: %v", err)
	}
	writePair(t, dir, "first")
	var log bytes.Buffer
	c, err := openCertificate(cfg, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c.now = func() time.Time { return now }
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Proto))
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(c.listen(plain)) }()
	defer func() { server.Close(); <-ended }()
	shown := func(max uint16) (string, error) {
		conn, err := tls.Dial("tcp", plain.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: max})
		if err != nil {
			return "", err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
	}
	want := func(what, name string) {
		t.Helper()
		if got, err := shown(0); got != name || err != nil {
			t.Errorf("%s: %s, %v", what, got, err)
		}
	}
	want("at first", "first")
	if _, err := shown(tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	writePair(t, dir, "second")
	want("not looked at yet", "first")
	now = now.Add(certCheck)
	want("changed files", "second")
	if err := os.WriteFile(cfg.TLSKey, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(certCheck)
	want("broken files", "second")
	if !strings.Contains(log.String(), "stays in use") {
		t.Errorf("log %s", log.String())
	}
	writePair(t, dir, "third")
	if err := c.reload(); err != nil {
		t.Error(err)
	}
	want("told to", "third")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Get("https://" + plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.Proto != "HTTP/1.1" {
		t.Errorf("spoken %s: WebSockets need HTTP/1.1", res.Proto)
	}
}

// A certificate with another key is shown when others have been told of it, and
// they are told of both keys as long as either may be shown.
func TestCertificateChange(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	cfg.TLSCert, cfg.TLSKey = writePair(t, dir, "first")
	c, err := openCertificate(cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c.now = func() time.Time { return now }
	shown := func() string {
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.Subject.CommonName
	}
	first := c.pins()
	told := make(chan []relay.Pin)
	c.beforeChange(func() { told <- c.pins() })
	writePair(t, dir, "second")
	now = now.Add(certCheck)
	if got := shown(); got != "first" {
		t.Errorf("shown before others know: %s", got)
	}
	pins := <-told
	if len(first) != 1 || len(pins) != 2 || pins[0] != first[0] || pins[1] == first[0] {
		t.Errorf("told %v, at first %v", pins, first)
	}
	for deadline := time.Now().Add(10 * time.Second); shown() != "second"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not shown")
		}
	}
	if got := c.pins(); len(got) != 2 || got[0] != pins[1] || got[1] != first[0] {
		t.Errorf("for handshakes under way: %v", got)
	}
	now = now.Add(keepPin)
	if got := c.pins(); len(got) != 1 || got[0] != pins[1] {
		t.Errorf("in the end: %v", got)
	}

	// Of two in a row the later one stays; SIGHUP waits.
	writePair(t, dir, "third")
	done := make(chan error)
	go func() { done <- c.reload() }()
	<-told
	writePair(t, dir, "fourth")
	go func() { done <- c.reload() }()
	<-told
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := shown(); got != "fourth" {
		t.Errorf("shown: %s", got)
	}
	// The same key needs nobody to be told.
	if err := c.reload(); err != nil || shown() != "fourth" {
		t.Errorf("%v, %s", err, shown())
	}
}

func TestSecurityHeaders(t *testing.T) {
	for _, secured := range []bool{false, true} {
		m := &mux{ready: func() error { return nil }, tls: secured}
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
		h := w.Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" ||
			(h.Get("Strict-Transport-Security") != "") != secured {
			t.Errorf("TLS %v: %v", secured, h)
		}
	}
}

// A client that does not finish its headers, or has too many, is cut off.
func TestHTTPBounds(t *testing.T) {
	server := newHTTPServer(http.NotFoundHandler(), zerolog.Nop(), func() {})
	if server.ReadHeaderTimeout != 10*time.Second || server.ReadTimeout <= 0 || server.WriteTimeout <= 0 || server.IdleTimeout <= 0 {
		t.Errorf("timeouts %s %s %s %s", server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout, server.IdleTimeout)
	}
	server.ReadHeaderTimeout = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }()
	defer func() { server.Close(); <-ended }()
	for what, c := range map[string]struct{ send, want string }{
		"nothing":       {"", ""},
		"half a header": {"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", "HTTP/1.1 408"},
		"large headers": {"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "HTTP/1.1 431"},
		"bad header":    {"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n", "HTTP/1.1 400"},
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = conn.Write([]byte(c.send))
		answer := make([]byte, 4096)
		n, err := conn.Read(answer)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: neither answered nor closed", what)
		}
		if got := string(answer[:n]); c.want == "" && n != 0 || c.want != "" && n != 0 && !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %.40q", what, got)
		}
		conn.Close()
	}
}
