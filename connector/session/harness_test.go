package session

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/leaktest"
	"github.com/lightpush/lightpush/internal/name"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/internal/store"
)

// callbackTimeout is long enough for what tests do during a callback on a busy machine.
const callbackTimeout = time.Second

// TestMain fails the run when a goroutine of the project is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.RunOf(m, "lightpush/lightpush/")) }

// cluster is a store that several nodes share.
type cluster struct {
	t     *testing.T
	redis *miniredis.Miniredis
	// recovery is switched on by newRecoveryCluster, whose clock the test
	// moves.
	recovery bool
	people   int64 // room members up to which joins are announced; 0: never
	ahead    atomic.Int64
}

func (c *cluster) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func newCluster(t *testing.T) *cluster {
	return &cluster{t: t, redis: miniredis.RunT(t)}
}

// testNode is one connector with everything it needs.
type testNode struct {
	t          *testing.T
	id         string
	hub        *Hub
	reader     *bus.Reader
	store      *store.Store
	namespaces *namespace.Registry
	committer  *push.Committer
	receipts   *push.Receipts
	server     *socketio.Server
	http       *httptest.Server
}

func (c *cluster) node(id string, change func(*Options)) *testNode {
	t := c.t
	ctx := context.Background()
	// Not by miniredis' in-memory pipe: that one has no buffer, and a long
	// pipeline of commands blocks on it for ever.
	options := store.Options{Addresses: []string{c.redis.Addr()}, Now: c.now, PeopleMax: c.people}
	if c.recovery {
		options.RecoveryWindow, options.RecoveryLag = recoveryWindow, time.Minute
	}
	st, err := store.Open(ctx, options)
	must(t, err)
	registry := namespace.NewRegistry(st, time.Hour, nil)
	must(t, registry.Start(ctx))
	committer := push.NewCommitter(st, push.CommitterOptions{})
	receipts := push.NewReceipts(st, push.ReceiptsOptions{Interval: time.Millisecond})
	callbacks := callback.NewCaller(callback.Options{Timeout: callbackTimeout})
	sender := callback.NewSender(registry, callback.Options{Timeout: callbackTimeout})
	farewells := queue.NewWorker(st.Queues(), queue.Options{
		Queue: queue.Callback, ID: id, Idle: 20 * time.Millisecond, Handle: sender.Handle,
		Backoff: func(int) time.Duration { return 50 * time.Millisecond },
	})
	farewells.Start()
	var recovery *socketio.Recovery
	if c.recovery {
		recovery = &socketio.Recovery{ByApplication: true}
	}
	server, err := socketio.NewServer(socketio.Options{
		Engine: engineio.Options{KeepHeaders: []string{"Cookie"}}, IgnoreRoot: true, Recovery: recovery,
		OnPanic: func(r any, stack []byte) { t.Errorf("panic: %v\n%s", r, stack) },
	})
	must(t, err)
	o := Options{
		Node: id, System: "host", Port: 21314,
		Namespaces: registry, Presence: st, Clients: st, Nodes: st.Sender(),
		Push: push.NewService(committer, nil), Receipts: receipts, Callbacks: callbacks,
		Names: name.DefaultRules(),
		Rules: push.Rules{Names: name.DefaultRules(), Expire: 1, ExpireMax: 10, APSDataSize: 4000},
		Limits: Limits{
			RoomsPerClient: 5, RoomsPerRequest: 10, PushInterval: time.Hour,
		},
		Logger:   zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel),
		ClientIP: func(string, []string) netip.Addr { return netip.MustParseAddr("192.0.2.9") },
	}
	if c.recovery {
		o.Recovery = st
	}
	if change != nil {
		change(&o)
	}
	n := &testNode{
		t: t, id: id, store: st, namespaces: registry, committer: committer, receipts: receipts,
		server: server, hub: NewHub(server, o),
	}
	registry.OnChange(n.hub.NamespacesChanged)
	reader := bus.NewReader(st.Dedicated(), n.hub, bus.ReaderOptions{Prefix: st.Prefix(), Node: id})
	must(t, reader.Start(ctx))
	n.reader = reader
	n.http = httptest.NewServer(server)
	t.Cleanup(func() {
		stop, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		must(t, server.Shutdown(stop))
		n.http.Close()
		reader.Close()
		n.hub.Close()
		if left := n.hub.Devices(); left > 0 {
			t.Errorf("%d devices after the shutdown", left)
		}
		receipts.Close()
		callbacks.Close()
		farewells.Close(stop)
		sender.Close()
		committer.Close()
		registry.Close()
		must(t, st.Close())
	})
	return n
}

