package load

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/test/bench/app"
)

// startClient runs a Client until the end of the test.
func startClient(t *testing.T) *Client {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := c.Do(context.Background(), Command{Op: OpStats}); !errors.Is(err, ErrEnded) {
			t.Errorf("a command after the end: %v", err)
		}
	})
	return c
}

func (c *Client) must(t *testing.T, command Command) Reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	reply, err := c.Do(ctx, command)
	if err != nil {
		t.Fatalf("%s: %v", command.Op, err)
	}
	return reply
}

// startServer serves the application, as cmd/engine does, and returns its
// address.
func startServer(t *testing.T, change ...func(*socketio.Options)) (addr string, ns *socketio.Namespace, acks chan int64) {
	t.Helper()
	options := socketio.Options{Engine: engineio.Options{PingInterval: 50 * time.Millisecond}}
	for _, f := range change {
		f(&options)
	}
	server, err := socketio.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	server.Of("/")
	ns = server.Of(app.Namespace)
	acks = make(chan int64, 1000)
	ns.OnConnect(func(s *socketio.Socket) {
		_ = s.Join(app.UserRoom(s.Handshake().Query.Get("userid")))
		_ = s.Emit("ok", nil)
	})
	ns.On("joinRoom", func(s *socketio.Socket, e *socketio.Event) {
		_ = s.Join("all")
		_ = e.Ack(app.OK)
	})
	ns.On("leaveRoom", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack(app.OK) })
	ns.On("n", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack(app.OK) })
	ns.On("ackPush", func(_ *socketio.Socket, e *socketio.Event) {
		var arg struct{ ID int64 }
		if e.Args.Decode(0, &arg) == nil {
			acks <- arg.ID
		}
	})
	h := httptest.NewServer(server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		h.Close()
	})
	return strings.TrimPrefix(h.URL, "http://"), ns, acks
}

const clients = 60

