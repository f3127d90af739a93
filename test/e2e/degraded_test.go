//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// fastPings makes heartbeats so frequent that a connector that neglects them during an outage loses its clients.
var fastPings = []string{"LIGHTPUSH_PINGINTERVAL=1000", "LIGHTPUSH_PINGTIMEOUT=2000"}

// redisPlace is a Redis that can be ended and started again with its data.
type redisPlace struct {
	t    testing.TB
	addr string
	args []string
	proc *process
}

func newRedisPlace(t testing.TB, args ...string) *redisPlace {
	r := &redisPlace{t: t, addr: freeAddress(t)}
	_, port, _ := net.SplitHostPort(r.addr)
	r.args = append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "yes",
		"--appendfsync", "everysec", "--daemonize", "no"}, args...)
	r.start()
	return r
}

func (r *redisPlace) start() {
	r.t.Helper()
	r.proc = startProcess(r.t, "redis-server", nil, need(r.t, "redis-server"), r.args...)
	ready := regexp.MustCompile(`Ready to accept connections`)
	r.proc.waitOutput("that it is ready", func(lines []string) bool { return find(lines, ready) != nil })
}

// startOn starts roles on a Redis that is there.
func startOn(t testing.TB, redis string, connectors, logics int, env ...string) *deployment {
	t.Helper()
	d := &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{"/demo", "e2e-demo-passwd"}}
	for i := range logics {
		d.apis = append(d.apis, d.startRole(t, "logic", i, redis, env...))
	}
	for i := range connectors {
		d.sockets = append(d.sockets, d.startRole(t, "connector", i, redis, env...))
	}
	d.createNamespace(t)
	return d
}

func (d *deployment) createNamespace(t testing.TB) {
	t.Helper()
	d.adminAPI(t, 0).post("/api/admin/namespace/save", map[string]any{"key": d.namespace.name, "auth_passwd": d.namespace.passwd}, 200)
	for i := range d.sockets {
		d.waitNamespace(t, i)
	}
}

// TestRedisAway: Redis is frozen, and ended and started again, under traffic. Clients stay connected, what needs no
// store goes on, no push is answered 200 that was not accepted, and everything goes on by itself.
func TestRedisAway(t *testing.T) {
	redis := newRedisPlace(t)
	d := startOn(t, redis.addr, 2, 1, fastPings...)
	f := newFleet(t, d, 200, 10)
	f.start()
	f.waitReady(time.Minute)
	stop := f.pushing(30)
	local := startLocal(t, d.connect(t, 0, "local"))
	for _, outage := range []struct {
		name string
		end  func() (back func())
	}{
		{"frozen", func() func() { return redis.proc.freeze() }},
		{"ended", func() func() {
			redis.proc.kill()
			return redis.start
		}},
	} {
		t.Run(outage.name, func(t *testing.T) {
			time.Sleep(time.Second) // of steady pushing
			back := sync.OnceFunc(outage.end())
			defer back()
			start := time.Now()
			for i := 0; time.Since(start) < 8*time.Second; i++ {
				d.wantUnavailable(t, fmt.Sprintf("%s %d", outage.name, i))
				local.ask(t, i)
				if n := f.ready.Load(); int(n) != len(f.clients) {
					t.Fatalf("%d of %d clients are connected while Redis is away", n, len(f.clients))
				}
			}
			for _, base := range append(append([]string{}, d.sockets...), d.apis...) {
				addr := strings.TrimPrefix(base, "http://")
				if status, body := probe(t, addr, "/readyz"); status != 503 || !strings.Contains(body, `"check":"store"`) {
					t.Errorf("/readyz of %s: %d %s", base, status, body)
				}
				if status, body := probe(t, addr, "/livez"); status != 200 {
					t.Errorf("/livez of %s: %d %s", base, status, body)
				}
			}
			back()
			start = time.Now()
			for _, base := range append(append([]string{}, d.sockets...), d.apis...) {
				eventually(t, eventTimeout, base+" is ready again", func() error {
					status, body := probe(t, strings.TrimPrefix(base, "http://"), "/readyz")
					if status != 200 {
						return fmt.Errorf("%d %s", status, body)
					}
					return nil
				})
			}
			t.Logf("ready again after %s", time.Since(start).Round(time.Millisecond))
		})
	}
	time.Sleep(2 * time.Second)
	stop()
	f.settle(time.Minute)
	if f.failed.Load() != 0 || f.restarts.Load() != 0 {
		t.Errorf("%d clients had to connect again", f.failed.Load())
	}
	for room := range f.rooms {
		d.api(t, 0).waitOnline(fmt.Sprintf("g%d", room), len(f.clients)/f.rooms, eventTimeout)
	}
	// New clients get in again.
	_ = d.connect(t, 1, "late").Close()
	f.end()
	d.terminate() // before the second Redis, which is younger
}

