//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBehindNginx: the prefixes of the old deployment, /push/ and /push-logic/, for every transport.
func TestBehindNginx(t *testing.T) {
	d := startRoles(t, 1, 1)
	front := startNginx(t, d)
	drv := startNode(t)
	api := &api{t: t, base: front + "/push-logic", as: d.namespace}
	t.Run("clients", func(t *testing.T) {
		for _, lib := range []string{"v2", "v4"} {
			for _, m := range modes {
				t.Run(lib+"/"+m.name, func(t *testing.T) {
					t.Parallel()
					runCore(t, rig{drv: drv, lib: lib, mode: m, url: front, path: "/push/socket.io/", namespace: d.namespace.name, api: api}, lib+"-"+m.name)
				})
			}
		}
	})
}

// nginxConf is what an operator writes: upgrade headers forwarded, no buffering, a read timeout above the heartbeat.
const nginxConf = `
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen %s;
    location /push/ {
      proxy_pass %s/;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_buffering off;
      proxy_read_timeout 120s;
    }
    location /push-logic/ {
      proxy_pass %s/;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Connection '';
    }
  }
}
`

// startNginx starts nginx in front of the first connector and logic process and returns its base URL.
func startNginx(t testing.TB, d *deployment) string {
	t.Helper()
	return startNginxWith(t, d, nginxConf)
}

// startNginxWith starts nginx with a configuration that has places for its address, the connector and the logic process.
func startNginxWith(t testing.TB, d *deployment, template string) string {
	t.Helper()
	dir, addr := t.TempDir(), freeAddress(t)
	conf := fmt.Sprintf(template, addr, d.sockets[0], d.apis[0])
	if os.Geteuid() == 0 {
		conf = "user root;\n" + conf // the temporary directory belongs to the user of the test
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(strings.TrimSpace(conf)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "nginx", nil, nginxPath(t), "-p", dir, "-c", file, "-e", "stderr")
	eventually(t, startTimeout, "nginx listens", func() error {
		if !p.alive() {
			t.Fatalf("nginx ended: %s", p.log())
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	return "http://" + addr
}

// nginxPath finds nginx also where Debian keeps it for users whose PATH has no sbin.
func nginxPath(t testing.TB) string {
	if _, err := os.Stat("/usr/sbin/nginx"); err == nil {
		return "/usr/sbin/nginx"
	}
	return need(t, "nginx")
}
