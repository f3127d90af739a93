//go:build linux

package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/lightpush/lightpush/test/chaos/plan"
	"github.com/lightpush/lightpush/test/chaos/ring"
)

// Options of a cluster.
type Options struct {
	Program            string // lightpush
	Seed               uint64 // of the gateway's failures
	Dir                string // for logs and the data of Redis; must exist
	Connectors, Logics int
	AppendFsync        string            // always or everysec
	Settings           map[string]string // of lightpush, by configuration key in upper case
}

// Cluster is a running service.
type Cluster struct {
	options    Options
	redis      *process
	logics     []*process
	connectors []*process
	sockets    []string
	apis       []string
	gateway    *gateway
	http       *http.Client
}

const (
	adminPassword = "chaos-admin"
	startWithin   = 60 * time.Second // with the race detector, and Redis perhaps away
)

var tenants = []ring.Tenant{{Name: "/one", Password: "chaos-one"}, {Name: "/two", Password: "chaos-two"}}

// Start starts everything and creates the namespaces.
func Start(o Options) (_ *Cluster, err error) {
	c := &Cluster{options: o, http: &http.Client{Timeout: 10 * time.Second}}
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	redisServer, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server is missing; `make deps` installs it: %w", err)
	}
	data := filepath.Join(o.Dir, "redis")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	addrs, err := freeAddresses(1 + o.Logics + o.Connectors)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addrs[0])
	c.redis = &process{
		name: "redis", program: redisServer, dir: o.Dir, ready: ping(addrs[0]), within: startWithin,
		args: []string{"--bind", "127.0.0.1", "--port", port, "--dir", data, "--save", "", "--appendonly", "yes",
			"--appendfsync", o.AppendFsync, "--daemonize", "no", "--maxmemory-policy", "noeviction"},
	}
	if err := c.redis.start(); err != nil {
		return nil, err
	}
	if c.gateway, err = startGateway(o.Seed); err != nil {
		return nil, err
	}
	env, err := c.trustGateway()
	if err != nil {
		return nil, err
	}
	env = append(env, "LIGHTPUSH_ADMIN_PASSWD="+adminPassword, "LIGHTPUSH_SECRET_KEY="+secretKey(), "LIGHTPUSH_LOG_FORMAT=json")
	for key, value := range o.Settings {
		env = append(env, "LIGHTPUSH_"+key+"="+value)
	}
	role := func(name, addr string, i int) *process {
		return &process{
			name: name + strconv.Itoa(i), program: o.Program, dir: o.Dir, env: env, ready: healthy("http://" + addr), within: startWithin,
			args: []string{name, "--redis", addrs[0], "--listen", addr},
		}
	}
	for i, addr := range addrs[1:] {
		if i < o.Logics {
			c.apis = append(c.apis, "http://"+addr)
			c.logics = append(c.logics, role("logic", addr, i))
		} else {
			c.sockets = append(c.sockets, addr)
			c.connectors = append(c.connectors, role("connector", addr, i-o.Logics))
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(c.processes()))
	for i, p := range c.processes()[1:] {
		wg.Go(func() { errs[i] = p.start() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, t := range tenants {
		if err := c.createNamespace(t); err != nil {
			return nil, err
		}
	}
	return c, c.saveProfile()
}

func (c *Cluster) createNamespace(t ring.Tenant) error {
	return c.admin("/api/admin/namespace/save", map[string]any{"key": t.Name, "name": t.Name, "auth_passwd": t.Password})
}

// admin posts to a route of the administrator.
func (c *Cluster) admin(path string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, err = c.request(context.Background(), http.MethodPost, path, "admin", adminPassword, data)
	return err
}

func (c *Cluster) request(ctx context.Context, method, path, user, password string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.apis[0]+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(user, password)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: status %d %s", method, path, resp.StatusCode, answer)
	}
	return answer, err
}

// Receipt returns the report of a message with the devices that confirmed it, as the service tells it.
func (c *Cluster) Receipt(namespace string, id int64) string {
	for _, t := range tenants {
		if t.Name == namespace {
			answer, err := c.request(context.Background(), http.MethodGet,
				fmt.Sprintf("/api/auth/report/push/%d?ackDetail=1", id), t.Name, t.Password, nil)
			if err != nil {
				return err.Error()
			}
			return string(answer)
		}
	}
	return "no namespace " + namespace
}

// secretKey makes a key for the credentials in the store.
func secretKey() string {
	var key [32]byte
	_, _ = rand.Read(key[:])
	return base64.StdEncoding.EncodeToString(key[:])
}

// Ports of the processes: below those a system gives to outgoing connections, one of which could else sit on the port
// of a process that is about to start again.
const portFirst, portLast = 20_000, 32_000

// freeAddresses returns loopback addresses nobody listens on at the moment.
func freeAddresses(n int) ([]string, error) {
	var addrs []string
	for try := 0; len(addrs) < n; try++ {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(portFirst+mathrand.IntN(portLast-portFirst)))
		l, err := net.Listen("tcp", addr)
		switch {
		case err == nil && !slices.Contains(addrs, addr):
			addrs = append(addrs, addr)
			_ = l.Close()
		case err == nil:
			_ = l.Close()
		case try > 1000:
			return nil, fmt.Errorf("no free ports: %w", err)
		}
	}
	return addrs, nil
}

func (c *Cluster) processes() []*process {
	all := []*process{c.redis}
	return append(append(all, c.logics...), c.connectors...)
}

// Close kills everything and judges what the processes wrote.
func (c *Cluster) Close() error {
	var errs []error
	for _, p := range c.processes() {
		if p == nil || p.cmd == nil {
			continue
		}
		if p != c.redis {
			errs = append(errs, p.check())
		}
		p.kill()
	}
	if c.gateway != nil {
		c.gateway.Close()
	}
	c.http.CloseIdleConnections()
	return errors.Join(errs...)
}

// Sockets implements ring.Service.
func (c *Cluster) Sockets() []string { return c.sockets }

// APIs implements ring.Service.
func (c *Cluster) APIs() []string { return c.apis }

// Tenants implements ring.Service.
func (c *Cluster) Tenants() []ring.Tenant { return tenants }

// Begin implements ring.Service.
func (c *Cluster) Begin(f plan.Fault) (end func() error, err error) {
	switch f.Kind {
	case plan.KillConnector:
		return c.kill(c.connectors[f.Target])
	case plan.KillLogic:
		return c.kill(c.logics[f.Target])
	case plan.KillRedis:
		return c.kill(c.redis)
	case plan.PauseConnector, plan.FreezeConnector:
		return c.freeze(c.connectors[f.Target])
	case plan.FreezeLogic:
		return c.freeze(c.logics[f.Target])
	case plan.FreezeRedis:
		return c.freeze(c.redis)
	default:
		return nil, fmt.Errorf("cluster: %s is no fault of a process", f.Kind)
	}
}

func (c *Cluster) kill(p *process) (func() error, error) {
	p.kill()
	return p.start, nil
}

func (c *Cluster) freeze(p *process) (func() error, error) {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return nil, err
	}
	return func() error { return p.signal(syscall.SIGCONT) }, nil
}