// namespace makes or changes a namespace. Nobody logs in here, so the costly
// hashing of a password is left out.
func (n *testNode) namespace(key string, change func(*namespace.Patch)) {
	n.t.Helper()
	patch := namespace.Patch{Key: key}
	if change != nil {
		change(&patch)
	}
	ctx := context.Background()
	_, err := n.store.UpdateNamespace(ctx, key, func(old *namespace.Namespace) (*namespace.Namespace, error) {
		if old == nil {
			old = &namespace.Namespace{Key: key, PasswdHash: "none"}
		}
		return patch.Apply(old, time.Now().UnixMilli())
	})
	must(n.t, err)
	must(n.t, n.namespaces.Reload(ctx))
}

// push sends a message and returns its id.
func (n *testNode) push(room, data string) int64 {
	n.t.Helper()
	ns, _ := n.namespaces.Get("/demo")
	id, err := push.NewService(n.committer, nil).Push(context.Background(), ns,
		push.Request{Room: room, PushData: json.RawMessage(data), ExpireHours: 1})
	must(n.t, err)
	return id
}

func (n *testNode) record(id int64) map[string]string {
	n.t.Helper()
	records, err := n.store.Records(context.Background(), []int64{id})
	must(n.t, err)
	return records[0]
}

// eventually polls for a condition that other goroutines bring about.
func (n *testNode) eventually(what string, ok func() bool) {
	n.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			n.t.Fatalf("not in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// wsClient is a raw WebSocket client: it sees every frame.
type wsClient struct {
	t    *testing.T
	conn net.Conn
	rw   *wsutil.Reader
}

// dial opens a WebSocket with Engine.IO 3 or 4 and reads the open packet.
func (n *testNode) dial(eio int, query string) *wsClient {
	n.t.Helper()
	u := fmt.Sprintf("%s/socket.io/?EIO=%d&transport=websocket", strings.Replace(n.http.URL, "http", "ws", 1), eio)
	if query != "" {
		u += "&" + query
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, br, _, err := ws.Dialer{Header: ws.HandshakeHeaderString("Cookie: a=b\r\n")}.Dial(ctx, u)
	must(n.t, err)
	c := &wsClient{t: n.t, conn: conn}
	if br != nil {
		c.rw = wsutil.NewReader(br, ws.StateClientSide)
	} else {
		c.rw = wsutil.NewReader(conn, ws.StateClientSide)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	if open := c.read(); !strings.HasPrefix(open, "0{") {
		n.t.Fatalf("open packet: %q", open)
	}
	if eio == 3 {
		c.expect("40")
	}
	return c
}

func (c *wsClient) send(frames ...string) {
	c.t.Helper()
	for _, f := range frames {
		must(c.t, wsutil.WriteClientText(c.conn, []byte(f)))
	}
}

// read returns the next text frame, "closed" when the connection is closed.
func (c *wsClient) read() string {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	h, err := c.rw.NextFrame()
	if err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			c.t.Fatal("no frame within 10 s")
		}
		return "closed"
	}
	data := make([]byte, h.Length)
	for got := 0; got < len(data); {
		m, err := c.rw.Read(data[got:])
		got += m
		if err != nil && got < len(data) {
			return "closed"
		}
	}
	if h.OpCode == ws.OpClose {
		return "closed"
	}
	return string(data)
}

func (c *wsClient) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.read(); got != w {
			c.t.Fatalf("frame %q, want %q", got, w)
		}
	}
}

// join connects to /demo and reads up to ok.
func (n *testNode) join(eio int, values string) *wsClient {
	n.t.Helper()
	c := n.dial(eio, values)
	c.send("40/demo,")
	if got := c.read(); !strings.HasPrefix(got, "40/demo,") {
		n.t.Fatalf("CONNECT answered by %q", got)
	}
	if got := c.read(); !strings.HasPrefix(got, `42/demo,["ok",`) {
		n.t.Fatalf("ok: %q", got)
	}
	return c
}

// payload is the argument of the event in a frame; the ack id is returned
// too.
func payload(t *testing.T, frame, event string) (ackID string, data map[string]any) {
	t.Helper()
	rest, ok := strings.CutPrefix(frame, "42/demo,")
	ackID, list, _ := strings.Cut(rest, "[")
	var args []json.RawMessage
	if !ok || json.Unmarshal([]byte("["+list), &args) != nil || len(args) != 2 || string(args[0]) != `"`+event+`"` {
		t.Fatalf("frame %q is no %s event", frame, event)
	}
	must(t, json.Unmarshal(args[1], &data))
	return ackID, data
}

func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
