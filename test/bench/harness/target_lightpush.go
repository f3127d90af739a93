package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/test/bench/app"
	"github.com/lightpush/lightpush/test/bench/procfs"
)

// product is lightpush as it is run in a cluster: connectors, a logic process
// and a Redis that writes its append-only file.
type product struct {
	redis      *redisServer
	logic      *child
	connectors []connector
	rest       *rest
}

type connector struct {
	*child
	sockets string // host:port
	metrics string
}

const (
	adminPassword     = "bench-admin"
	namespacePassword = "bench-namespace"
)

// startLightpush starts the product with so many connectors.
func (h *harness) startLightpush(ctx context.Context, connectors int) (_ *product, err error) {
	p := &product{}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	if p.redis, err = h.startRedis(ctx); err != nil {
		return nil, err
	}
	env := []string{
		"LIGHTPUSH_ADMIN_PASSWD=" + adminPassword, "LIGHTPUSH_LOG_LEVEL=warn", "LIGHTPUSH_LOG_FORMAT=json", "GODEBUG=gctrace=1",
		"LIGHTPUSH_PINGINTERVAL=" + millis(app.PingInterval), "LIGHTPUSH_PINGTIMEOUT=" + millis(app.PingTimeout),
	}
	var api string
	if p.logic, api, err = startRole(ctx, "logic", "REST API", env, h.tools.program("lightpush"), p.redis.addr); err != nil {
		return nil, err
	}
	for range connectors {
		c := connector{metrics: freeAddress()}
		own := append(slices.Clone(env), "LIGHTPUSH_METRICS_LISTEN="+c.metrics)
		if h.options.ProfileDir != "" {
			h.profileAddr = freeAddress()
			own = append(own, "BENCH_PROFILE="+h.profileAddr)
		}
		if c.child, c.sockets, err = startRole(ctx, "connector", "Socket.IO", own, h.tools.program("lightpush"), p.redis.addr); err != nil {
			return nil, err
		}
		p.connectors = append(p.connectors, c)
	}
	p.rest = newREST(api)
	if err = p.rest.createNamespace(ctx); err != nil {
		return nil, err
	}
	// The connectors have read the namespaces before; they hear of this one.
	return p, until(ctx, "the namespace in the connectors", func() error {
		for _, c := range p.connectors {
			m, err := p.scrape(ctx, c)
			if err != nil {
				return err
			}
			if m["lightpush_namespaces"] < 1 {
				return errors.New("a connector does not know the namespace")
			}
		}
		return nil
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

func (p *product) server() *child { return p.connectors[0].child }
func (p *product) helpers() map[string]*child {
	all := map[string]*child{"logic": p.logic, "redis": p.redis.child}
	for i, c := range p.connectors[1:] {
		all[nodeName(i+1)] = c.child
	}
	return all
}
func (p *product) addr() string    { return p.connectors[0].sockets }
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

func (p *product) rate(ctx context.Context, pc pace) (pushing, error) { return p.rest.rate(ctx, pc) }

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
	return p.server().takePauses(), nil
}

// entries are the gauges that must fall with the number of clients.
var entries = []string{"lightpush_sessions", "lightpush_devices", "lightpush_receipt_queue", "lightpush_stream_backlog"}

func (p *product) census(ctx context.Context) (census, error) {
	m, err := p.scrape(ctx, p.connectors[0])
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

func (p *product) scrape(ctx context.Context, c connector) (map[string]float64, error) {
	text, err := p.rest.get(ctx, "http://"+c.metrics+"/metrics", "", "")
	return procfs.ParseMetrics(string(text)), err
}

func (p *product) stop() {
	for _, c := range p.connectors {
		c.stop()
	}
	if p.logic != nil {
		p.logic.stop()
	}
	if p.redis != nil {
		p.redis.stop()
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
