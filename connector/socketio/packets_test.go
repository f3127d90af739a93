package socketio_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

func TestPackets(t *testing.T) {
	srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
		for _, name := range []string{"/", "/admin"} {
			b := s.Of(name).Behaviour
			echo(b)
			b.On("twice", func(_ *socketio.Socket, e *socketio.Event) {
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() { _ = e.Ack("once") })
				}
				wg.Wait()
			})
			b.On("fail", func(_ *socketio.Socket, e *socketio.Event) {
				if err := e.Ack(func() {}); err == nil {
					t.Error("a function was encoded")
				}
				_ = e.Ack("mended")
			})
			b.On("raw", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack(string(e.Args.Raw(0)), e.Args.Len()) })
			b.On("reserved", func(s *socketio.Socket, e *socketio.Event) {
				for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
					if err := s.Emit(name); err != socketio.ErrReserved {
						t.Errorf("Emit(%q): %v", name, err)
					}
				}
				_ = e.Ack()
			})
			b.OnAny(func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack("any", e.Name) })
		}
	})

	// Rows: what the client sends, and all it gets for that.
	exchange := func(name string, send []string, want map[string][]string) {
		t.Run(name, func(t *testing.T) {
			for _, kind := range kinds {
				expected, ok := want[kind]
				if !ok {
					expected = want[""]
				}
				p := srv.join(t, kind, "/")
				packets := send
				if kind == "ws3" || kind == "poll3" {
					packets = nil
					for _, s := range send {
						if data, ok := binaryPacket(s); ok { // protocol 3 has a type byte
							s = fmt.Sprintf("<% x>", append([]byte{4}, data...))
						}
						packets = append(packets, s)
					}
				}
				p.send(packets...)
				if n := len(expected) - 1; n >= 0 && expected[n] == "close" {
					p.expect(expected[:n]...)
					p.expectClosed()
					continue
				}
				p.expect(expected...)
				p.fence("/")
			}
		})
	}
	all := func(packets ...string) map[string][]string { return map[string][]string{"": packets} }
	closed := all("close")
	ignoredBySIO4 := map[string][]string{"": {"close"}, "ws3": {}, "poll3": {}}

	exchange("72 ack", []string{`420["echo",1]`}, all(`430[1]`))
	exchange("72 ack ids", []string{`4212["echo"]`, `42012["echo"]`, `422147483647["echo"]`, `42/,5["echo","x"]`},
		all(`4312[]`, `4312[]`, `432147483647[]`, `435["x"]`))
	exchange("73 one ack", []string{`421["twice"]`, `422["fail"]`}, all(`431["once"]`, `432["mended"]`))
	exchange("73 unknown acks", []string{`4399[1]`, `430[]`, "43", "431", `431073741825["x"]`, `439007199254740991[]`}, all())

	text := `[null,[],{},"",{"a":[{"b":""}]},true,-1.5,9007199254740992,"\u2028","😀é","a\"\\\n"]`
	for _, args := range []string{text} {
		inner := args[1 : len(args)-1]
		exchange("74 arguments", []string{`421["echo",` + inner + `]`, `42["reply",` + inner + `]`},
			all(`431[`+inner+`]`, `42["reply",`+inner+`]`))
	}
	exchange("74 raw text is kept", []string{`421["raw", { "a" : 1.50 } ,2]`}, all(`431["{ \"a\" : 1.50 }",2]`))

	one, two := `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`
	exchange("75 binary event and ack", []string{`452-5["echo",` + two + `,{"x":` + one + `},` + two + `]`, "<01 02>", "<03>"},
		map[string][]string{
			"":      {`463-5[` + one + `,{"x":` + two + `},{"_placeholder":true,"num":2}]`, "<03>", "<01 02>", "<03>"},
			"ws3":   {`463-5[` + one + `,{"x":` + two + `},{"_placeholder":true,"num":2}]`, "<04 03>", "<04 01 02>", "<04 03>"},
			"poll3": {`463-5[` + one + `,{"x":` + two + `},{"_placeholder":true,"num":2}]`, "<04 03>", "<04 01 02>", "<04 03>"},
			"poll4": {`463-5[` + one + `,{"x":` + two + `},{"_placeholder":true,"num":2}]`, "bAw==", "bAQI=", "bAw=="},
		})
	exchange("75 zero length", []string{`451-["reply",` + one + `]`, "<>"}, map[string][]string{
		"":      {`451-["reply",` + one + `]`, "<>"},
		"ws3":   {`451-["reply",` + one + `]`, "<04>"},
		"poll3": {`451-["reply",` + one + `]`, "<04>"},
		"poll4": {`451-["reply",` + one + `]`, "b"},
	})
	exchange("75 unused attachment", []string{`452-7["echo",` + two + `]`, "<01>", "<02>"}, map[string][]string{
		"":      {`461-7[` + one + `]`, "<02>"},
		"ws3":   {`461-7[` + one + `]`, "<04 02>"},
		"poll3": {`461-7[` + one + `]`, "<04 02>"},
		"poll4": {`461-7[` + one + `]`, "bAg=="},
	})
	exchange("76 text while attachments are due", []string{`452-["echo",` + one + `]`, "<01>", `42["fence"]`}, closed)
	exchange("76 binary nobody waits for", []string{"<01>"}, closed)
	exchange("76 one attachment too many", []string{`451-["x",` + one + `]`, "<01>", "<02>"}, closed)
	t.Run("76 ping in between", func(t *testing.T) {
		for _, kind := range kinds {
			p := srv.join(t, kind, "/")
			header := `451-1["echo",` + one + `]`
			switch kind {
			case "ws3":
				p.send(header, "2", "6", "<04 01>")
				p.expect("3", `461-1[`+one+`]`, "<04 01>")
			case "poll3":
				p.send(header, "2", "6", "<04 01>")
				p.expect("3", `461-1[`+one+`]`, "<04 01>")
			case "ws4":
				p.send(header, "3", "6", "<01>")
				p.expect(`461-1[`+one+`]`, "<01>")
			case "poll4":
				p.send(header, "3", "6", "<01>")
				p.expect(`461-1[`+one+`]`, "bAQ==")
			}
		}
	})

	for _, header := range []string{
		`450-["echo"]`, `45["echo"]`, `451["echo",` + one + `]`, `451.5-["echo"]`, `45-["echo"]`, `4511-["echo"]`,
		`4599999999999999999999-["echo"]`, `451-["echo",` + two + `]`, `451-["echo",{"_placeholder":true,"num":-1}]`,
		`451-["echo",{"_placeholder":true,"num":"0"}]`, `451-["echo",{"_placeholder":true}]`,
		`451-["echo",{"_placeholder":true,"num":0.5}]`, "451-", "451-1", "461-", `461-[{"_placeholder":true,"num":1}]`,
	} {
		exchange("77 "+header, []string{header}, closed)
	}

	t.Run("78 binary is never interleaved", func(t *testing.T) { testInterleaving(t, srv) })

	exchange("79 placeholder in a plain event", []string{`421["raw",` + one + `]`, `42["reply",` + two + `]`},
		all(`431["{\"_placeholder\":true,\"num\":0}",1]`, `42["reply",`+two+`]`))

	for _, bad := range []string{
		"42[]", "42{}", "42[null]", `42[["echo"]]`, "42[true]", `42"a"`, "42null", `42["a"`, `42["a"]x`, `42["a"][]`, `42["a",]`, `42[,"a"]`,
		"42-1[]", `421.5["a"]`, `42 ["a"]`, "431{}", `43"x"`, "4", `42["\x01"]`, "41{}", "411", "4018446744073709551617[]",
	} {
		exchange("80 "+bad, []string{bad}, closed)
	}
	exchange("80 no payload", []string{"42", "421", "42/,", "42/,1", "43"}, all())

	exchange("81 cannot be emitted", []string{`421["reserved"]`}, all("431[]"))
	for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		exchange("81 received: "+name, []string{`421["` + name + `",1]`}, ignoredBySIO4)
	}
	exchange("81 received: escaped name", []string{`421["\u0063onnect"]`}, ignoredBySIO4)
	exchange("81 received: binary", []string{`451-["connect",` + one + `]`, "<01>"}, ignoredBySIO4)

	for _, packet := range []string{`42/admin,1["echo"]`, "43/admin,1[]", "41/admin,"} {
		exchange("82 "+packet, []string{packet}, ignoredBySIO4)
	}
	exchange("82 binary", []string{`451-/admin,1["echo",` + one + `]`, "<01>"}, ignoredBySIO4)
	exchange("82 refused namespace", []string{"40/nope,", `42/nope,1["echo"]`}, map[string][]string{
		"": {`44/nope,"Invalid namespace"`}, "ws4": {`44/nope,{"message":"Invalid namespace"}`, "close"}, "poll4": {`44/nope,{"message":"Invalid namespace"}`, "close"},
	})

	for _, packet := range []string{"47", "4x", "48[]", "4\x00"} {
		exchange("84 unknown type "+packet, []string{packet}, ignoredBySIO4)
	}
	for _, packet := range []string{"44", `44"x"`, `44/admin,{"message":"x"}`} {
		exchange("84 server's type "+packet, []string{packet}, ignoredBySIO4)
	}
	exchange("84 number as name", []string{`421[7,"x"]`, `422[-1.5]`, `423[1e2]`, `424[""]`},
		all(`431["any","7"]`, `432["any","-1.5"]`, `433["any","100"]`, `434["any",""]`))
}

