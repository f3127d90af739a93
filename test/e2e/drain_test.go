//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

const (
	drainAccept = 800 // accept_rate of the rolling restart
	drainRate   = 500 // drain_rate
)

// TestRollingRestart: three connectors are restarted one after the other, with 5,000 clients connected and pushes going
// on. Everybody gets everything, and no connector ever accepts more than its budget.
func TestRollingRestart(t *testing.T) {
	clients := 5_000
	if set := os.Getenv("E2E_DRAIN"); set != "" {
		var err error
		if clients, err = strconv.Atoi(set); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("race detector", func(t *testing.T) { rollingRestart(t, clients/5) })
	t.Run("as released", func(t *testing.T) {
		useReleased(t)
		rollingRestart(t, clients)
	})
}

func rollingRestart(t *testing.T, clients int) {
	env := []string{
		withMetrics, fmt.Sprintf("LIGHTPUSH_ACCEPT_RATE=%d", drainAccept), fmt.Sprintf("LIGHTPUSH_DRAIN_RATE=%d", drainRate),
		"LIGHTPUSH_DRAIN_WAIT=500", "LIGHTPUSH_LOG_FORMAT=json",
	}
	redis := startRedis(t)
	d := &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{"/demo", "e2e-demo-passwd"}}
	for i := range 2 {
		d.apis = append(d.apis, d.startRole(t, "logic", i, redis, env...))
	}
	nodes := make([]*restartable, 3)
	for i := range nodes {
		nodes[i] = &restartable{t: t, d: d, name: fmt.Sprintf("connector %d", i), redis: redis, env: env, addr: freeAddress(t)}
		nodes[i].start()
		d.sockets = append(d.sockets, "http://"+nodes[i].addr)
	}
	d.adminAPI(t, 0).post("/api/admin/namespace/save", map[string]any{"key": d.namespace.name, "auth_passwd": d.namespace.passwd}, 200)
	for i := range d.sockets {
		d.waitNamespace(t, i)
	}

	budget := watchBudget(t, nodes)
	f := newFleet(t, d, clients, 50)
	start := time.Now()
	f.start()
	f.waitReady(2 * time.Minute)
	t.Logf("%d clients connected after %s", clients, time.Since(start).Round(time.Millisecond))
	stop := f.pushing(100)
	for _, n := range nodes {
		time.Sleep(time.Second) // of steady pushing
		start := time.Now()
		n.restart()
		stopped := time.Since(start)
		f.waitReady(time.Minute)
		t.Logf("%s: stopped after %s, all clients back after %s", n.name, stopped.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	}
	time.Sleep(time.Second)
	stop()
	f.settle(eventTimeout)
	budget()
	if n := f.restarts.Load(); n > 0 {
		t.Errorf("%d clients could not continue their sessions", n)
	}
	f.end() // the last connector would drain them all, which alone takes as long as a process may take to end
}

// restartable is a connector on a fixed address.
type restartable struct {
	t     *testing.T
	d     *deployment
	name  string
	redis string
	env   []string
	addr  string

	mu   sync.Mutex
	proc *process // nil while it restarts
}

func (n *restartable) start() {
	n.t.Helper()
	p := startProcess(n.t, n.name, n.env, binary, "connector", "--redis", n.redis, "--listen", n.addr)
	p.waitOutput("its ready line", func(lines []string) bool { return find(lines, readyLine) != nil })
	n.mu.Lock()
	n.proc = p
	n.mu.Unlock()
}

func (n *restartable) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// restart stops the connector as a supervisor does, and checks what a balancer sees meanwhile.
func (n *restartable) restart() {
	n.t.Helper()
	if status, body := probe(n.t, n.addr, "/readyz"); status != 200 || body != `{"status":"ok","reasons":[]}` {
		n.t.Errorf("%s: /readyz %d %s", n.name, status, body)
	}
	p := n.process()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.terminate()
	}()
	// drain_wait leaves a balancer time to notice.
	eventually(n.t, 450*time.Millisecond, n.name+" is not ready any more", func() error {
		status, body := probe(n.t, n.addr, "/readyz")
		if status != 503 || !strings.Contains(body, `"check":"draining"`) {
			return fmt.Errorf("/readyz %d %s", status, body)
		}
		return nil
	})
	if status, body := probe(n.t, n.addr, "/livez"); status != 200 {
		n.t.Errorf("%s: /livez %d %s", n.name, status, body)
	}
	<-ended
	n.mu.Lock()
	n.proc = nil
	n.mu.Unlock()
	n.start()
}

func probe(t testing.TB, addr, path string) (int, string) {
	t.Helper()
	res, err := httpClient.Get("http://" + addr + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(body))
}

// opened is what a connector's counter of sessions said at some time between from and to.
type opened struct {
	from, to time.Time
	sessions float64
}

