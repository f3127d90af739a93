//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

const (
	burstRuns    = 3
	burstPushes  = 40
	burstTimeout = 2 * time.Minute  // per step, for a server with the race detector on two cores
	pingEvery    = 10 * time.Second // Engine.IO 3 clients announce themselves; the server allows 30 s of silence
)

// TestBurst: thousands of clients connect in the same moment, three times on one server, half of them with
// Engine.IO 4 and half with 3, and each emits joinRoom at once after the CONNECT answer. None may fail or hang, each
// must be acknowledged, and each must get all the pushes that follow, in order.
func TestBurst(t *testing.T) {
	clients := 5000
	if set := os.Getenv("E2E_BURST"); set != "" {
		n, err := strconv.Atoi(set)
		if err != nil {
			t.Fatal(err)
		}
		clients = n
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < uint64(clients)+500 {
		t.Fatalf("%d clients need as many file descriptors here; the limit is %d (%v)", clients, limit.Max, err)
	}
	forEachDeployment(t, func(t *testing.T, d *deployment) {
		for run := range burstRuns {
			t.Run(fmt.Sprintf("run %d", run+1), func(t *testing.T) { burst(t, d, run, clients) })
		}
	})
}

func burst(t *testing.T, d *deployment, run, clients int) {
	room := fmt.Sprintf("burst-%d", run)
	b := &burstGroup{size: clients, deadline: time.Now().Add(burstTimeout), joined: make(chan error, clients), served: make(chan error, clients)}
	defer b.closeAll()
	stopPings := b.keepAlive()
	defer stopPings()

	start := time.Now()
	gate := make(chan struct{})
	for i := range clients {
		cfg := wsclient.Config{
			Addr: d.host(0), EIO: 3 + i%2, Namespace: d.namespace.name,
			Query:   url.Values{"uuid": {fmt.Sprintf("b%d-%d", run, i)}, "userid": {fmt.Sprintf("u%d", i)}, "platform": {"web"}},
			LocalIP: net.IPv4(127, 0, 1, byte(run+1)), // each run its own source address: closed ports stay busy for a minute
		}
		go func() {
			<-gate
			b.client(cfg, room)
		}()
	}
	close(gate)
	b.collect(t, "join", b.joined)
	t.Logf("%d handshakes with joinRoom acknowledged in %s", clients, time.Since(start).Round(time.Millisecond))

	api := d.api(t, 0)
	start = time.Now()
	b.extend(time.Now().Add(burstTimeout))
	var last int64
	for n := range burstPushes {
		last = api.push(room, map[string]any{"n": n})
	}
	b.collect(t, "delivery", b.served)
	t.Logf("%d deliveries in %s", clients*burstPushes, time.Since(start).Round(time.Millisecond))
	eventually(t, eventTimeout, "receipt of the last push", func() error {
		r, err := api.receipt(last)
		if err == nil && r.OnlineClientCount != strconv.Itoa(clients) {
			err = errors.New(r.String())
		}
		return err
	})

	b.closeAll()
	api.waitOnline(room, 0, burstTimeout)
}

// burstGroup is the clients of one run.
type burstGroup struct {
	size           int
	joined, served chan error // one message per client and step

	mu       sync.Mutex
	deadline time.Time // of every wait of every client
	conns    []*wsclient.Conn
	closed   bool
}

// client lives through one connection: connect, join, receive everything.
func (b *burstGroup) client(cfg wsclient.Config, room string) {
	ctx, cancel := context.WithDeadline(context.Background(), b.currentDeadline())
	defer cancel()
	conn, err := wsclient.Dial(ctx, cfg)
	if err != nil {
		b.joined <- fmt.Errorf("%s, Engine.IO %d: %w", cfg.Query.Get("uuid"), cfg.EIO, err)
		return
	}
	if !b.add(conn) {
		return
	}
	const ackID = 7
	if err = conn.Emit(ackID, "joinRoom", []string{room}); err == nil {
		err = untilReady(conn, ackID)
	}
	if err != nil {
		err = fmt.Errorf("%s, Engine.IO %d: %w", cfg.Query.Get("uuid"), cfg.EIO, err)
	}
	b.joined <- err
	if err != nil {
		return
	}
	if err = inOrder(conn); err != nil {
		err = fmt.Errorf("%s, Engine.IO %d: %w", cfg.Query.Get("uuid"), cfg.EIO, err)
	}
	b.served <- err
	if err == nil {
		_, _ = conn.Next() // stay, and answer pings, until the run closes the connection
	}
}

// untilReady reads until both ok and the acknowledgement have come.
func untilReady(conn *wsclient.Conn, ackID int) error {
	for ok, acked := false, false; !ok || !acked; {
		p, err := conn.Next()
		if err != nil {
			return fmt.Errorf("ok %v, joinRoom acknowledged %v, then: %w", ok, acked, err)
		}
		switch {
		case p.Type == wsclient.Ack && p.ID == ackID:
			var answer struct {
				Status int
				Msg    string
			}
			if err := p.Arg(0, &answer); err != nil || answer.Status != 200 || answer.Msg != "ok" || acked {
				return fmt.Errorf("joinRoom answered %s (before: %v)", p.Data, acked)
			}
			acked = true
		case p.Name() == "ok" && !ok:
			ok = true
		case p.Namespace != conn.Namespace: // Engine.IO 3: the main namespace
		default:
			return fmt.Errorf("unexpected packet %c %s", p.Type, p.Data)
		}
	}
	return nil
}

// inOrder reads the pushes of the run: each once, in the order they were accepted.
func inOrder(conn *wsclient.Conn) error {
	for n := 0; n < burstPushes; {
		p, err := conn.Next()
		if err != nil {
			return fmt.Errorf("after %d of %d pushes: %w", n, burstPushes, err)
		}
		if p.Name() != "push" {
			return fmt.Errorf("unexpected packet %c %s", p.Type, p.Data)
		}
		var event struct{ PushData struct{ N int } }
		if err := p.Arg(0, &event); err != nil {
			return err
		}
		if event.PushData.N != n {
			return fmt.Errorf("push %d came in place of %d", event.PushData.N, n)
		}
		n++
	}
	return nil
}

// collect waits for one message per client.
func (b *burstGroup) collect(t *testing.T, step string, from <-chan error) {
	t.Helper()
	failed := 0
	timeout := time.After(time.Until(b.currentDeadline()) + 5*time.Second) // the clients' own deadline reports better
	for got := range b.size {
		select {
		case err := <-from:
			if err != nil {
				if failed++; failed <= 5 {
					t.Errorf("%s: %v", step, err)
				}
			}
		case <-timeout:
			t.Fatalf("%s: %d of %d clients hang", step, b.size-got, b.size)
		}
	}
	if failed > 0 {
		t.Fatalf("%s: %d of %d clients failed", step, failed, b.size)
	}
}

func (b *burstGroup) currentDeadline() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deadline
}

// add takes a connection into the group, or closes it when the group has ended.
func (b *burstGroup) add(conn *wsclient.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		_ = conn.Close()
		return false
	}
	_ = conn.SetDeadline(b.deadline)
	b.conns = append(b.conns, conn)
	return true
}

// extend moves the deadline of every client.
func (b *burstGroup) extend(deadline time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadline = deadline
	for _, conn := range b.conns {
		_ = conn.SetDeadline(deadline)
	}
}

// keepAlive sends the pings of the Engine.IO 3 clients until the returned function is called.
func (b *burstGroup) keepAlive() (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(pingEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				for _, conn := range b.snapshot() {
					if conn.EIO == 3 {
						_ = conn.Ping()
					}
				}
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-ended }
}

func (b *burstGroup) snapshot() []*wsclient.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*wsclient.Conn(nil), b.conns...)
}

func (b *burstGroup) closeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, conn := range b.conns {
		_ = conn.Close()
	}
	b.conns = nil
}
