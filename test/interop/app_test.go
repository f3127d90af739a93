//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

// The profiles every peer is started with; node/server.js has the same.
const (
	plain  = "plain"  // usual times, protocol 3 allowed, CORS open with credentials
	tight  = "tight"  // everything times out within half a second, 1000 bytes at most, no CORS
	modern = "modern" // protocol 3 refused
)

const (
	tightPing    = 400 * time.Millisecond
	tightTimeout = 300 * time.Millisecond // of pongs, upgrades and CONNECT
	tightPayload = 1000
)

// subject is a peer under test.
type subject struct {
	name string
	// begin returns the base URL of each profile; end ends what begin has started, and reports whether it still ran.
	begin func() (urls map[string]string, end func() bool)
}

// The names of the peers, in the order of the page.
const (
	ours   = "lightpush"
	node   = "socket.io 4.8.4 (Node.js)"
	golang = "zishang520/socket.io v2.5.0 (Go)"
)

func subjects(t *testing.T) []subject {
	t.Helper()
	return []subject{
		shared(ours, oursURLs(t)),
		shared(node, nodeURLs(t)),
		// A process for every transcript: there is input that ends it.
		{golang, func() (map[string]string, func() bool) { return golangURLs(t) }},
	}
}

func shared(name string, urls map[string]string) subject {
	return subject{name, func() (map[string]string, func() bool) { return urls, func() bool { return true } }}
}

// oursURLs starts the application on this project's engine. Its behaviour, which the other two repeat: the
// namespaces / and /app echo, ask the client, and send it away; /auth tells what the client said of itself; /refuse
// and /refuse-data refuse, the latter with data.
func oursURLs(t *testing.T) map[string]string {
	urls := map[string]string{}
	open := func(string) bool { return true }
	for profile, options := range map[string]socketio.Options{
		plain:  {Engine: engineio.Options{AllowOrigin: open}},
		modern: {Engine: engineio.Options{DenyEIO3: true}},
		tight: {ConnectTimeout: tightTimeout, Engine: engineio.Options{
			PingInterval: tightPing, PingTimeout: tightTimeout, UpgradeTimeout: tightTimeout, MaxPayload: tightPayload,
		}},
	} {
		server, err := socketio.NewServer(options)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"/", "/app"} {
			application(server.Of(name))
		}
		server.Of("/auth").OnConnect(func(s *socketio.Socket) {
			var auth struct{ A, Z string }
			_ = json.Unmarshal(s.Handshake().Auth, &auth)
			query := s.Handshake().Query
			_ = s.Emit("auth", query.Get("a")+auth.A, query.Get("z")+auth.Z)
		})
		server.Of("/refuse").Use(func(context.Context, *socketio.Socket) error {
			return &socketio.ConnectError{Message: "no way"}
		})
		server.Of("/refuse-data").Use(func(context.Context, *socketio.Socket) error {
			return &socketio.ConnectError{Message: "no way", Data: map[string]int{"k": 1}}
		})
		h := httptest.NewServer(server)
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = server.Shutdown(ctx)
			h.CloseClientConnections()
			h.Close()
		})
		urls[profile] = h.URL
	}
	return urls
}

func application(ns *socketio.Namespace) {
	ns.On("echo", func(s *socketio.Socket, e *socketio.Event) {
		args := values(e.Args)
		if e.WantsAck() {
			_ = e.Ack(args...)
		} else {
			_ = s.Emit("echo", args...)
		}
	})
	ns.On("ask", func(s *socketio.Socket, e *socketio.Event) {
		_ = ns.To(s.ID()).EmitWithAck(time.Minute, func(answers []socketio.Args, err error) {
			if err == nil && len(answers) == 1 {
				_ = s.Emit("answered", values(answers[0])...)
			}
		}, "question", values(e.Args)...)
	})
	ns.On("leave", func(s *socketio.Socket, _ *socketio.Event) { s.Disconnect(false) })
	ns.On("leave all", func(s *socketio.Socket, _ *socketio.Event) { s.Disconnect(true) })
}

// values are the arguments with their attachments in place; those without keep their text.
func values(args socketio.Args) (list []any) {
	for i := range args.Len() {
		var v any = args.Raw(i)
		if len(args.Attachments()) > 0 {
			_ = args.Decode(i, &v)
		}
		list = append(list, v)
	}
	return list
}
