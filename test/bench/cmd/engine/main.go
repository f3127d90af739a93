// Command engine serves the benchmark's application on this project's own
// engine, connector/socketio, without the push domain.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/test/bench/app"
)

func main() {
	server, err := socketio.NewServer(socketio.Options{
		Engine: engineio.Options{PingInterval: app.PingInterval, PingTimeout: app.PingTimeout},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	counters := &app.Counters{}
	server.Of("/")
	ns := server.Of(app.Namespace)
	serve(ns, counters)
	app.Main(server, &app.Control{
		Counters: counters,
		Emit:     func(room string, m app.Message) { _, _ = ns.To(room).Emit("push", m) },
		Burst: func(room string, messages []app.Message, _ bool) {
			var batch engineio.Batch
			defer batch.Flush()
			for _, m := range messages {
				_, _ = ns.To(room).Deferred(&batch).Emit("push", m)
			}
		},
	}, "this tree")
}

func serve(ns *socketio.Namespace, counters *app.Counters) {
	ns.OnConnect(func(s *socketio.Socket) {
		counters.Sockets.Add(1)
		userid := s.Handshake().Query.Get("userid")
		_ = s.Join(app.UserRoom(userid))
		_ = s.Emit("ok", map[string]string{"clientId": userid})
	})
	ns.OnDisconnect(func(*socketio.Socket, engineio.Reason) { counters.Sockets.Add(-1) })
	rooms := func(move func(s *socketio.Socket, rooms ...string)) socketio.EventHandler {
		return func(s *socketio.Socket, e *socketio.Event) {
			var names []string
			if json.Unmarshal(e.Args.Raw(0), &names) == nil {
				move(s, names...)
			}
			_ = e.Ack(app.OK)
		}
	}
	ns.On("joinRoom", rooms(func(s *socketio.Socket, names ...string) { _ = s.Join(names...) }))
	ns.On("leaveRoom", rooms((*socketio.Socket).Leave))
	ns.On("ackPush", func(*socketio.Socket, *socketio.Event) { counters.Acks.Add(1) })
	ns.On("n", func(_ *socketio.Socket, e *socketio.Event) {
		var n int64
		if e.Args.Decode(0, &n) == nil {
			counters.Event(n)
		}
		_ = e.Ack(app.OK)
	})
}
