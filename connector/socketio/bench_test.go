package socketio

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/internal/enginetest"
)

// benchServer is a server for clients without a network.
func benchServer(b testing.TB) (*Server, *enginetest.Poller) {
	b.Helper()
	poller := new(enginetest.Poller)
	s, err := NewServer(Options{ConnectTimeout: time.Hour, Engine: engineio.Options{Poller: poller}})
	if err != nil {
		b.Fatal(err)
	}
	return s, poller
}

// closeAfter ends the sessions of a namespace with the test, and waits.
func closeAfter(b testing.TB, ns *Namespace) {
	b.Cleanup(func() {
		for _, s := range ns.Sockets() {
			s.Session().Close("") // stops the timers
		}
		for ns.Len() > 0 {
			runtime.Gosched()
		}
	})
}

// benchRoom is a namespace with n members of the room "room", none of which
// has a network.
func benchRoom(b testing.TB, n int) *Namespace {
	b.Helper()
	s, poller := benchServer(b)
	ns := s.Of("/")
	ns.OnConnect(func(s *Socket) { _ = s.Join("room") })
	for range n {
		poller.Connect(s, "EIO=3")
	}
	for ns.RoomLen("room") < n {
		runtime.Gosched()
	}
	closeAfter(b, ns)
	return ns
}

// BenchmarkBroadcast is one message: encoded once, delivered to every member
// by a layer below that takes no time.
func BenchmarkBroadcast(b *testing.B) {
	payload := json.RawMessage(`{"id":"1234567890123","data":{"title":"hello","body":"` + strings.Repeat("x", 100) + `"}}`)
	for _, n := range []int{1, 100, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ns := benchRoom(b, n)
			broadcast := func() {
				if sent, err := ns.To("room").AckID(42).Emit("push", payload); sent != n || err != nil {
					b.Fatal(sent, err)
				}
			}
			broadcast() // fills the pools
			b.ReportAllocs()
			for b.Loop() {
				broadcast()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}

func BenchmarkEventDecode(b *testing.B) {
	for _, bm := range []struct {
		name   string
		sio4   bool
		packet string
	}{
		{"ack push", false, `2/demo,12["ackPush",{"id":1234567890123}]`},
		{"ack", false, `3/demo,1073741825[]`},
		{"binary", false, `51-/demo,["file",{"_placeholder":true,"num":0}]`},
		{"ack push SIO4", true, `2/demo,12["ackPush",{"id":1234567890123}]`},
		{"connect", false, `0/demo,{"token":"abc","userid":"42"}`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			d := decoder{usual: "/demo", sio4: bm.sio4}
			data, attachment := []byte(bm.packet), make([]byte, 100)
			decode := func() {
				in, err := d.decode(false, data)
				if d.partial != nil {
					in, err = d.decode(true, attachment)
				}
				if in == nil || err != nil {
					b.Fatal(err)
				}
			}
			decode()
			b.ReportAllocs()
			for b.Loop() {
				decode()
			}
		})
	}
}

// BenchmarkEncode is the making of packets, each with its engine messages.
func BenchmarkEncode(b *testing.B) {
	payload := json.RawMessage(`{"id":"1234567890123","data":{"title":"hello","body":"` + strings.Repeat("x", 100) + `"}}`)
	answer := struct {
		Status int    `json:"status"`
		Msg    string `json:"msg"`
	}{200, "ok"}
	for _, bm := range []struct {
		name string
		make func() ([]*engineio.Message, error)
	}{
		{"event of raw JSON", func() ([]*engineio.Message, error) { return encodeEvent("/demo", 42, "push", []any{payload}) }},
		{"event of a struct", func() ([]*engineio.Message, error) { return encodeEvent("/demo", noAck, "ok", []any{answer}) }},
		{"event of a string", func() ([]*engineio.Message, error) {
			return encodeEvent("/demo", noAck, "offset", []any{"1234567890123"})
		}},
		{"event with an attachment", func() ([]*engineio.Message, error) {
			return encodeEvent("/demo", noAck, "file", []any{Binary(payload)})
		}},
		{"ack", func() ([]*engineio.Message, error) { return encodeAck("/demo", 12, []any{answer}) }},
		{"connect", func() ([]*engineio.Message, error) {
			return encodeConnect("/demo", "dlFSAblz_lC9bg5aidvS", "xLqOqF-jqhhkb9e63Twe", false), nil
		}},
		{"connect SIO4", func() ([]*engineio.Message, error) { return encodeConnect("/demo", "", "", true), nil }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			encode := func() {
				if msgs, err := bm.make(); err != nil || len(msgs) == 0 {
					b.Fatal(err)
				}
			}
			encode() // fills the pool
			b.ReportAllocs()
			for b.Loop() {
				encode()
			}
		})
	}
}