func TestAgainstTheEngine(t *testing.T) {
	addr, ns, acks := startServer(t)
	c := startClient(t)
	r := c.must(t, Command{Op: OpConnect, Group: "g", Addr: addr, Namespace: app.Namespace, Count: clients, Window: 7})
	if r.Completed != clients || r.Failed() != 0 || r.Open != clients || r.Connect.Count != clients {
		t.Fatalf("connect: %+v", r)
	}
	if r := c.must(t, Command{Op: OpJoin, Group: "g", Room: "all"}); r.Completed != clients || r.Never != 0 {
		t.Fatalf("join: %+v", r)
	}

	const messages = 5
	c.must(t, Command{Op: OpExpect, Group: "g", Messages: messages})
	for i := range messages {
		m := app.Message{ID: int64(i + 1), PushData: app.NewData(i, 10)}
		if n, err := ns.To("all").Emit("push", m); n != clients || err != nil {
			t.Fatal(n, err)
		}
		r = c.must(t, Command{Op: OpWait, Group: "g", Total: clients * (i + 1)})
	}
	if r.Received != clients*messages || r.InPlace != r.Received || r.Misordered != 0 || r.Latency.Count != uint64(r.Received) {
		t.Errorf("wait: %+v", r)
	}
	if r.Latency.Max <= 0 || r.Seconds <= 0 || r.Frames < r.Received || r.Bytes == 0 || r.Reads == 0 {
		t.Errorf("figures: %+v", r)
	}

	// Messages that are lost, doubled or out of order show.
	c.must(t, Command{Op: OpExpect, Group: "g", Total: 4})
	for _, m := range []struct{ id, n int }{{11, 0}, {13, 2}, {12, 1}} {
		if _, err := ns.To(app.UserRoom("3")).Emit("push", app.Message{ID: int64(m.id), PushData: app.NewData(m.n, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	r = c.must(t, Command{Op: OpWait, Group: "g", Stall: 300 * time.Millisecond}) // heartbeats come meanwhile
	if r.Expected != 4 || r.Received != 3 || r.Misordered != 1 || r.InPlace != 1 {
		t.Errorf("disorder: %+v", r)
	}

	if r := c.must(t, Command{Op: OpAck, Group: "g", IDs: []int64{7, 8, 9}}); r.Expected != 3*clients {
		t.Errorf("ack: %+v", r)
	}
	sum := int64(0)
	for range 3 * clients {
		select {
		case id := <-acks:
			sum += id
		case <-time.After(10 * time.Second):
			t.Fatal("acks are missing")
		}
	}
	if sum != (7+8+9)*clients {
		t.Errorf("sum of the ids %d", sum)
	}
	for _, event := range []string{"n", "rooms"} {
		if r := c.must(t, Command{Op: OpEvents, Group: "g", Count: 500, Event: event}); r.Received != 500 || r.InPlace != 500 {
			t.Errorf("events %s: %+v", event, r)
		}
	}

	c.must(t, Command{Op: OpClose, Group: "g", Count: 10, Reset: true})
	waitLen(t, ns, clients-10)
	if r := c.must(t, Command{Op: OpStats, Group: "g"}); r.Open != clients-10 || r.Dropped != 0 {
		t.Errorf("stats: %+v", r)
	}
	ns.To(app.UserRoom("0")).Disconnect(true)
	waitLen(t, ns, clients-11)
	c.must(t, Command{Op: OpExpect, Group: "g", Total: 1})
	if r := c.must(t, Command{Op: OpWait, Group: "g", Stall: 100 * time.Millisecond}); r.Open != clients-11 || r.Dropped != 1 {
		t.Errorf("after a disconnect: %+v", r)
	}
	c.must(t, Command{Op: OpClose, Group: "g"})
	waitLen(t, ns, 0)
	if _, err := c.Do(context.Background(), Command{Op: OpClose, Group: "g"}); err == nil {
		t.Error("the group is still there")
	}
}

func waitLen(t *testing.T, ns *socketio.Namespace, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ns.Len() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d clients at the server, want %d", ns.Len(), n)
		}
	}
}

// Every way in which a handshake can fail has its own count.
func TestFailures(t *testing.T) {
	const upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
	text := func(s string) string { return string([]byte{0x81, byte(len(s))}) + s }
	tests := []struct {
		name                   string
		answer                 string // to the request
		hangUp                 bool
		refused, broken, never int
		reason                 string
	}{
		{name: "no answer", never: 3},
		{name: "heartbeats only", answer: upgraded + text(`0{"sid":"x"}`) + strings.Repeat(text("2")+text("3"), 50), never: 3},
		{name: "half a handshake", answer: upgraded + text(`0{"sid":"x"}`) + text(`40/bench,{"sid":"y"}`), never: 3},
		{name: "ok without CONNECT", answer: upgraded + text(`42/bench,["ok",1]`), never: 3},
		{name: "another status", answer: "HTTP/1.1 503 Service Unavailable\r\n\r\n", refused: 3, reason: "503"},
		{name: "CONNECT_ERROR", answer: upgraded + text(`44/bench,{"message":"no"}`), refused: 3, reason: `"no"`},
		{name: "hang-up", hangUp: true, broken: 3, reason: "closed by the server"},
		{name: "close frame", answer: upgraded + "\x88\x00", broken: 3, reason: "close frame"},
		{name: "no WebSocket", answer: upgraded + "hello", broken: 3, reason: "frame"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := startScripted(t, tt.answer, tt.hangUp)
			r := startClient(t).must(t, Command{
				Op: OpConnect, Group: "g", Addr: addr, Namespace: app.Namespace, Count: 3, Stall: 200 * time.Millisecond,
			})
			if r.Completed != 0 || r.Refused != tt.refused || r.Broken != tt.broken || r.Never != tt.never || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// startScripted answers every request with the same bytes.
func startScripted(t *testing.T, answer string, hangUp bool) string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, conn)
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				t.Error(err)
			}
			_, _ = conn.Write([]byte(answer))
			if hangUp {
				conn.Close()
			}
		}
		for _, conn := range conns {
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().String()
}

func TestRefusedConnections(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c := startClient(t)
	if r := c.must(t, Command{Op: OpConnect, Group: "g", Addr: addr, Namespace: "/x", Count: 2}); r.Broken != 2 || !strings.Contains(r.Reason, "refused") {
		t.Errorf("%+v", r)
	}
	for i, bad := range []Command{
		{Op: OpConnect, Group: "h", Addr: "nowhere", Namespace: "/x"},
		{Op: OpConnect, Group: "h", Addr: "[::1]:80", Namespace: "/x"},
		{Op: OpConnect, Group: "h", Addr: addr},
		{Op: OpEvents, Group: "g"},
		{Op: OpWait, Group: "none"},
		{Op: "nothing", Group: "g"},
	} {
		if _, err := c.Do(context.Background(), bad); err == nil {
			t.Errorf("command %d passed", i)
		}
	}
}

// A message may come in pieces of any size, with others, and after a pause.
func TestPieces(t *testing.T) {
	stream := "HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n"
	for _, s := range []string{`0{"sid":"x"}`, "40", `40/bench,{"sid":"y"}`, `42/bench,["ok",{}]`} {
		stream += string([]byte{0x81, byte(len(s))}) + s
	}
	for i := range 20 {
		s := `42/bench,["push",{"id":` + strconv.Itoa(i+1) + `,"pushData":{"n":` + strconv.Itoa(i) + `,"t":1,"pad":"` + strings.Repeat("x", 7*i) + `"}}]`
		head := []byte{0x81, byte(len(s))}
		if len(s) > 125 {
			head = []byte{0x81, 126, byte(len(s) >> 8), byte(len(s))}
		}
		stream += string(head) + s
	}
	for _, size := range []int{1, 2, 3, 7, 64, 1000, len(stream)} {
		g := &group{}
		c := &conn{client: &Client{}, group: g, phase: upgrading, fd: -1}
		c.client.connectFrame = nil
		for rest := []byte(stream); len(rest) > 0; {
			n := min(size, len(rest))
			piece := append([]byte(nil), rest[:n]...)
			c.consume(piece, time.Second)
			clear(piece) // the buffer is used again
			rest = rest[n:]
		}
		if c.phase != ready || g.received != 20 || g.inPlace != 20 || g.misordered != 0 || g.completed != 1 || len(c.in) != 0 {
			t.Errorf("pieces of %d: phase %d, %+v", size, c.phase, g.counters)
		}
	}
}
