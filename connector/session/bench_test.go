package session

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/internal/enginetest"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/name"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

// idle answers like a store that holds nothing, at once.
type idle struct{ gen int64 }

func (i *idle) Claim(context.Context, client.Member) (client.Claim, error) {
	i.gen++
	return client.Claim{Gen: i.gen, At: 1_800_000_000_000}, nil
}
func (*idle) Enter(context.Context, client.Member, []string) error { return nil }
func (*idle) Join(context.Context, client.Member, []string) error  { return nil }
func (*idle) Leave(context.Context, client.Member, []string) error { return nil }
func (*idle) Release(context.Context, client.Member, []string, string, bool) error {
	return nil
}
func (*idle) Session(context.Context, client.Member, client.Claim) ([]string, int64, error) {
	return nil, 0, nil
}
func (*idle) Missed(context.Context, push.MissedQuery) ([]push.Delivery, error) { return nil, nil }

func (*idle) LoadNamespaces(context.Context) ([]*namespace.Namespace, error) {
	return []*namespace.Namespace{{Key: "/demo", PasswdHash: "none"}}, nil
}
func (*idle) UpdateNamespace(context.Context, string, func(*namespace.Namespace) (*namespace.Namespace, error)) (*namespace.Namespace, error) {
	return nil, errStore
}

func (*idle) Targets(_ context.Context, ids []int64) ([]push.Target, error) {
	return make([]push.Target, len(ids)), nil
}
func (*idle) Members(_ context.Context, acks []push.Ack, _ []string) ([]bool, error) {
	return make([]bool, len(acks)), nil
}
func (*idle) Offered(_ context.Context, acks []push.Ack) ([]bool, error) {
	return make([]bool, len(acks)), nil
}
func (*idle) Record(context.Context, []push.ReceiptBatch) error  { return nil }
func (*idle) Collect(context.Context, []push.Ack, []int64) error { return nil }

func (*idle) Push(context.Context, *namespace.Namespace, push.Request) (int64, error) {
	return 1234567, nil
}

// benchHub is a connector whose clients have no network and whose store takes
// no time.
type benchHub struct {
	hub    *Hub
	server *socketio.Server
	poller *enginetest.Poller
	here   []*enginetest.Client
	ready  chan struct{} // a client was told ok
	answer chan struct{} // a client got an ack
}

func newBenchHub(b *testing.B) *benchHub {
	n := &benchHub{poller: &enginetest.Poller{}, ready: make(chan struct{}, 1), answer: make(chan struct{}, 1)}
	n.poller.OnWrite = func(bufs ...[]byte) {
		for _, p := range bufs {
			if bytes.Contains(p, []byte(`["ok",`)) {
				n.ready <- struct{}{}
			}
			if bytes.Contains(p, []byte(`43/demo,`)) {
				n.answer <- struct{}{}
			}
		}
	}
	store := &idle{}
	registry := namespace.NewRegistry(store, time.Hour, nil)
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(registry.Start(b.Context()))
	// What cannot be recorded is dropped at once: the queue does not grow.
	receipts := push.NewReceipts(store, push.ReceiptsOptions{Interval: time.Hour, Max: 1})
	callbacks := callback.NewCaller(callback.Options{})
	server, err := socketio.NewServer(socketio.Options{
		Engine: engineio.Options{Poller: n.poller}, IgnoreRoot: true, Recovery: &socketio.Recovery{ByApplication: true},
		OnPanic: func(r any, stack []byte) { b.Errorf("panic: %v\n%s", r, stack) },
	})
	check(err)
	n.server = server
	n.hub = NewHub(server, Options{
		Node: "n1", System: "host", Port: 21314, Namespaces: registry, Presence: store, Recovery: store,
		Push: store, Receipts: receipts, Callbacks: callbacks, Names: name.DefaultRules(),
		Rules:    push.Rules{Names: name.DefaultRules(), Expire: 1, ExpireMax: 10, APSDataSize: 4000},
		Limits:   Limits{RoomsPerClient: 1000, RoomsPerRequest: 100},
		Logger:   zerolog.Nop(),
		ClientIP: func(string, []string) netip.Addr { return netip.MustParseAddr("192.0.2.9") },
	})
	b.Cleanup(func() {
		for _, c := range n.here {
			c.Gone(io.EOF)
		}
		stop, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		check(server.Shutdown(stop))
		n.hub.Close()
		receipts.Close()
		callbacks.Close()
		registry.Close()
	})
	return n
}