// BenchmarkReceive is a frame of a client from the connection to its handler
// and, where it asks for one, the answer; native acks have no handler.
func BenchmarkReceive(b *testing.B) {
	for _, bm := range []struct{ name, query, join, frame string }{
		{"event", "EIO=4", `40/demo,`, `42/demo,["ackPush",{"id":1234567890123}]`},
		{"event with answer", "EIO=4", `40/demo,`, `42/demo,12["ackPush",{"id":1234567890123}]`},
		{"event with answer SIO4", "EIO=3", `40/demo,`, `42/demo,12["ackPush",{"id":1234567890123}]`},
		{"ack of the application", "EIO=4", `40/demo,`, `43/demo,42[]`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s, poller := benchServer(b)
			ns := s.Of("/demo")
			handled := make(chan struct{}, 1)
			ns.OnConnect(func(*Socket) { handled <- struct{}{} })
			ns.On("ackPush", func(_ *Socket, e *Event) {
				_ = e.Ack("ok")
				handled <- struct{}{}
			})
			ns.OnAck(func(*Socket, uint64, Args) { handled <- struct{}{} })
			c := poller.Connect(s, bm.query)
			bring := func(frame []byte) {
				if err := c.Bring(frame); err != nil {
					b.Fatal(err)
				}
				<-handled
				for busy(ns) { // the next one starts from rest, too
					runtime.Gosched()
				}
			}
			bring(enginetest.Frame(ws.OpText, bm.join))
			closeAfter(b, ns)
			frame := enginetest.Frame(ws.OpText, bm.frame)
			bring(frame)
			b.ReportAllocs()
			for b.Loop() {
				bring(frame)
			}
		})
	}
}

// busy reports that handlers of the only client run.
func busy(ns *Namespace) bool {
	list := ns.All().collect()
	defer list.free()
	l := list.sockets[0].lane
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running
}

// BenchmarkEmitWithAck is an event for one client, and its answer.
func BenchmarkEmitWithAck(b *testing.B) {
	s, poller := benchServer(b)
	ns := s.Of("/demo")
	joined := make(chan *Socket, 1)
	ns.OnConnect(func(s *Socket) { joined <- s })
	c := poller.Connect(s, "EIO=4")
	if err := c.Bring(enginetest.Frame(ws.OpText, "40/demo,")); err != nil {
		b.Fatal(err)
	}
	socket := <-joined
	closeAfter(b, ns)
	answered := 0
	emit := func() {
		err := socket.EmitWithAck(0, func(_ Args, err error) {
			if err == nil {
				answered++
			}
		}, "push", "text")
		if err != nil {
			b.Fatal(err)
		}
		socket.handleAck(FirstAckID+s.ackIDs.n.Load()%FirstAckID, Args{})
	}
	emit()
	answered = 0
	b.ReportAllocs()
	for b.Loop() {
		emit()
	}
	if answered != b.N {
		b.Fatal(answered)
	}
}

// BenchmarkConnect is a client that comes by WebSocket, joins a namespace, and
// goes.
func BenchmarkConnect(b *testing.B) {
	for _, bm := range []struct{ name, query, join string }{
		{"EIO4", "EIO=4&uuid=1&userid=2", "40/demo,"},
		{"EIO3", "EIO=3&uuid=1&userid=2", "40/demo,"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s, poller := benchServer(b)
			ns := s.Of("/demo")
			joined := make(chan *Socket, 1)
			ns.OnConnect(func(s *Socket) {
				_ = s.Join("user_2")
				_ = s.Emit("ok", "host")
				joined <- s
			})
			request, join := enginetest.Handshake(bm.query), enginetest.Frame(ws.OpText, bm.join)
			connect := func() {
				c := poller.Open(s, request)
				if err := c.Bring(join); err != nil {
					b.Fatal(err)
				}
				<-joined
				c.Gone(io.EOF)
				for s.Engine().Len() > 0 || ns.Len() > 0 {
					runtime.Gosched()
				}
			}
			for range 10 { // tables have their size, and goroutines can be used again
				connect()
			}
			b.ReportAllocs()
			for b.Loop() {
				connect()
			}
		})
	}
}