// testInterleaving emits binary events on two namespaces of one connection
// from many goroutines: a header is always followed by its own attachments.
func testInterleaving(t *testing.T, srv *testServer) {
	const emitters, rounds = 8, 50
	for _, kind := range kinds {
		p := srv.join(t, kind, "/")
		p.connect("/admin")
		var wg sync.WaitGroup
		for _, name := range []string{"/", "/admin"} {
			s := socketOf(srv, name, p)
			for e := range emitters {
				wg.Go(func() {
					for i := range rounds {
						mark := []byte{byte(e), byte(i), name[len(name)-1]}
						if e%2 == 0 {
							_ = s.Emit("bin", mark, i, mark)
						} else {
							_, _ = srv.Of(name).All().Emit("bin", mark, i, mark)
						}
					}
				})
			}
		}
		for range 2 * emitters * rounds {
			header, first, second := p.read(), p.read(), p.read()
			if !strings.HasPrefix(header, "452-") || first != second || strings.HasPrefix(first, "4") {
				t.Fatalf("%s: %q %q %q", kind, header, first, second)
			}
		}
		wg.Wait()
		p.fence("/")
		p.close()
		eventually(t, "the client is gone", func() bool { return srv.Of("/").Len() == 0 })
	}
}

// socketOf finds the server's side of a client.
func socketOf(srv *testServer, nsp string, p *peer) *socketio.Socket {
	p.t.Helper()
	var found *socketio.Socket
	eventually(p.t, "the client is in "+nsp, func() bool {
		for _, s := range srv.Of(nsp).Sockets() {
			if s.Session().ID() == p.sid {
				found = s
			}
		}
		return found != nil
	})
	return found
}

func TestInFlight(t *testing.T) {
	t.Run("83 packets in flight while the server leaves", func(t *testing.T) {
		reasons := make(chan engineio.Reason, 1)
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			rootAndAdmin(s)
			s.Of("/admin").OnDisconnect(func(_ *socketio.Socket, r engineio.Reason) { reasons <- r })
		})
		for _, kind := range kinds {
			p := srv.join(t, kind, "/")
			p.connect("/admin")
			socketOf(srv, "/admin", p).Disconnect(false)
			binary := "<01>"
			if p.v == 3 {
				binary = "<04 01>"
			}
			p.send(`42/admin,1["echo"]`, "43/admin,1[]", `451-/admin,["x",{"_placeholder":true,"num":0}]`, binary, "41/admin,")
			p.expect("41/admin,")
			p.fence("/")
			p.connect("/admin")
			p.fence("/admin")
			if r := await(t, reasons); r != socketio.ReasonServerNamespace {
				t.Errorf("reason %q", r)
			}
			p.close()
			await(t, reasons)
		}
	})
}
