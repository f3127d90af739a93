package socketio_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

func TestZZServe(t *testing.T) {
	addr := os.Getenv("SIO_ADDR")
	if addr == "" {
		t.Skip()
	}
	s, err := socketio.NewServer(socketio.Options{Engine: engineio.Options{MaxPayload: 20000, PingInterval: time.Second, PingTimeout: 2 * time.Second}, OnPanic: func(r any, st []byte) { fmt.Println("PANIC", r, string(st)) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/", "/admin"} {
		ns := s.Of(name)
		b := ns.Behaviour
		echo(b)
		b.OnConnect(func(s *socketio.Socket) { _ = s.Emit("ok", s.ID()) })
		b.On("ask", func(s *socketio.Socket, e *socketio.Event) {
			_ = s.EmitWithAck(5*time.Second, func(a socketio.Args, err error) {
				if err != nil {
					_ = e.Ack("err", err.Error())
					return
				}
				_ = e.Ack(arguments(a)...)
			}, "q", "what", socketio.Binary{9, 8})
		})
		b.On("burst", func(s *socketio.Socket, e *socketio.Event) {
			var n int
			_ = e.Args.Decode(0, &n)
			for i := range n {
				_ = s.Emit("b", i, fmt.Sprintf("%0200d", i))
			}
			_ = e.Ack(n)
		})
		var total, last = 0, 0
		_ = last
		b.On("count", func(s *socketio.Socket, e *socketio.Event) { var i int; _ = e.Args.Decode(0, &i); if s.Data == nil { s.Data = 0 }; if s.Data.(int) == i { s.Data = i + 1 }; total++; _ = e.Ack(s.Data) })
		b.On("kick", func(s *socketio.Socket, e *socketio.Event) { s.Disconnect(false) })
		b.On("kickall", func(s *socketio.Socket, e *socketio.Event) { s.Disconnect(true) })
		b.On("drop", func(s *socketio.Socket, e *socketio.Event) { s.Session().Close("") })
		b.OnDisconnect(func(s *socketio.Socket, r engineio.Reason) { fmt.Println("end", name, r) })
	}
	s.Of("/refused").Use(func(context.Context, *socketio.Socket) error {
		return &socketio.ConnectError{Message: "no way", Data: map[string]any{"k": 1}}
	})
	s.Of("/auth").Use(func(_ context.Context, s *socketio.Socket) error {
		h := s.Handshake()
		if string(h.Auth) == `{"token":"x"}` || h.Query.Get("token") == "x" {
			return nil
		}
		return fmt.Errorf("bad %s %v", h.Auth, h.Query)
	})
	http.Handle("/socket.io/", s)
	t.Fatal(http.ListenAndServe(addr, nil))
}
