package socketio_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

// A chat server: a namespace with a middleware, an event with an ack, and a
// broadcast to a room.
func Example() {
	server, err := socketio.NewServer(socketio.Options{
		Engine: engineio.Options{PingInterval: 25 * time.Second},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server.Of("/") // SIO4 clients are here first, before they ask for /chat

	chat := server.Of("/chat")
	chat.Use(func(_ context.Context, s *socketio.Socket) error {
		name := s.Handshake().Query.Get("name")
		if name == "" {
			return &socketio.ConnectError{Message: "who are you?", Data: map[string]string{"missing": "name"}}
		}
		s.Data = name
		return s.Join("lobby")
	})
	chat.OnConnect(func(s *socketio.Socket) {
		_ = s.Emit("welcome", s.Data)
		_, _ = s.Others().To("lobby").Emit("joined", s.Data)
	})
	chat.On("say", func(s *socketio.Socket, e *socketio.Event) {
		var text string
		if err := e.Args.Decode(0, &text); err != nil {
			_ = e.Ack(map[string]string{"error": "a text, please"})
			return
		}
		heard, _ := s.Others().To("lobby").Emit("said", s.Data, text)
		_ = e.Ack(map[string]int{"heard": heard})
	})
	chat.OnDisconnect(func(s *socketio.Socket, reason engineio.Reason) {
		_, _ = s.Namespace().To("lobby").Emit("left", s.Data, string(reason))
	})

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	// http.ListenAndServe(":8080", mux) serves; this ends it:
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(server.Shutdown(ctx))
	// Output: <nil>
}
