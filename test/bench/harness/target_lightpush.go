package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/test/bench/app"
	"github.com/lightpush/lightpush/test/bench/procfs"
)

// product is lightpush as it is run in a cluster: a connector, a logic process
// and a Redis that writes its append-only file.
type product struct {
	redis, logic, connector *child

	sockets string // host:port of the connector
	metrics string // of the connector
	rest    *rest
	dir     string // of Redis
}

const (
	adminPassword     = "bench-admin"
	namespacePassword = "bench-namespace"
)

func (h *harness) startLightpush(ctx context.Context) (_ target, err error) {
	p := &product{}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	if p.dir, err = os.MkdirTemp(h.tools.dir, "redis-"); err != nil {
		return nil, fmt.Errorf("lightpush: %w", err)
	}
	redis := freeAddress()
	_, port, _ := net.SplitHostPort(redis)
	p.redis, err = startChild("redis-server", nil, h.tools.redis, "--bind", "127.0.0.1", "--port", port, "--dir", p.dir,
		"--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction")
	if err != nil {
		return nil, err
	}
	if err = until(ctx, "redis-server", func() error { return reachable(ctx, redis) }); err != nil {
		return nil, err
	}
	env := []string{
		"LIGHTPUSH_ADMIN_PASSWD=" + adminPassword, "LIGHTPUSH_LOG_LEVEL=warn", "LIGHTPUSH_LOG_FORMAT=json", "GODEBUG=gctrace=1",
		"LIGHTPUSH_PINGINTERVAL=" + millis(app.PingInterval), "LIGHTPUSH_PINGTIMEOUT=" + millis(app.PingTimeout),
	}
	var api string
	if p.logic, api, err = startRole(ctx, "logic", "REST API", env, h.tools.program("lightpush"), redis); err != nil {
		return nil, err
	}
	p.metrics = freeAddress()
	env = append(env, "LIGHTPUSH_METRICS_LISTEN="+p.metrics)
	if h.options.ProfileDir != "" {
		h.profileAddr = freeAddress()
		env = append(env, "BENCH_PROFILE="+h.profileAddr)
	}
	if p.connector, p.sockets, err = startRole(ctx, "connector", "Socket.IO", env, h.tools.program("lightpush"), redis); err != nil {
		return nil, err
	}
	p.rest = newREST(api)
	if err = p.rest.createNamespace(ctx); err != nil {
		return nil, err
	}
	// The connector has read the namespaces before; it hears of this one.
	return p, until(ctx, "the namespace in the connector", func() error {
		m, err := p.scrape(ctx)
		if err == nil && m["lightpush_namespaces"] < 1 {
			err = errors.New("the connector does not know the namespace")
		}
		return err
	})
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// startRole starts a process of lightpush and returns host:port of what it
// announces under this title.
func startRole(ctx context.Context, role, title string, env []string, program, redis string) (*child, string, error) {
	c, err := startChild(role, env, program, role, "--listen", "127.0.0.1:0", "--redis", redis)
	if err != nil {
		return nil, "", err
	}
	for {
		line, err := c.line(ctx)
		if err != nil {
			c.stop()
			return nil, "", err
		}
		if address, ok := announced(line, title); ok {
			return c, address, nil
		}
	}
}

// announced returns host:port of a line such as
// "  Socket.IO  http://127.0.0.1:21314/socket.io/".
func announced(line, title string) (address string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), title+" ")
	if !ok {
		return "", false
	}
	rest, ok = strings.CutPrefix(strings.TrimSpace(rest), "http://")
	address, _, _ = strings.Cut(rest, "/")
	return address, ok && address != ""
}

func (p *product) server() *child { return p.connector }
func (p *product) helpers() map[string]*child {
	return map[string]*child{"logic": p.logic, "redis": p.redis}
}
func (p *product) addr() string    { return p.sockets }
func (p *product) version() string { return "this tree" }

func (p *product) emit(ctx context.Context, room string, n int, how manner) ([]int64, error) {
	if how == inLoop {
		ids := make([]int64, n)
		for i := range ids {
			id, err := p.rest.push(ctx, room, i)
			if err != nil {
				return nil, err
			}
			ids[i] = id
		}
		return ids, nil
	}
	return p.rest.pushAtOnce(ctx, room, n)
}

func (p *product) rate(ctx context.Context, perSecond float64, n, first, users int) (pushing, error) {
	return p.rest.rate(ctx, perSecond, n, func(i int) (room string, place int) {
		return app.UserRoom(strconv.Itoa(first + i%users)), i / users
	})
}

func (p *product) acked(ctx context.Context, ids []int64) (sum int, err error) {
	for _, id := range ids {
		n, err := p.rest.acked(ctx, id)
		if err != nil {
			return sum, err
		}
		sum += n
	}
	return sum, nil
}

func (p *product) resetCounters(context.Context) error { return nil }

func (p *product) takePauses(context.Context) ([]float64, error) {
	return p.connector.takePauses(), nil
}

// entries are the gauges that must fall with the number of clients.
var entries = []string{"lightpush_sessions", "lightpush_devices", "lightpush_receipt_queue", "lightpush_stream_backlog"}

func (p *product) census(ctx context.Context) (census, error) {
	m, err := p.scrape(ctx)
	if err != nil {
		return census{}, err
	}
	c := census{Clients: int64(m["lightpush_sessions"]), Goroutines: int(m["go_goroutines"]), Entries: map[string]float64{}}
	for _, name := range append(entries, "go_memstats_heap_alloc_bytes", "go_memstats_stack_inuse_bytes") {
		if v, ok := m[name]; ok {
			c.Entries[name] = v
		}
	}
	return c, nil
}

func (p *product) scrape(ctx context.Context) (map[string]float64, error) {
	text, err := p.rest.get(ctx, "http://"+p.metrics+"/metrics", "", "")
	return procfs.ParseMetrics(string(text)), err
}

func (p *product) stop() {
	for _, c := range []*child{p.connector, p.logic, p.redis} {
		if c != nil {
			c.stop()
		}
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

// freeAddress returns an address nobody listens on now.
func freeAddress() string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0" // the program that gets it will say what is wrong
	}
	defer l.Close()
	return l.Addr().String()
}

func reachable(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp4", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// until asks every 20 ms until check is content or ctx ends.
func until(ctx context.Context, what string, check func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last: %w", what, ctx.Err(), err)
		}
	}
}