// watchBudget reads the counters all the time; the returned function judges. Whatever two readings are taken, no more
// sessions were opened between them than the rate allows for the longest time they can be apart, and the burst.
func watchBudget(t *testing.T, nodes []*restartable) (judge func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	lives := map[*process][]opened{}
	go func() {
		defer close(done)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			for _, n := range nodes {
				p := n.process()
				if p == nil {
					continue
				}
				o := opened{from: time.Now()}
				var err error
				if o.sessions, err = tryMetric(p, "lightpush_sessions_opened_total"); err == nil {
					o.to = time.Now()
					lives[p] = append(lives[p], o)
				}
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-done })
	t.Cleanup(end)
	return func() {
		t.Helper()
		end()
		most := 0.0
		for p, seen := range lives {
			for i, a := range seen {
				for _, b := range seen[i+1:] {
					allowed := b.to.Sub(a.from).Seconds()*drainAccept + drainAccept/10
					if n := b.sessions - a.sessions; n > allowed+1 {
						t.Errorf("%s accepted %.0f clients in %s, more than %.0f", p.name, n, b.to.Sub(a.from), allowed)
						return
					}
					if length := b.to.Sub(a.from); length >= time.Second && length < 1200*time.Millisecond {
						most = max(most, (b.sessions-a.sessions)/length.Seconds())
					}
				}
			}
		}
		t.Logf("the busiest second of a connector: %.0f accepted, accept_rate is %d", most, drainAccept)
	}
}

// TestStockClientsComeBack: official clients of all generations are sent away by a draining connector and come back by
// themselves, on another one, whatever their transport.
func TestStockClientsComeBack(t *testing.T) {
	d := startRoles(t, 2, 1)
	drv := startNode(t)
	front := startBalancer(t, d.host(0), d.host(1))
	var clients []string
	for _, lib := range []string{"v2", "v3", "v4"} {
		for _, m := range modes {
			c := lib + "-" + m.name
			drv.open(t, openCommand{C: c, Lib: lib, URL: front.url(), Namespace: d.namespace.name, Opts: map[string]any{
				"transports": m.transports, "reconnection": true, "reconnectionDelay": 100, "reconnectionDelayMax": 300,
				"query": map[string]any{"uuid": c, "userid": c},
			}})
			drv.connected(t, c, identity{c, c, "web"}.clientID(d.namespace.name))
			clients = append(clients, c)
		}
	}
	d.connectorProcess(0).terminate()
	for _, c := range clients {
		if got := drv.takeKind(t, c, "disconnect"); got.Reason != "transport close" {
			t.Errorf("client %s: disconnect %q, want \"transport close\"", c, got.Reason)
		}
		drv.take(t, c, "the second connect", func(r report) bool { return r.Ev == "connect" })
		msg := d.api(t, 0).push("user_"+c, pushBody("back "+c))
		drv.take(t, c, "push", func(r report) bool { return r.Name == "push" && markerOf(r) == "back "+c })
		if msg <= 0 {
			t.Errorf("id %d", msg)
		}
	}
}

// TestAcceptRate: beyond the rate a handshake is answered 503 with Retry-After on both transports; sessions go on.
func TestAcceptRate(t *testing.T) {
	d := startRoles(t, 1, 1, withMetrics, "LIGHTPUSH_ACCEPT_RATE=5")
	handshake := func() (status int, sid string) {
		res, err := httpClient.Get(d.sockets[0] + "/socket.io/?EIO=4&transport=polling")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		switch res.StatusCode {
		case 200:
			var open struct{ SID string }
			if err := json.Unmarshal(body[1:], &open); err != nil {
				t.Fatal(err)
			}
			return 200, open.SID
		case 503:
			if wait, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || wait < 1 {
				t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
			}
		default:
			t.Errorf("%d %s", res.StatusCode, body)
		}
		return res.StatusCode, ""
	}
	var sid string
	eventually(t, eventTimeout, "a handshake is accepted", func() error {
		status, id := handshake()
		if sid = id; status != 200 {
			return fmt.Errorf("%d", status)
		}
		return nil
	})
	refused := 0
	start := time.Now()
	for range 30 {
		if status, _ := handshake(); status == 503 {
			refused++
		}
	}
	if least := 30 - 1 - int(5*time.Since(start).Seconds()) - 1; refused < least {
		t.Errorf("%d of 30 refused in %s, want %d", refused, time.Since(start), least)
	}
	if status, body := d.post(t, 0, sid, "40/nowhere,"); status != 200 {
		t.Errorf("a session: %d %s", status, body)
	}
	eventually(t, eventTimeout, "a WebSocket is refused", func() error {
		handshake() // takes what there is
		ctx, cancel := context.WithTimeout(context.Background(), eventTimeout)
		defer cancel()
		s, err := wsclient.DialSocket(ctx, d.host(0), "/socket.io/?EIO=4&transport=websocket", nil)
		if err == nil {
			_ = s.Close()
			return errors.New("accepted")
		}
		if !strings.Contains(err.Error(), "answered 503") {
			return err
		}
		return nil
	})
	if n := metric(t, d.connectorProcess(0), `lightpush_handshakes_refused_total{reason="rate"`); int(n) < refused {
		t.Errorf("%.0f counted of %d", n, refused)
	}
}
