//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// composed is what of docker-compose.yml can be wrong without anybody noticing.
type composed struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Environment map[string]string
		Ports       []string
		Volumes     []string
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		Healthcheck struct{ Test []string }
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
	}
	Volumes  map[string]any
	Networks map[string]struct {
		IPAM struct{ Config []struct{ Subnet string } }
	}
}

func readCompose(t *testing.T) (c composed) {
	t.Helper()
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCompose: services, keys, ports, volumes and health checks of docker-compose.yml fit each other and the program.
func TestCompose(t *testing.T) {
	c := readCompose(t)
	keys := map[string]bool{}
	for _, key := range config.Keys() {
		keys[key.Env()] = true
	}
	for _, name := range []string{"redis", "nginx", "connector-1", "connector-2", "logic-1", "logic-2"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	for name, service := range c.Services {
		for env := range service.Environment {
			if strings.HasPrefix(env, "LIGHTPUSH_") && !keys[env] {
				t.Errorf("%s: %s is no key", name, env)
			}
		}
		for other, how := range service.DependsOn {
			if len(c.Services[other].Healthcheck.Test) == 0 || how.Condition != "service_healthy" {
				t.Errorf("%s: depends on %s, %s", name, other, how.Condition)
			}
		}
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to everybody", name, port)
			}
		}
		for _, volume := range service.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if _, named := c.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(filepath.Join("../..", from)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		tag := service.Image[strings.LastIndexByte(service.Image, ':')+1:]
		if service.Image != "lightpush" && strings.Count(tag, ".") != 2 {
			t.Errorf("%s: %s names no exact version", name, service.Image)
		}
		if service.Image != "lightpush" {
			continue
		}
		role := service.Command[0]
		if check := service.Healthcheck.Test; len(check) != 4 || check[1] != "/lightpush" || check[2] != "health" || check[3] != role {
			t.Errorf("%s: health check %q", name, check)
		}
		if !service.ReadOnly || !slices.Contains(service.CapDrop, "ALL") || len(service.Ports) > 0 {
			t.Errorf("%s has more rights than it needs", name)
		}
		if service.Environment["LIGHTPUSH_TRUSTED_PROXIES"] != c.Networks["default"].IPAM.Config[0].Subnet {
			t.Errorf("%s: trusts %s", name, service.Environment["LIGHTPUSH_TRUSTED_PROXIES"])
		}
		if secret := service.Environment["LIGHTPUSH_REDIS_PASSWORD"]; !strings.HasPrefix(secret, "${") {
			t.Errorf("%s: a password is built in", name)
		}
	}
}

// TestComposeNginx starts the nginx of docker-compose.yml, on other ports, before two connectors and two logics.
func TestComposeNginx(t *testing.T) {
	nginx := need(t, "nginx")
	d := startRoles(t, 2, 2, "LIGHTPUSH_TRUSTED_PROXIES=127.0.0.1/32")
	sockets, rest := freeAddress(t), freeAddress(t)
	text, err := os.ReadFile("../../packaging/compose/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	conf, dir := string(text), t.TempDir()
	swap := func(from, to string) {
		t.Helper()
		if !strings.Contains(conf, from) {
			t.Errorf("nginx.conf lacks %q", from)
		}
		conf = strings.ReplaceAll(conf, from, to)
	}
	for i := range 2 {
		swap(fmt.Sprintf("connector-%d:21314", i+1), d.host(i))
		swap(fmt.Sprintf("logic-%d:56789", i+1), strings.TrimPrefix(d.apis[i], "http://"))
	}
	swap("listen 21314;", "listen "+sockets+";")
	swap("listen 56789;", "listen "+rest+";")
	swap("http {\n", fmt.Sprintf("http {\n  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n", dir))
	file := filepath.Join(dir, "nginx.conf")
	writeConfig(t, file, fmt.Sprintf("daemon off;\npid %s/pid;\nerror_log stderr;\n", dir)+conf)
	if out, err := exec.Command(nginx, "-t", "-p", dir, "-c", file).CombinedOutput(); err != nil {
		t.Fatalf("nginx -t: %v\n%s", err, out)
	}
	startProcess(t, "nginx", nil, nginx, "-p", dir, "-c", file)
	eventually(t, 20*time.Second, "nginx answers", func() error {
		resp, err := httpClient.Get("http://" + rest + "/health")
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	})
	proxied := &api{t: t, base: "http://" + rest, as: d.namespace}
	for i := range 4 { // in turn on both connectors
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		user := fmt.Sprint("user", i)
		conn, err := wsclient.Dial(ctx, wsclient.Config{Addr: sockets, EIO: 4, Namespace: d.namespace.name, Query: url.Values{"uuid": {user}, "userid": {user}}})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		proxied.post("/api/auth/push", map[string]any{"room": "user_" + user, "pushData": map[string]any{"n": i}}, 200)
		for {
			p, err := conn.Next()
			if err != nil {
				t.Fatal(err)
			}
			if p.Name() == "push" {
				break
			}
		}
		_ = conn.Close()
	}
}
