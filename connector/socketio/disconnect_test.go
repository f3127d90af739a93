package socketio_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
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
