// Command reference serves the benchmark's application on the reference peer,
// github.com/zishang520/socket.io/v2.
package main

import (
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/engine.io/v2/utils"
	"github.com/zishang520/socket.io/v2/socket"

	"github.com/lightpush/lightpush/test/bench/app"
)

func main() {
	utils.Log().SetPrefix("")
	options := socket.DefaultServerOptions()
	options.SetAllowEIO3(true)
	options.SetPingInterval(app.PingInterval)
	options.SetPingTimeout(app.PingTimeout)
	options.SetCors(&types.Cors{Origin: "*"})
	server := socket.NewServer(nil, options)
	counters := &app.Counters{}
	ns := server.Of(app.Namespace, nil)
	_ = ns.On("connection", func(clients ...any) { serve(clients[0].(*socket.Socket), counters) })
	app.Main(server.ServeHandler(options), &app.Control{
		Counters: counters,
		Emit:     func(room string, m app.Message) { _ = ns.To(socket.Room(room)).Emit("push", m) },
	}, app.ModuleVersion("github.com/zishang520/socket.io/v2"))
}

func serve(client *socket.Socket, counters *app.Counters) {
	counters.Sockets.Add(1)
	userid := ""
	if values := client.Handshake().Query["userid"]; len(values) > 0 {
		userid = values[0]
	}
	client.Join(socket.Room(app.UserRoom(userid)))
	_ = client.On("disconnect", func(...any) { counters.Sockets.Add(-1) })
	_ = client.On("joinRoom", func(args ...any) {
		client.Join(rooms(args)...)
		answer(args)
	})
	_ = client.On("leaveRoom", func(args ...any) {
		for _, room := range rooms(args) {
			client.Leave(room)
		}
		answer(args)
	})
	_ = client.On("ackPush", func(...any) { counters.Acks.Add(1) })
	_ = client.On("n", func(args ...any) {
		if n, ok := args[0].(float64); ok {
			counters.Event(int64(n))
		}
		answer(args)
	})
	_ = client.Emit("ok", map[string]string{"clientId": userid})
}

func rooms(args []any) (names []socket.Room) {
	list, _ := args[0].([]any)
	for _, item := range list {
		if name, ok := item.(string); ok {
			names = append(names, socket.Room(name))
		}
	}
	return names
}

func answer(args []any) {
	if ack, ok := args[len(args)-1].(socket.Ack); ok {
		ack([]any{app.OK}, nil)
	}
}