// join brings a client to /demo.
func (n *benchHub) join(b *testing.B, query string) *enginetest.Client {
	c := n.poller.Connect(n.server, query)
	if err := c.Bring(enginetest.Frame(ws.OpText, "40/demo,")); err != nil {
		b.Fatal(err)
	}
	<-n.ready
	n.here = append(n.here, c)
	return c
}

// BenchmarkConnect is a device that comes, is admitted and told ok, and goes.
func BenchmarkConnect(b *testing.B) {
	for _, eio := range []int{4, 3} {
		b.Run(fmt.Sprint("EIO", eio), func(b *testing.B) {
			n := newBenchHub(b)
			request := enginetest.Handshake(fmt.Sprintf("EIO=%d&uuid=u1&userid=joe&platform=android", eio))
			join := enginetest.Frame(ws.OpText, "40/demo,")
			connect := func() {
				c := n.poller.Open(n.server, request)
				if err := c.Bring(join); err != nil {
					b.Fatal(err)
				}
				<-n.ready
				c.Gone(io.EOF)
				for n.hub.Devices() > 0 || n.server.Engine().Len() > 0 {
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

// BenchmarkDeliver is a message of the bus on its way to the devices of a room,
// all of which can be recovered and so get its offset, too.
func BenchmarkDeliver(b *testing.B) {
	for _, devices := range []int{1, 1000} {
		b.Run(fmt.Sprint(devices), func(b *testing.B) {
			n := newBenchHub(b)
			for i := range devices {
				n.join(b, fmt.Sprintf("EIO=4&userid=joe&uuid=u%d", i))
			}
			n.poller.OnWrite = nil
			message := push.Delivery{
				MessageID: 1234567, Namespace: "/demo", Room: "user_joe",
				Payload: json.RawMessage(`{"id":1234567,"namespace":"/demo","room":"user_joe","pushData":{"title":"` + strings.Repeat("x", 100) + `"},"sendDate":1795165647740}`),
			}
			deliver := func() {
				n.hub.Deliver(message)
				n.hub.Flush()
			}
			deliver()
			b.ReportAllocs()
			for b.Loop() {
				deliver()
			}
		})
	}
}

// BenchmarkEvent is an event of a device, from its frame to the answer.
func BenchmarkEvent(b *testing.B) {
	for _, bm := range []struct{ name, frame string }{
		{"ackPush", `42/demo,7["ackPush",{"id":1234567}]`},
		{"ackPush of ten", `42/demo,7["ackPush",{"ids":[1,2,3,4,5,6,7,8,9,10]}]`},
		{"push", `42/demo,7["push",{"room":"user_joe","pushData":{"title":"hello","body":"` + strings.Repeat("x", 100) + `"}}]`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			n := newBenchHub(b)
			c := n.join(b, "EIO=4&userid=joe&uuid=u1")
			frame := enginetest.Frame(ws.OpText, bm.frame)
			goroutines := runtime.NumGoroutine()
			event := func() {
				if err := c.Bring(frame); err != nil {
					b.Fatal(err)
				}
				<-n.answer
				for runtime.NumGoroutine() > goroutines { // the next one starts from rest, too
					runtime.Gosched()
				}
			}
			event()
			b.ReportAllocs()
			for b.Loop() {
				event()
			}
		})
	}
	b.Run("native ack", func(b *testing.B) {
		n := newBenchHub(b)
		c := n.join(b, "EIO=4&userid=joe&uuid=u1")
		n.hub.saw(1234567)
		frame := enginetest.Frame(ws.OpText, `43/demo,1234567[]`)
		b.ReportAllocs()
		for b.Loop() {
			if err := c.Bring(frame); err != nil {
				b.Fatal(err)
			}
		}
	})
}