// wantUnavailable pushes while the store is away: 503 with Retry-After, and nothing else.
func (d *deployment) wantUnavailable(t *testing.T, marker string) {
	t.Helper()
	req, _ := http.NewRequest("POST", d.apis[0]+"/api/auth/push", strings.NewReader(`{"room":"nobody","pushData":{"marker":"`+marker+`"}}`))
	req.SetBasicAuth(d.namespace.name, d.namespace.passwd)
	req.Header.Set("Content-Type", "application/json")
	start := time.Now()
	res, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if took := time.Since(start); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || took > 12*time.Second {
		t.Errorf("a push while Redis is away: %d, Retry-After %q, after %s", res.StatusCode, res.Header.Get("Retry-After"), took)
	}
}

// localClient asks a connector for what needs no store.
type localClient struct {
	conn *wsclient.Conn
	acks chan int // ids of answers; closed when the connection has ended
}

func startLocal(t *testing.T, conn *wsclient.Conn) *localClient {
	l := &localClient{conn: conn, acks: make(chan int, 100)}
	go func() { // ends with the connection
		defer close(l.acks)
		for {
			p, err := conn.Next()
			if err != nil {
				return
			}
			if p.Type == wsclient.Ack {
				l.acks <- p.ID
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close() })
	return l
}

func (l *localClient) ask(t *testing.T, id int) {
	t.Helper()
	if err := l.conn.Emit(id, "nonsense"); err != nil {
		t.Fatal(err)
	}
	select {
	case got, ok := <-l.acks:
		if !ok || got != id {
			t.Fatalf("answer %d to the event %d, connected %v", got, id, ok)
		}
	case <-time.After(3 * time.Second):
		t.Fatal("no answer to a local event")
	}
}

// TestFrozenNode: a connector is frozen for longer than its lease, swept, and wakes up. It takes nothing from devices
// that have connected elsewhere meanwhile, and the others on it miss nothing.
func TestFrozenNode(t *testing.T) {
	d := startRoles(t, 2, 1, shortLease)
	f := newFleet(t, d, 60, 6)
	f.start()
	f.waitReady(time.Minute)
	stop := f.pushing(20)
	old := d.connectUser(t, 0, "moving")
	api := d.api(t, 0)

	thaw := d.connectorProcess(0).freeze()
	eventually(t, time.Minute, "the frozen connector is swept", func() error {
		sum := 0
		for room := range f.rooms {
			r, err := api.room(fmt.Sprintf("g%d", room))
			if err != nil {
				return err
			}
			sum += r.ClientCount
		}
		if sum >= len(f.clients) {
			return fmt.Errorf("%d clients online", sum)
		}
		return nil
	})
	moved := d.connectUser(t, 1, "moving")
	time.Sleep(2 * time.Second) // pushes that only the sweep explains
	thaw()

	// The old connection of the device is ended, the new one stays and gets what is for it.
	_ = old.SetReadDeadline(time.Now().Add(eventTimeout))
	for {
		p, err := old.Next()
		if err != nil && !errors.Is(err, wsclient.ErrClosed) {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatal("the old connection of the device was not ended")
			}
			break
		}
		if err != nil || p.Type == wsclient.Disconnect {
			break
		}
	}
	time.Sleep(2 * time.Second)
	stop()
	f.settle(time.Minute)
	f.waitReady(time.Minute)
	for room := range f.rooms {
		api.waitOnline(fmt.Sprintf("g%d", room), len(f.clients)/f.rooms, eventTimeout)
	}
	wantPushOn(t, api, moved, "moving")
}

