//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// balanced is a deployment behind nginx with the configuration of doc/nginx.
type balanced struct {
	*deployment
	url  string // https://host:port of nginx
	cert string // file that clients must trust
	http *http.Client
}

const (
	roundRobin = "upstream-round-robin.conf"
	hashUUID   = "upstream-hash-uuid.conf"
)

// startBalanced starts nginx with TLS in front of all processes of d.
func startBalanced(t testing.TB, d *deployment, upstream string) *balanced {
	t.Helper()
	dir := t.TempDir()
	b := &balanced{deployment: d, cert: filepath.Join(dir, "push.crt")}
	pool := selfSigned(t, b.cert, filepath.Join(dir, "push.key"))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	b.http = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	addr := freeAddress(t)
	b.url = "https://" + addr

	conf := documented(t, "lightpush.conf") + documented(t, upstream)
	replace := func(old, with string) {
		t.Helper()
		if !strings.Contains(conf, old) {
			t.Fatalf("doc/nginx has no %q", old)
		}
		conf = strings.ReplaceAll(conf, old, with)
	}
	replace("listen 443 ssl;", "listen "+addr+" ssl;")
	replace("/etc/nginx/push.", dir+"/push.")
	replace("server 127.0.0.1:56789;", servers(d.apis, ""))
	replace("  server 127.0.0.1:21315 max_fails=3 fail_timeout=5s;\n", "")
	replace("  server 127.0.0.1:21316 max_fails=3 fail_timeout=5s;\n", "")
	replace("server 127.0.0.1:21314 max_fails=3 fail_timeout=5s;", servers(d.sockets, " max_fails=3 fail_timeout=5s"))
	conf = "daemon off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\npid nginx.pid;\nerror_log stderr crit;\nevents { worker_connections 18000; }\n" +
		"http {\naccess_log off;\nclient_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\n" +
		"uwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n" + conf + "\n}\n"
	if os.Geteuid() == 0 {
		conf = "user root;\n" + conf // the temporary directory belongs to the user of the test
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "nginx", nil, nginxPath(t), "-p", dir, "-c", file, "-e", "stderr")
	eventually(t, startTimeout, "nginx listens", func() error {
		if !p.alive() {
			t.Fatalf("nginx ended: %s", p.log())
		}
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	return b
}

func documented(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "doc", "nginx", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func servers(urls []string, options string) string {
	var list []string
	for _, u := range urls {
		list = append(list, "server "+strings.TrimPrefix(u, "http://")+options+";")
	}
	return strings.Join(list, "\n  ")
}

// selfSigned makes a certificate for 127.0.0.1.
func selfSigned(t testing.TB, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, block := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(file, block, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

// startNodeTrusting starts the JavaScript clients with one more certificate to trust.
func startNodeTrusting(t *testing.T, cert string) *driver {
	t.Setenv("NODE_EXTRA_CA_CERTS", cert)
	return startNode(t)
}

func (b *balanced) get(t testing.TB, path string) (int, string) {
	t.Helper()
	res, err := b.http.Get(b.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestDocumentedNginx: the three prefixes over TLS, and that probes stay inside.
func TestDocumentedNginx(t *testing.T) {
	for _, upstream := range []string{roundRobin, hashUUID} {
		t.Run(upstream, func(t *testing.T) {
			b := startBalanced(t, startRoles(t, 2, 2), upstream)
			if status, body := b.get(t, "/push-logic/health"); status != 200 || body != "hello" {
				t.Errorf("/push-logic/health: %d %s", status, body)
			}
			if status, body := b.get(t, "/push-admin/"); status != 200 || !strings.Contains(body, "<html") {
				t.Errorf("/push-admin/: %d %.200s", status, body)
			}
			if status, body := b.get(t, "/push/socket.io/?EIO=4&transport=polling&uuid=a"); status != 200 || !strings.HasPrefix(body, `0{"sid":"`) {
				t.Errorf("/push/socket.io/: %d %s", status, body)
			}
			for _, path := range []string{"/push/livez", "/push/readyz", "/push-logic/readyz", "/"} {
				if status, _ := b.get(t, path); status != 404 {
					t.Errorf("%s: %d", path, status)
				}
			}
			pushed := &api{t: t, base: b.url + "/push-logic", as: b.namespace}
			before := httpClient
			httpClient = b.http
			defer func() { httpClient = before }()
			if id := pushed.push("nobody", pushBody("through nginx")); id <= 0 {
				t.Errorf("id %d", id)
			}
		})
	}
}

func (b *balanced) String() string {
	return fmt.Sprintf("%d connectors behind %s", len(b.sockets), b.url)
}
