package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

// The numbers are those of the conformance checklist of the wire reference.

// kinds of raw clients.
var kinds = []string{"ws4", "ws3", "poll4", "poll3"}

// echo gives a namespace the events the tests use: fence is acked, echo is
// acked with its arguments, reply is emitted back.
func echo(b *socketio.Behaviour) {
	b.On("fence", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack() })
	b.On("echo", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack(arguments(e.Args)...) })
	b.On("reply", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("reply", arguments(e.Args)...) })
}

func arguments(a socketio.Args) []any {
	all := make([]any, a.Len())
	for i := range all {
		if err := a.Decode(i, &all[i]); err != nil {
			panic(err)
		}
	}
	return all
}

func rootAndAdmin(s *socketio.Server) {
	echo(s.Of("/").Behaviour)
	echo(s.Of("/admin").Behaviour)
}

func TestConnect(t *testing.T) {
	t.Run("58 nothing before CONNECT, sid of its own", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, kind := range []string{"ws4", "poll4"} {
			p := srv.dial(t, kind)
			// What comes next is the answer, so nothing came before.
			if id := p.connect("/"); id == p.sid {
				t.Errorf("%s: socket id %q is the session id", kind, id)
			}
			p.fence("/")
		}
	})

	t.Run("59 SIO4 is in the root unasked", func(t *testing.T) {
		ids := make(chan string, 4)
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			echo(s.Of("/").Behaviour)
			for _, name := range []string{"/", "/admin"} {
				s.Of(name).OnConnect(func(s *socketio.Socket) { ids <- s.ID() })
			}
		})
		for _, kind := range []string{"ws3", "poll3"} {
			p := srv.dial(t, kind)
			p.expect("40")
			if got := await(t, ids); got != p.sid {
				t.Errorf("%s: id on / is %q, session is %q", kind, got, p.sid)
			}
			p.send("40/admin")
			p.expect("40/admin,")
			if got := await(t, ids); got != "/admin#"+p.sid {
				t.Errorf("%s: id on /admin is %q", kind, got)
			}
		}
	})

	t.Run("59 SIO4 answer leaves with the open packet", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		p := srv.dial(t, "poll3")
		if pending := p.client.(*pollClient).pending; len(pending) != 1 || pending[0] != "40" {
			t.Errorf("behind the open packet: %q", pending)
		}
	})

	t.Run("60 forms of CONNECT", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, form := range []struct{ send, answer string }{
			{"40", `40{"sid":"*"}`},
			{"40/", `40{"sid":"*"}`},
			{"40/,", `40{"sid":"*"}`},
			{"40/,{}", `40{"sid":"*"}`},
			{"40{}", `40{"sid":"*"}`},
			{"40/admin", `40/admin,{"sid":"*"}`},
			{"40/admin,", `40/admin,{"sid":"*"}`},
			{`40/admin,{"token":1}`, `40/admin,{"sid":"*"}`},
		} {
			p := srv.dial(t, "ws4")
			p.send(form.send)
			p.expect(form.answer)
		}
		for _, form := range []string{"40/admin", "40/admin,", `40/admin,{"a":1}`, "40/admin,[]", "40/admin,null"} {
			p := srv.join(t, "ws3", "/")
			p.send(form)
			p.expect("40/admin,")
		}
	})

	t.Run("61 auth", func(t *testing.T) {
		auth := make(chan string, 1)
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			s.Of("/").OnConnect(func(s *socketio.Socket) { auth <- string(s.Handshake().Auth) })
		})
		for send, want := range map[string]string{
			`40{"token":"x","n":[1,2]}`: `{"token":"x","n":[1,2]}`,
			`40`:                        `{}`,
			`40{}`:                      `{}`,
		} {
			p := srv.dial(t, "ws4")
			p.send(send)
			p.expect(`40{"sid":"*"}`)
			if got := await(t, auth); got != want {
				t.Errorf("%s: auth is %s", send, got)
			}
		}
		for _, send := range []string{"40null", "40[]", `40"x"`, "401", "40{", "40{}x", "40{}{}"} {
			p := srv.dial(t, "ws4")
			p.send(send)
			p.expectClosed()
		}
		p := srv.join(t, "ws3", "/")
		p.send(`40/admin,"x"`)
		p.expectClosed()
	})

	t.Run("62 SIO4 query in the namespace", func(t *testing.T) {
		seen := make(chan *socketio.Handshake, 1)
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			s.Of("/")
			s.Of("/admin").Use(func(_ context.Context, s *socketio.Socket) error {
				seen <- s.Handshake()
				return nil
			})
		})
		p := srv.join(t, "ws3", "/", "a=url", "u=1")
		p.send("40/admin?a=b%20c&z=%C3%A9&p=x+y&bad=%zz,")
		p.expect("40/admin,")
		h := await(t, seen)
		for key, want := range map[string]string{"a": "url", "u": "1", "z": "é", "p": "x y", "bad": "", "EIO": "3"} {
			if got := h.Query.Get(key); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		if h.Protocol != engineio.V3 || h.Auth != nil || h.Engine.RemoteAddr == "" {
			t.Errorf("handshake is %+v", h)
		}
		// SIO5: the question mark is part of the name.
		p = srv.dial(t, "ws4")
		p.send("40/admin?a=1,")
		p.expect(`44/admin?a=1,{"message":"Invalid namespace"}`)
	})

	t.Run("63 unknown namespace", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		p := srv.join(t, "ws4", "/admin")
		p.send("40/nope,")
		p.expect(`44/nope,{"message":"Invalid namespace"}`)
		p.fence("/admin")
		p = srv.join(t, "ws3", "/")
		p.send("40/nope?token=1,")
		p.expect(`44/nope,"Invalid namespace"`)
		p.fence("/")
		// Raw names, not URLs (Q10).
		for _, name := range []string{"/a b", "//x", "/../admin", "/Admin", "/é"} {
			p.send("40" + name + ",")
			p.expect("44" + name + `,"Invalid namespace"`)
		}
	})

	t.Run("64 middleware refusal", func(t *testing.T) {
		var refusals atomic.Int32
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			s.Of("/")
			s.Of("/plain").Use(func(context.Context, *socketio.Socket) error {
				if refusals.Add(1)%2 == 1 {
					return errors.New("no way <&>")
				}
				return nil
			})
			s.Of("/data").Use(func(context.Context, *socketio.Socket) error {
				return fmt.Errorf("wrapped: %w", &socketio.ConnectError{Message: "no way", Data: map[string]int{"k": 1}})
			})
			s.Of("/odd").Use(func(context.Context, *socketio.Socket) error {
				return &socketio.ConnectError{Message: "no way", Data: func() {}}
			})
		})
		for _, kind := range kinds {
			p := srv.join(t, kind, "/")
			for _, step := range []struct{ send, sio4, sio5 string }{
				{"40/plain,", `44/plain,"no way <&>"`, `44/plain,{"message":"no way <&>"}`},
				{"40/data,", `44/data,{"k":1}`, `44/data,{"message":"no way","data":{"k":1}}`},
				{"40/odd,", `44/odd,"no way"`, `44/odd,{"message":"no way"}`},
				{"40/plain,", `40/plain,`, `40/plain,{"sid":"*"}`}, // a retry succeeds
			} {
				p.send(step.send)
				if p.v == 3 {
					p.expect(step.sio4)
				} else {
					p.expect(step.sio5)
				}
			}
		}
	})

	t.Run("64 refusals that end more", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			echo(s.Of("/").Behaviour)
			refusals := map[string]*socketio.ConnectError{
				"/leave": {Message: "no", Leave: true},
				"/close": {Message: "no", Close: true},
				"/grace": {Message: "no", CloseAfter: time.Millisecond},
			}
			s.Resolve(func(name string, _ *socketio.Handshake) (*socketio.Namespace, error) {
				if e := refusals[name]; e != nil {
					return nil, e
				}
				return nil, nil
			})
		})
		p := srv.join(t, "ws3", "/")
		p.send("40/leave,")
		p.expect(`44/leave,"no"`, "41/leave,")
		p.send("40/grace,") // "/" counts as joined
		p.expect(`44/grace,"no"`)
		p.send("40/close,")
		p.expect(`44/close,"no"`)
		p.expectClosed()

		p = srv.join(t, "ws4", "/")
		p.send("40/leave,", "40/close,")
		p.expect(`44/leave,{"message":"no"}`, `44/close,{"message":"no"}`)
		p.fence("/")
		p = srv.dial(t, "ws4")
		p.send("40/grace,")
		p.expect(`44/grace,{"message":"no"}`)
		p.expectClosed()
	})

	t.Run("65 connect timeout", func(t *testing.T) {
		reasons := make(chan engineio.Reason, 1)
		srv := serve(t, socketio.Options{
			ConnectTimeout: 50 * time.Millisecond,
			IgnoreRoot:     true,
			Engine:         engineio.Options{Observer: closeReasons{c: reasons}},
		}, rootAndAdmin)
		for _, kind := range kinds {
			p := srv.dial(t, kind)
			if p.v == 3 {
				p.expect("40")
			}
			p.send("40/nope,")
			p.expect(map[int]string{3: `44/nope,"Invalid namespace"`, 4: `44/nope,{"message":"Invalid namespace"}`}[p.v])
			p.expectClosed()
			if reason := await(t, reasons); reason != engineio.ReasonForcedServerClose {
				t.Errorf("%s: reason %q", kind, reason)
			}
		}
	})

	t.Run("66 a session without namespaces stays open", func(t *testing.T) {
		srv := serve(t, socketio.Options{ConnectTimeout: 50 * time.Millisecond}, rootAndAdmin)
		gone := make(chan struct{})
		for _, kind := range []string{"ws4", "ws3"} {
			p := srv.join(t, kind, "/admin")
			p.send("41/admin,")
			// Nothing announces a timer that does not fire: wait well past it.
			time.AfterFunc(150*time.Millisecond, func() { gone <- struct{}{} })
			await(t, gone)
			p.connect("/admin")
			p.fence("/admin")
		}
	})

	t.Run("67 EVENT before CONNECT", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, first := range []string{`42["echo",1]`, `420["echo",1]`, `42/admin,["echo"]`, "430[]", "41", `451-["echo",{"_placeholder":true,"num":0}]`} {
			p := srv.dial(t, "ws4")
			p.send(first)
			p.expectClosed()
		}
		p := srv.dial(t, "poll4")
		p.send(`42["echo",1]`)
		p.expectClosed()
	})

	t.Run("68 CONNECT twice", func(t *testing.T) {
		joins := make(chan string, 10)
		open := make(chan struct{})
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			rootAndAdmin(s)
			slow := s.Of("/slow")
			echo(slow.Behaviour)
			slow.Use(func(context.Context, *socketio.Socket) error { <-open; return nil })
			slow.OnConnect(func(s *socketio.Socket) { joins <- s.ID() })
		})
		p4, p3 := srv.join(t, "ws4", "/"), srv.join(t, "ws3", "/")
		p4.send("40/slow,", "40/slow,")
		p3.send("40/slow,", "40/slow,", `42/slow,987["fence"]`)
		p4.fence("/")
		p3.fence("/")
		close(open)
		p4.expect(`40/slow,{"sid":"*"}`)
		p3.expect("40/slow,", "43/slow,987[]")
		p4.fence("/slow")
		await(t, joins)
		await(t, joins)
		if srv.Of("/slow").Len() != 2 || len(joins) != 0 {
			t.Errorf("%d sockets, %d more joins", srv.Of("/slow").Len(), len(joins))
		}

		// Once joined: SIO4 is answered again, but for the root; SIO5 is closed.
		p3.send("40/slow,", "40", "40/,", "40/slow?x=1,")
		p3.expect("40/slow,", "40/slow,")
		p3.fence("/slow")
		if len(joins) != 0 {
			t.Error("a second socket")
		}
		p4.send("40/slow,")
		p4.expectClosed()
	})

	t.Run("69 leave and join in one burst", func(t *testing.T) {
		log := make(chan string, 20)
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			s.Of("/")
			ns := s.Of("/admin")
			var n atomic.Int32
			ns.Use(func(_ context.Context, s *socketio.Socket) error { s.Data = n.Add(1); return s.Join("room") })
			note := func(what string, s *socketio.Socket) { log <- fmt.Sprint(what, s.Data) }
			ns.OnConnect(func(s *socketio.Socket) { note("join", s) })
			ns.On("e", func(s *socketio.Socket, _ *socketio.Event) { note("event", s) })
			ns.OnDisconnect(func(s *socketio.Socket, r engineio.Reason) { note("end", s) })
		})
		n := 0
		for _, kind := range kinds {
			p := srv.join(t, kind, "/admin")
			for range 3 {
				p.send(`42/admin,["e"]`, "41/admin,", "40/admin,", `42/admin,["e"]`)
				p.expect(map[int]string{3: "40/admin,", 4: `40/admin,{"sid":"*"}`}[p.v])
				n++
				for i, want := range []string{"join", "event", "end"} {
					if i == 1 && n%4 != 1 {
						// Behind the second CONNECT of the burst before.
						if got := await(t, log); got != fmt.Sprint(want, n) {
							t.Fatalf("%s: %s, want %s%d", kind, got, want, n)
						}
					}
					if got := await(t, log); got != fmt.Sprint(want, n) {
						t.Fatalf("%s: %s, want %s%d", kind, got, want, n)
					}
				}
			}
			p.close()
			n++
			for _, want := range []string{"join", "event", "end"} {
				if got := await(t, log); got != fmt.Sprint(want, n) {
					t.Fatalf("%s: %s, want %s%d", kind, got, want, n)
				}
			}
		}
		if got := srv.Of("/admin").RoomLen("room"); got != 0 {
			t.Errorf("%d left in the room", got)
		}
	})

	t.Run("69 leave and join while the server leaves", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			rootAndAdmin(s)
			s.Of("/admin").Use(func(context.Context, *socketio.Socket) error { runtime.Gosched(); return nil })
		})
		for _, kind := range []string{"ws4", "ws3"} {
			p := srv.join(t, kind, "/admin")
			for range 300 {
				s := socketOf(srv, "/admin", p)
				left := make(chan struct{})
				go func() {
					s.Disconnect(false)
					close(left)
				}()
				p.send("41/admin,", "40/admin,")
				// Whoever was first: the old socket's DISCONNECT, if any,
				// precedes the answer, which always comes.
				answer := p.read()
				if answer == "41/admin," {
					answer = p.read()
				}
				if !strings.HasPrefix(answer, "40/admin,") {
					t.Fatalf("got %s", answer)
				}
				<-left
				if handled, err := socketio.ConnectAgain(s); handled || err != nil {
					t.Fatalf("a closed socket answers CONNECT: %v", err)
				}
				p.fence("/admin")
			}
		}
	})

	t.Run("70 dynamic namespaces", func(t *testing.T) {
		shared := &socketio.Behaviour{}
		echo(shared)
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			echo(s.Of("/tenant-static").Behaviour)
			s.Resolve(func(name string, h *socketio.Handshake) (*socketio.Namespace, error) {
				switch {
				case h.Query.Get("ban") != "":
					return nil, errors.New("banned")
				case strings.HasPrefix(name, "/tenant-"):
					return s.NewNamespace(name, shared), nil
				}
				return nil, nil
			})
			s.Resolve(func(name string, _ *socketio.Handshake) (*socketio.Namespace, error) {
				if name == "/second" {
					return s.NewNamespace(name, shared), nil
				}
				return nil, nil
			})
		})
		for _, kind := range kinds {
			p := srv.dial(t, kind)
			if p.v == 3 {
				p.expect(`44"Invalid namespace"`)
			}
			for _, name := range []string{"/tenant-a", "/tenant-static", "/second"} {
				p.connect(name)
				p.fence(name)
			}
			p.send("40/Tenant-a,")
			p.expect(map[int]string{3: `44/Tenant-a,"Invalid namespace"`, 4: `44/Tenant-a,{"message":"Invalid namespace"}`}[p.v])
		}
		if got := srv.Of("/tenant-static").Len(); got != len(kinds) {
			t.Errorf("%d in the static namespace: it has no priority", got)
		}
		p := srv.dial(t, "ws4", "ban=1")
		p.send("40/tenant-a,")
		p.expect(`44/tenant-a,{"message":"banned"}`)
		p.connect("/tenant-static")
	})

	t.Run("71 the answer precedes every event", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			ns := s.Of("/")
			ns.Use(func(_ context.Context, s *socketio.Socket) error {
				if err := s.Emit("early"); !errors.Is(err, socketio.ErrClosed) {
					t.Errorf("Emit in a middleware: %v", err)
				}
				if err := s.Join("room"); err != nil {
					return err
				}
				n, err := s.Namespace().To("room").Emit("held", 1)
				if n != 1 || err != nil {
					t.Errorf("Emit: %d, %v", n, err)
				}
				if n, _ := s.Namespace().To("room").Volatile().Emit("lost"); n != 0 {
					t.Error("a volatile event was held")
				}
				return nil
			})
			ns.OnConnect(func(s *socketio.Socket) {
				_, _ = s.Namespace().All().Emit("held", 2)
				_, _ = s.Namespace().To(s.ID()).Emit("held", 3)
				_ = s.Emit("ok")
			})
		})
		for _, kind := range kinds {
			p := srv.dial(t, kind)
			if p.v == 4 {
				p.send("40")
				p.expect(`40{"sid":"*"}`)
			} else {
				p.expect("40")
			}
			p.expect(`42["ok"]`, `42["held",1]`, `42["held",2]`, `42["held",3]`)
			p.close()
			eventually(t, "the room is empty", func() bool { return srv.Of("/").RoomLen("room") == 0 })
		}
	})
}

// closeReasons tells how sessions end.
type closeReasons struct {
	engineio.NopObserver
	c chan engineio.Reason
}

func (o closeReasons) SessionClosed(_ *engineio.Session, r engineio.Reason) { o.c <- r }
