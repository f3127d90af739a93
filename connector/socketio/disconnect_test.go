package socketio_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

func TestDisconnect(t *testing.T) {
	t.Run("85 server leaves a namespace", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, kind := range kinds {
			p := srv.join(t, kind, "/")
			p.connect("/admin")
			for _, name := range []string{"/admin", "/"} {
				s := socketOf(srv, name, p)
				s.Disconnect(false)
				s.Disconnect(false)
				if err := s.Emit("late"); err != socketio.ErrClosed {
					t.Errorf("Emit: %v", err)
				}
				if err := s.Join("late"); err != socketio.ErrClosed {
					t.Errorf("Join: %v", err)
				}
			}
			p.expect("41/admin,", "41")
			p.connect("/admin") // the connection is alive
			p.fence("/admin")
		}
	})

	t.Run("85 server leaves while the client joins", func(t *testing.T) {
		type visit struct {
			s   *socketio.Socket
			ctx context.Context
		}
		visits, goOn := make(chan visit), make(chan error)
		ends := make(chan engineio.Reason, 1)
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			rootAndAdmin(s)
			ns := s.Of("/admin")
			ns.Use(func(ctx context.Context, s *socketio.Socket) error {
				visits <- visit{s, ctx}
				<-ctx.Done()
				if s.Handshake() == nil {
					t.Error("no handshake")
				}
				return <-goOn
			})
			ns.OnConnect(func(*socketio.Socket) { t.Error("connected") })
			ns.OnDisconnect(func(_ *socketio.Socket, r engineio.Reason) { ends <- r })
		})
		for _, kind := range kinds {
			p := srv.join(t, kind, "/")
			answer := map[int][2]string{3: {"40/admin,", `44/admin,"context canceled"`}, 4: {`40/admin,{"sid":"*"}`, `44/admin,{"message":"context canceled"}`}}[p.v]
			p.send("40/admin,")
			v := await(t, visits)
			v.s.Disconnect(false)
			goOn <- nil
			p.expect(answer[0], "41/admin,") // a CONNECT is always answered
			if r := await(t, ends); r != socketio.ReasonServerNamespace {
				t.Errorf("reason %q", r)
			}
			p.send("40/admin,")
			v = await(t, visits)
			v.s.Disconnect(false)
			goOn <- v.ctx.Err()
			p.expect(answer[1])
			p.fence("/")
		}
		if len(ends) > 0 {
			t.Error("a refused socket was said to disconnect")
		}
	})

	t.Run("86 server closes all", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, kind := range kinds {
			for _, held := range []bool{false, true} {
				p := srv.join(t, kind, "/")
				p.connect("/admin")
				s := socketOf(srv, "/admin", p)
				if held && strings.HasPrefix(kind, "poll") {
					closeWhenHeld(t, s, func() { s.Disconnect(true) }, p)
				} else {
					s.Disconnect(true)
				}
				p.expect("41", "41/admin,")
				p.expectClosed()
			}
		}
	})

	t.Run("87 shutdown", func(t *testing.T) {
		for _, kind := range kinds {
			reasons := make(chan engineio.Reason, 2)
			srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
				rootAndAdmin(s)
				for _, name := range []string{"/", "/admin"} {
					s.Of(name).OnDisconnect(func(_ *socketio.Socket, r engineio.Reason) { reasons <- r })
				}
			})
			p := srv.join(t, kind, "/")
			p.connect("/admin")
			done := make(chan struct{})
			go func() {
				defer close(done)
				p.expectClosed()
			}()
			srv.shutdown(t)
			if len(reasons) != 2 {
				t.Errorf("%s: shutdown returned before %d disconnect handlers had", kind, 2-len(reasons))
			}
			await(t, done)
			for range 2 {
				if r := await(t, reasons); r != engineio.ReasonServerShutdown {
					t.Errorf("reason %q", r)
				}
			}
		}
	})

	t.Run("87 shutdown waits for handlers", func(t *testing.T) {
		entered, leave := make(chan struct{}, 2), make(chan struct{})
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			rootAndAdmin(s)
			for _, name := range []string{"/", "/admin"} {
				s.Of(name).OnDisconnect(func(*socketio.Socket, engineio.Reason) { entered <- struct{}{}; <-leave })
			}
		})
		p := srv.join(t, "ws4", "/")
		p.connect("/admin")
		p.send("41/admin,")
		await(t, entered) // one handler runs before the shutdown, one because of it
		ctx, cancel := context.WithCancel(context.Background())
		failed := make(chan error)
		go func() { failed <- srv.Shutdown(ctx) }()
		await(t, entered)
		cancel()
		if err := await(t, failed); err == nil {
			t.Error("shutdown returned nil while handlers run")
		}
		close(leave)
		srv.shutdown(t)
	})

	t.Run("88 client leaves a namespace", func(t *testing.T) {
		ended := make(chan *socketio.Socket, 1)
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			rootAndAdmin(s)
			s.Of("/admin").OnConnect(func(s *socketio.Socket) { _ = s.Join("a", "b", "a") })
			s.Of("/admin").OnDisconnect(func(s *socketio.Socket, r engineio.Reason) {
				if r != socketio.ReasonClientNamespace {
					t.Errorf("reason %q", r)
				}
				ended <- s
			})
		})
		ns := srv.Of("/admin")
		for _, kind := range kinds {
			p := srv.join(t, kind, "/")
			p.connect("/admin")
			p.fence("/admin")
			s := socketOf(srv, "/admin", p)
			if !s.In("a") || !s.In("b") || ns.RoomLen("a") != 1 || ns.RoomLen("b") != 1 {
				t.Errorf("rooms are %q", s.Rooms())
			}
			s.Leave("nowhere")
			p.send("41/admin,")
			if got := await(t, ended); got != s || fmt.Sprint(s.Rooms()) != "[a b]" {
				t.Errorf("rooms at the end are %q", s.Rooms())
			}
			if ns.Len() != 0 || ns.RoomLen("a") != 0 || ns.RoomLen("b") != 0 {
				t.Error("left behind")
			}
			if _, ok := ns.Socket(s.ID()); ok {
				t.Error("still found by id")
			}
			p.fence("/")
		}
	})
}

