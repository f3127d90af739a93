//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// balancer passes TCP connections on to the first of its targets that takes them, as a load balancer does that checks
// for health. Without targets it refuses.
type balancer struct {
	listener net.Listener
	targets  atomic.Pointer[[]string] // host:port

	mu    sync.Mutex
	conns []net.Conn
}

func startBalancer(t testing.TB, targets ...string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: l}
	b.targets.Store(&targets)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { b.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		b.mu.Lock()
		for _, c := range b.conns {
			_ = c.Close()
		}
		b.mu.Unlock()
		wg.Wait()
	})
	return b
}

func (b *balancer) url() string { return "http://" + b.listener.Addr().String() }

func (b *balancer) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	for _, target := range *b.targets.Load() {
		server, err := net.DialTimeout("tcp", target, time.Second)
		if err != nil {
			continue
		}
		b.mu.Lock()
		b.conns = append(b.conns, client, server)
		b.mu.Unlock()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(server, client)
			_ = server.Close()
		}()
		_, _ = io.Copy(client, server)
		_ = client.Close()
		<-done
		return
	}
}

// wantMarkers takes pushes and wants their markers to count from first to last, without a gap and without a repeat.
func wantMarkers(t *testing.T, drv *driver, c string, first, last int) {
	t.Helper()
	for want := first; want <= last; want++ {
		if got := markerOf(drv.takeEvent(t, c, "push")); got != strconv.Itoa(want) {
			t.Fatalf("client %s got push %s in place of %d", c, got, want)
		}
	}
}

// TestRecoveryAfterKill: a connector is killed while messages are pushed; its clients come back to the other one by
// themselves, as the same sockets, and see every message once and in order.
func TestRecoveryAfterKill(t *testing.T) {
	d := startRoles(t, 2, 1)
	drv := startNode(t)
	front := startBalancer(t, d.host(0), d.host(1))
	const messages, killAt = 400, 150
	clients := map[string]mode{"ws": modes[0], "polling": modes[1], "upgrade": modes[2]}
	for c, m := range clients {
		drv.open(t, openCommand{C: c, Lib: "v4", URL: front.url(), Namespace: d.namespace.name, PushAck: "native",
			Opts: map[string]any{
				"transports": m.transports, "reconnection": true, "reconnectionDelay": 300, "reconnectionDelayMax": 600,
				"auth": map[string]any{"uuid": c, "userid": c},
			}})
	}
	for c := range clients {
		drv.connected(t, c, identity{c, c, "web"}.clientID(d.namespace.name))
		drv.emit(t, c, emission{Event: "joinRoom", Args: []any{[]string{"news"}}, Ack: "join"})
		drv.wantOK(t, c, "join")
	}
	api := d.api(t, 0)
	var last int64
	for i := range messages {
		if i == killAt {
			d.connectorProcess(0).kill()
		}
		last = api.push("news", map[string]string{"marker": strconv.Itoa(i)})
	}
	for c := range clients {
		drv.takeKind(t, c, "disconnect")
		if again := drv.takeKind(t, c, "connect"); !again.Recovered {
			t.Errorf("client %s came back, but not recovered: %v", c, again)
		}
		wantMarkers(t, drv, c, 0, messages-1)
	}
	// The restored rooms go on: the user's own and the one it had joined; and nothing came twice.
	for c := range clients {
		api.push(identity{userid: c}.userRoom(), map[string]string{"marker": fmt.Sprint(messages)})
		wantMarkers(t, drv, c, messages, messages)
		for _, r := range drv.seen(c) {
			if r.Ev == "event" && r.Name == "push" {
				t.Errorf("client %s got %v on top", c, r)
			}
		}
	}
	// Native acks count for replayed and for live messages.
	api.waitReceipt(last, len(clients), len(clients), 0)
	api.waitOnline("news", len(clients), 30*time.Second)
}

// TestRecoveryOfOneProcess: the single process is killed and started again on its data; its client gets what was pushed
// before it was back.
func TestRecoveryOfOneProcess(t *testing.T) {
	dir := t.TempDir()
	a := startAllInOne(t, dir)
	drv := startNode(t)
	front := startBalancer(t, a.host(0))
	drv.open(t, openCommand{C: "c", Lib: "v4", URL: front.url(), Namespace: a.namespace.name, Opts: map[string]any{
		"reconnection": true, "reconnectionDelay": 200, "reconnectionDelayMax": 400, "auth": map[string]any{"uuid": "c"},
	}})
	drv.connected(t, "c", identity{"c", "c", "web"}.clientID(a.namespace.name))
	a.api(t, 0).push("user_c", map[string]string{"marker": "0"})
	wantMarkers(t, drv, "c", 0, 0)

	front.targets.Store(&[]string{})
	a.proc.kill()
	drv.takeKind(t, "c", "disconnect")
	b := restartAllInOne(t, dir, a.deployment)
	for i := 1; i <= 20; i++ {
		b.api(t, 0).push("user_c", map[string]string{"marker": strconv.Itoa(i)})
	}
	front.targets.Store(&[]string{b.host(0)})
	if again := drv.takeKind(t, "c", "connect"); !again.Recovered {
		t.Errorf("not recovered: %v", again)
	}
	wantMarkers(t, drv, "c", 1, 20)
	b.api(t, 0).push("user_c", map[string]string{"marker": "21"})
	wantMarkers(t, drv, "c", 21, 21)
}
