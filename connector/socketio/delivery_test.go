package socketio_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/socketio"
)

func TestDelivery(t *testing.T) {
	t.Run("90 volatile", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, kind := range kinds {
			p := srv.join(t, kind, "/")
			p.fence("/")
			s := socketOf(srv, "/", p)
			if strings.HasPrefix(kind, "ws") {
				eventually(t, "the answer is written", func() bool { return s.EmitVolatile("v", 1) })
				p.expect(`42["v",1]`)
				eventually(t, "that too", func() bool {
					n, _ := srv.Of("/").To(s.ID()).Volatile().Emit("v", 2)
					return n == 1
				})
				p.expect(`42["v",2]`)
			} else {
				if s.EmitVolatile("lost") {
					t.Error("sent without a held GET")
				}
				if n, _ := srv.Of("/").To(s.ID()).Volatile().Emit("lost"); n != 0 {
					t.Error("broadcast without a held GET")
				}
				closeWhenHeld(t, s, func() {
					eventually(t, "a GET is held", func() bool { return s.EmitVolatile("v", 1) })
				}, p)
				p.expect(`42["v",1]`)
			}
			p.fence("/")
			p.close()
			eventually(t, "it is gone", func() bool { return srv.Of("/").Len() == 0 })
			if s.EmitVolatile("late") {
				t.Error("sent to a closed socket")
			}
		}
	})

	t.Run("91 broadcast", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			ns := s.Of("/")
			echo(ns.Behaviour)
			ns.OnConnect(func(s *socketio.Socket) {
				_ = s.Join(strings.Split(s.Handshake().Query.Get("rooms"), ".")...)
			})
			ns.On("others", func(s *socketio.Socket, e *socketio.Event) {
				_, _ = s.Others().Emit("hello")
				_, _ = s.Others().To("r1", "r2").Emit("rooms")
				_ = e.Ack()
			})
		})
		ns := srv.Of("/")
		rooms := []string{"r1", "r1.r2", "r2.r3", "r3"}
		var peers []*peer
		var ids []string
		for i, r := range rooms {
			p := srv.join(t, kinds[i], "/", "rooms="+r)
			p.fence("/") // the connection handler has returned
			peers = append(peers, p)
			ids = append(ids, socketOf(srv, "/", p).ID())
		}
		for _, c := range []struct {
			name string
			to   socketio.Broadcast
			want string // which peers, in order
		}{
			{"all", ns.All(), "0123"},
			{"one room", ns.To("r1"), "01"},
			{"union", ns.To("r1", "r2").To("r1"), "012"},
			{"excluded room", ns.To("r1", "r2").Except("r3"), "01"},
			{"all but", ns.All().Except("r1", "r2"), "3"},
			{"by id", ns.To(ids[3]), "3"},
			{"id and its room", ns.To(ids[3], "r3"), "23"},
			{"sender excluded", ns.To("r1").Except(ids[0]), "1"},
			{"skip", ns.All().Skip(func(s *socketio.Socket) bool { return s.In("r2") }), "03"},
			{"nobody", ns.To("none"), ""},
		} {
			n, err := c.to.Emit(c.name, 1)
			if err != nil || n != len(c.want) {
				t.Errorf("%s: %d, %v", c.name, n, err)
			}
			if got := len(c.to.Sockets()); got != len(c.want) {
				t.Errorf("%s: %d sockets", c.name, got)
			}
			for i, p := range peers {
				if strings.Contains(c.want, fmt.Sprint(i)) {
					p.expect(`42["` + c.name + `",1]`)
				}
				p.fence("/") // and nothing else
			}
		}
		peers[1].send(`421["others"]`)
		peers[1].expect("431[]")
		peers[0].expect(`42["hello"]`, `42["rooms"]`)
		peers[2].expect(`42["hello"]`, `42["rooms"]`)
		peers[3].expect(`42["hello"]`)
		for _, p := range peers {
			p.fence("/")
		}
		if _, err := ns.All().Emit("disconnect"); err != socketio.ErrReserved {
			t.Errorf("reserved: %v", err)
		}
		if _, err := ns.All().Emit("x", func() {}); err == nil {
			t.Error("a function was encoded")
		}
		if n := ns.To("r1").Disconnect(true); n != 2 {
			t.Errorf("%d disconnected", n)
		}
		for _, p := range peers[:2] {
			p.expect("41")
			p.expectClosed()
		}
	})

	t.Run("92 broadcast ack", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		ns := srv.Of("/")
		type result struct {
			answers []socketio.Args
			err     error
		}
		results := make(chan result, 1)
		collect := func(answers []socketio.Args, err error) { results <- result{answers, err} }
		emit := func(timeout time.Duration) {
			if err := ns.All().EmitWithAck(timeout, collect, "q", 1); err != nil {
				t.Fatal(err)
			}
		}
		emit(time.Hour) // to nobody
		if r := await(t, results); r.err != nil || len(r.answers) != 0 {
			t.Errorf("nobody: %v", r)
		}
		var peers []*peer
		for _, kind := range kinds {
			peers = append(peers, srv.join(t, kind, "/"))
		}
		question := func(p *peer) (id string) {
			packet := p.read()
			id, ok := strings.CutSuffix(strings.TrimPrefix(packet, "42"), `["q",1]`)
			if !ok {
				t.Fatalf("got %q", packet)
			}
			return id
		}
		emit(time.Hour)
		var id string
		for i, p := range peers {
			id = question(p)
			p.send(fmt.Sprintf("43%s[%d]", id, i), "43"+id+`["again"]`)
			p.fence("/")
		}
		r := await(t, results)
		if r.err != nil || len(r.answers) != len(peers) {
			t.Fatalf("all: %v", r)
		}
		for i, a := range r.answers {
			if string(a.Raw(0)) != fmt.Sprint(i) {
				t.Errorf("answer %d is %s", i, a.Raw(0))
			}
		}
		// Some answer, one leaves: after the timeout the answers so far. It
		// is long enough for all of them to have been asked.
		emit(300 * time.Millisecond)
		for i, p := range peers {
			id = question(p)
			if i < 2 {
				p.send("43" + id + "[]")
			}
		}
		peers[3].send("41")
		r = await(t, results)
		if r.err != socketio.ErrAckTimeout || len(r.answers) != 2 {
			t.Fatalf("some: %v", r)
		}
		peers[2].send("43" + id + `["late"]`)
		peers[2].fence("/")
		if len(results) > 0 {
			t.Error("called back twice")
		}
		if err := ns.All().EmitWithAck(time.Hour, collect, "x", func() {}); err == nil {
			t.Error("a function was encoded")
		}
		emit(0)
		if r = await(t, results); r.err != socketio.ErrAckTimeout {
			t.Errorf("no timeout: %v", r)
		}
	})

	t.Run("92 panic in a broadcast callback", func(t *testing.T) {
		panics := make(chan any, 1)
		srv := serve(t, socketio.Options{OnPanic: func(r any, _ []byte) { panics <- r }}, rootAndAdmin)
		p := srv.join(t, "ws4", "/")
		_ = srv.Of("/").All().EmitWithAck(0, func([]socketio.Args, error) { panic("on purpose") }, "q")
		await(t, panics)
		p.read()
		p.fence("/")
	})

	t.Run("93 acks of clients", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		type result struct {
			args socketio.Args
			err  error
		}
		for _, kind := range kinds {
			p := srv.join(t, kind, "/")
			s := socketOf(srv, "/", p)
			results := make(chan result, 3)
			ask := func(timeout time.Duration) (id string) {
				t.Helper()
				err := s.EmitWithAck(timeout, func(a socketio.Args, err error) { results <- result{a, err} }, "q")
				if err != nil {
					t.Fatal(err)
				}
				packet := p.read()
				return strings.TrimSuffix(strings.TrimPrefix(packet, "42"), `["q"]`)
			}
			id := ask(0)
			p.send("43"+id+`["a",{"b":1}]`, "43"+id+`["again"]`)
			p.fence("/")
			if r := await(t, results); r.err != nil || r.args.Len() != 2 || string(r.args.Raw(1)) != `{"b":1}` {
				t.Errorf("%s: %v", kind, r)
			}
			binary := "<07>"
			if p.v == 3 {
				binary = "<04 07>"
			}
			p.send("461-"+ask(time.Hour)+`[{"_placeholder":true,"num":0}]`, binary)
			var data []byte
			if r := await(t, results); r.err != nil || r.args.Decode(0, &data) != nil || string(data) != "\x07" {
				t.Errorf("%s: %v %x", kind, r, data)
			}
			id = ask(time.Millisecond)
			if r := await(t, results); r.err != socketio.ErrAckTimeout {
				t.Errorf("%s: %v", kind, r)
			}
			p.send("43" + id + `["late"]`)
			p.fence("/")
			ask(0)
			ask(time.Hour)
			p.send("41")
			for range 2 {
				if r := await(t, results); r.err != socketio.ErrClosed {
					t.Errorf("%s: %v", kind, r)
				}
			}
			if err := s.EmitWithAck(0, func(socketio.Args, error) { t.Error("called") }, "q"); err != socketio.ErrClosed {
				t.Errorf("%s: %v", kind, err)
			}
			if len(results) > 0 {
				t.Errorf("%s: called back twice", kind)
			}
		}
	})

	t.Run("93 nothing after DISCONNECT", func(t *testing.T) {
		// Emitters race with the server's leaving. Whatever the order, no
		// event follows 41, and the next CONNECT answer does.
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, kind := range []string{"ws4", "ws3"} {
			p := srv.join(t, kind, "/")
			for range 25 {
				p.connect("/admin")
				s := socketOf(srv, "/admin", p)
				var wg sync.WaitGroup
				for e := range 4 {
					wg.Go(func() {
						for {
							switch {
							case e == 0 && s.Emit("e") != nil:
								return
							case e == 1 && s.EmitWithAck(0, func(socketio.Args, error) {}, "e") != nil:
								return
							case e == 2:
								s.Disconnect(false)
								return
							case e == 3:
								if n, _ := srv.Of("/admin").All().Emit("e"); n == 0 {
									return
								}
							}
						}
					})
				}
				for p.read() != "41/admin," {
				}
				p.fence("/")
				wg.Wait()
				p.fence("/")
			}
		}
	})
}