// closeWhenHeld makes the server act while a GET is held, and keeps the answer
// for the client's next read.
func closeWhenHeld(t *testing.T, s *socketio.Socket, act func(), p *peer) {
	t.Helper()
	poll := p.client.(*pollClient)
	got := make(chan error)
	go func() { got <- poll.get() }()
	// A volatile event is dropped until the GET is held.
	eventually(t, "a GET is held", func() bool { return s.EmitVolatile("now") })
	if err := await(t, got); err != nil {
		t.Fatal(err)
	}
	poll.pending = nil
	go func() { got <- poll.get() }()
	act()
	if err := await(t, got); err != nil {
		t.Fatal(err)
	}
}

func TestReasons(t *testing.T) {
	type end struct {
		nsp    string
		reason engineio.Reason
	}
	type ctl struct {
		srv *testServer
		p   *peer
	}
	poke := func(c ctl) *http.Client { return c.p.client.(*pollClient).http }
	for _, c := range []struct {
		name  string
		kinds []string
		do    func(ctl)
		want  engineio.Reason
	}{
		{"server closes all", kinds, func(c ctl) { socketOf(c.srv, "/", c.p).Disconnect(true) }, socketio.ReasonServerNamespace},
		{"server leaves both", kinds, func(c ctl) {
			c.srv.Of("/").All().Disconnect(false)
			c.srv.Of("/admin").To(socketOf(c.srv, "/admin", c.p).ID()).Disconnect(false)
		}, socketio.ReasonServerNamespace},
		{"server closes the engine", kinds, func(c ctl) { socketOf(c.srv, "/", c.p).Session().Close("") }, engineio.ReasonForcedServerClose},
		{"client leaves both", kinds, func(c ctl) { c.p.send("41", "41/admin,") }, socketio.ReasonClientNamespace},
		{"client breaks a rule", kinds, func(c ctl) { c.p.send(`42["x"`) }, engineio.ReasonForcedClose},
		{"client is gone", []string{"ws3", "ws4"}, func(c ctl) { c.p.close() }, engineio.ReasonTransportClose},
		{"client closes polling", []string{"poll3", "poll4"}, func(c ctl) { c.p.send("1") }, engineio.ReasonTransportClose},
		{"client pings", []string{"ws4", "poll4"}, func(c ctl) { c.p.send("2") }, engineio.ReasonTransportError},
		{"client overlaps requests", []string{"poll3", "poll4"}, func(c ctl) {
			done := make(chan struct{})
			for range 2 {
				go func() {
					if r, err := poke(c).Get(c.p.client.(*pollClient).url); err == nil {
						_ = r.Body.Close()
					}
					done <- struct{}{}
				}()
			}
			<-done
			<-done
		}, engineio.ReasonTransportError},
		{"engine packet unknown", kinds, func(c ctl) { c.p.send("9") }, engineio.ReasonParseError},
		{"client is slow", []string{"poll3", "poll4"}, func(c ctl) {
			_ = socketOf(c.srv, "/", c.p).Emit("big", strings.Repeat("x", 70_000))
		}, engineio.ReasonSlowClient},
		{"handler panics", kinds, func(c ctl) { c.p.send(`42["panic"]`) }, engineio.ReasonReceiverPanic},
		{"ack callback panics", kinds, func(c ctl) {
			s := socketOf(c.srv, "/", c.p)
			_ = s.EmitWithAck(time.Millisecond, func(socketio.Args, error) { panic("on purpose") }, "x")
		}, engineio.ReasonReceiverPanic},
		{"native ack handler panics", kinds, func(c ctl) { c.p.send("431[]") }, engineio.ReasonReceiverPanic},
		{"resolver panics", kinds, func(c ctl) { c.p.send("40/panic,") }, engineio.ReasonReceiverPanic},
		{"middleware panics", kinds, func(c ctl) { c.p.send("40/mw,") }, engineio.ReasonReceiverPanic},
		{"heartbeat lost", kinds, nil, engineio.ReasonPingTimeout},
	} {
		t.Run("89 "+c.name, func(t *testing.T) {
			for _, kind := range c.kinds {
				ends := make(chan end, 10)
				o := socketio.Options{
					Engine:  engineio.Options{SendBuffer: 64 << 10},
					OnPanic: func(any, []byte) {},
				}
				if c.do == nil {
					o.Engine.PingInterval, o.Engine.PingTimeout = 20*time.Millisecond, 20*time.Millisecond
				}
				srv := serve(t, o, func(s *socketio.Server) {
					for _, name := range []string{"/", "/admin"} {
						s.Of(name).OnDisconnect(func(_ *socketio.Socket, r engineio.Reason) { ends <- end{name, r} })
						s.Of(name).On("panic", func(*socketio.Socket, *socketio.Event) { panic("on purpose") })
						s.Of(name).OnAck(func(*socketio.Socket, uint64, socketio.Args) { panic("on purpose") })
					}
					s.Of("/mw").Use(func(context.Context, *socketio.Socket) error { panic("on purpose") })
					s.Of("/mw").OnDisconnect(func(*socketio.Socket, engineio.Reason) { t.Error("never passed") })
					s.Resolve(func(string, *socketio.Handshake) (*socketio.Namespace, error) { panic("on purpose") })
				})
				p := srv.join(t, kind, "/")
				if c.do != nil {
					p.connect("/admin")
					c.do(ctl{srv, p})
				} else { // from here on the client is silent
					p.send("40/admin,")
				}
				got := map[string]engineio.Reason{}
				for range 2 {
					e := await(t, ends)
					got[e.nsp] = e.reason
				}
				if got["/"] != c.want || got["/admin"] != c.want {
					t.Errorf("%s: reasons %q, want %q", kind, got, c.want)
				}
				p.close()
				srv.shutdown(t) // returns when no handler can run any more
				if len(ends) > 0 {
					t.Errorf("%s: one more end: %v", kind, <-ends)
				}
			}
		})
	}
}

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
