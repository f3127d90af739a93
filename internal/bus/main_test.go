package bus

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/leaktest"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/internal/store/redistest"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // refused connections are part of the tests
	os.Exit(leaktest.Run(m))
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// onEach runs test against every kind of Redis there is.
func onEach(t *testing.T, test func(t *testing.T, address string)) {
	t.Run("embedded", func(t *testing.T) { test(t, miniredis.RunT(t).Addr()) })
	t.Run("redis", func(t *testing.T) { test(t, realServer(t)) })
}

// realServer starts a server for the test, or skips it when there is none.
func realServer(t *testing.T) string {
	r, err := redistest.StartServer()
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(r.Stop)
	return r.Addresses[0]
}

// onEachAndCluster adds a real cluster when LIGHTPUSH_RING is redis.
func onEachAndCluster(t *testing.T, test func(t *testing.T, address string)) {
	onEach(t, test)
	if os.Getenv("LIGHTPUSH_RING") != "redis" {
		return
	}
	t.Run("cluster", func(t *testing.T) {
		r, err := redistest.StartCluster()
		if errors.Is(err, redistest.ErrMissing) {
			t.Skip(err)
		}
		check(t, err)
		t.Cleanup(r.Stop)
		test(t, strings.Join(r.Addresses, ","))
	})
}

// connect returns a client of a server, or of a cluster with several
// addresses.
func connect(t *testing.T, address string) redis.UniversalClient {
	c := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: strings.Split(address, ","), Protocol: 2, ContextTimeoutEnabled: true, DialerRetries: 1, MaxRetries: 1,
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// recorder is a Handler that keeps everything.
type recorder struct {
	mu    sync.Mutex
	ids   []int64
	kicks []client.Kick
	order []any         // transfers, events and direct messages
	gate  chan struct{} // when set, every delivery waits for it
}

// Flush is counted by nobody: what Deliver has recorded is there at once.
func (r *recorder) Flush() {}

func (r *recorder) Deliver(d push.Delivery) {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids = append(r.ids, d.MessageID)
}

func (r *recorder) Kick(k client.Kick) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kicks = append(r.kicks, k)
}

func (r *recorder) Transfer(t room.Transfer) { r.take(t) }
func (r *recorder) Event(e room.Event)       { r.take(e) }
func (r *recorder) Direct(d push.Direct)     { r.take(d) }

func (r *recorder) take(v any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order = append(r.order, v)
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

func (r *recorder) inOrder(t *testing.T, first, n int64) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if int64(len(r.ids)) != n {
		t.Fatalf("%d deliveries, want %d", len(r.ids), n)
	}
	for i, id := range r.ids {
		if id != first+int64(i) {
			t.Fatalf("delivery %d is message %d", i, id)
		}
	}
}

func send(t *testing.T, c redis.UniversalClient, node string, id int64) {
	t.Helper()
	d := push.Delivery{MessageID: id, Namespace: "/a", Room: "r", Payload: []byte(`{}`)}
	check(t, c.Do(context.Background(), DeliveryCommand(StreamKey("", node), 100_000, EncodeDelivery(&d))...).Err())
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("in vain: %s", what)
}

// proxy forwards connections and can cut them all.
type proxy struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	cuts  int
}

func newProxy(t *testing.T, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	p := &proxy{listener: l, target: target, conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = struct{}{}, struct{}{}
		p.mu.Unlock()
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			p.wg.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_, _ = pair[0].Close(), pair[1].Close()
				p.mu.Lock()
				delete(p.conns, pair[1])
				p.mu.Unlock()
			})
		}
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.cuts++
}