// connectUser connects the device of that uuid of a user of the same name.
func (d *deployment) connectUser(t *testing.T, connector int, uuid string) *wsclient.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), eventTimeout)
	defer cancel()
	c, err := wsclient.Dial(ctx, wsclient.Config{
		Addr: d.host(connector), EIO: 4, Namespace: d.namespace.name, Query: url.Values{"uuid": {uuid}, "userid": {uuid}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// wantPushOn pushes to the user of a connection and waits for it there.
func wantPushOn(t *testing.T, api *api, c *wsclient.Conn, uuid string) {
	t.Helper()
	id := api.push("user_"+uuid, pushBody("for "+uuid))
	_ = c.SetReadDeadline(time.Now().Add(eventTimeout))
	for {
		p, err := c.Next()
		if err != nil {
			t.Fatalf("%s did not get its push: %v", uuid, err)
		}
		if p.Type == wsclient.Disconnect {
			t.Fatalf("%s was sent away", uuid)
		}
		var event struct{ ID int64 }
		if p.Name() == "push" && p.Arg(0, &event) == nil && event.ID == id {
			return
		}
	}
}

// TestNodeLosesRedis: one connector alone is cut off from Redis until it is swept, and registers everything again when
// the way is free. Its clients stay connected all the time and miss nothing.
func TestNodeLosesRedis(t *testing.T) {
	redis := startRedis(t)
	way := startBalancer(t, redis)
	env := append([]string{shortLease}, fastPings...)
	d := &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{"/demo", "e2e-demo-passwd"}}
	d.apis = append(d.apis, d.startRole(t, "logic", 0, redis, env...))
	d.sockets = append(d.sockets, d.startRole(t, "connector", 0, way.listener.Addr().String(), env...))
	d.sockets = append(d.sockets, d.startRole(t, "connector", 1, redis, env...))
	d.createNamespace(t)
	f := newFleet(t, d, 60, 6)
	f.start()
	f.waitReady(time.Minute)
	stop := f.pushing(20)
	api := d.api(t, 0)
	online := func(want func(int) bool) func() error {
		return func() error {
			sum := 0
			for room := range f.rooms {
				r, err := api.room(fmt.Sprintf("g%d", room))
				if err != nil {
					return err
				}
				sum += r.ClientCount
			}
			if !want(sum) {
				return fmt.Errorf("%d clients online", sum)
			}
			return nil
		}
	}
	for range 2 {
		way.targets.Store(&[]string{})
		way.cut()
		eventually(t, time.Minute, "the connector is swept", online(func(n int) bool { return n < len(f.clients) }))
		if status, body := probe(t, d.host(0), "/readyz"); status != 503 {
			t.Errorf("/readyz of the connector that was cut off: %d %s", status, body)
		}
		time.Sleep(time.Second)
		way.targets.Store(&[]string{redis})
		eventually(t, time.Minute, "the connector has registered everything again", online(func(n int) bool { return n == len(f.clients) }))
		f.caughtUp(time.Minute) // else the next cut makes those come back that were not told yet what they have missed
	}
	time.Sleep(time.Second)
	stop()
	f.settle(time.Minute)
	if f.failed.Load() != 0 {
		t.Errorf("%d clients had to connect again", f.failed.Load())
	}
}

// cut ends all connections through the balancer.
func (b *balancer) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}
