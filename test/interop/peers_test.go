//go:build interop

package interop

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/engine.io/v2/utils"
	reference "github.com/zishang520/socket.io/v2/socket"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

// peer is one server under the same application: the namespace /app echoes
// the event "echo" by its ack, counts "n" events in the order they are
// handled, and puts everybody into the room "all".
type peer struct {
	name  string
	start func(t *testing.T) *running
}

type running struct {
	url       string
	handled   chan int    // arguments of "n" events, in the order of handling
	broadcast func(i int) // emits "b" with i to the room
	stop      func()
}

func peers() []peer {
	return []peer{{"ours", startOurs}, {"zishang520 v2.5.0", startReference}}
}

func startOurs(t *testing.T) *running {
	server, err := socketio.NewServer(socketio.Options{Engine: engineio.Options{}})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{handled: make(chan int, 100_000)}
	server.Of("/")
	app := server.Of("/app")
	app.OnConnect(func(s *socketio.Socket) { _ = s.Join("all") })
	app.On("echo", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack(e.Args.Raw(0)) })
	app.On("n", func(_ *socketio.Socket, e *socketio.Event) {
		var n int
		if e.Args.Decode(0, &n) == nil {
			r.handled <- n
		}
	})
	r.broadcast = func(i int) { _, _ = app.To("all").Emit("b", i) }
	h := httptest.NewServer(server)
	r.url, r.stop = h.URL, func() { h.CloseClientConnections(); h.Close() }
	return r
}

func startReference(t *testing.T) *running {
	utils.Log().SetPrefix("")
	options := reference.DefaultServerOptions()
	options.SetAllowEIO3(true)
	options.SetPingInterval(25 * time.Second)
	options.SetCors(&types.Cors{Origin: "*"})
	server := reference.NewServer(nil, options)
	t.Cleanup(func() { server.Close(nil) })
	r := &running{handled: make(chan int, 100_000)}
	app := server.Of("/app", nil)
	_ = app.On("connection", func(clients ...any) {
		client := clients[0].(*reference.Socket)
		client.Join("all")
		_ = client.On("echo", func(args ...any) {
			if ack, ok := args[len(args)-1].(reference.Ack); ok {
				ack(args[:1], nil)
			}
		})
		_ = client.On("n", func(args ...any) {
			if n, ok := args[0].(float64); ok {
				r.handled <- int(n)
			}
		})
	})
	r.broadcast = func(i int) { _ = app.To("all").Emit("b", i) }
	h := httptest.NewServer(server.ServeHandler(options))
	r.url, r.stop = h.URL, func() { h.CloseClientConnections() }
	return r
}
