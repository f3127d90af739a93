package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

// clock is a time that only the test moves.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// attachment reads a binary packet, in the form of websocket or of polling.
func (p *peer) attachment(data ...byte) {
	p.t.Helper()
	if got := p.read(); got != fmt.Sprintf("<% x>", data) && got != "b"+b64(data) {
		p.t.Fatalf("got %s, want the bytes % x", got, data)
	}
}

// recoveryServer recovers clients of "/" and answers fences; gone hears of
// every disconnect, after the session was kept.
type recoveryServer struct {
	*testServer
	ns    *socketio.Namespace
	clock *clock
	gone  chan engineio.Reason
	came  chan *socketio.Socket
}

func serveRecovery(t *testing.T, change func(*socketio.Recovery, *socketio.Namespace)) *recoveryServer {
	r := &recoveryServer{clock: &clock{}, gone: make(chan engineio.Reason, 100), came: make(chan *socketio.Socket, 100)}
	o := &socketio.Recovery{Store: socketio.NewMemoryStore(socketio.MemoryStoreOptions{Now: r.clock.now})}
	r.testServer = serve(t, socketio.Options{Recovery: o}, func(s *socketio.Server) {
		r.ns = s.Of("/")
		r.ns.On("fence", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack() })
		r.ns.On("join", func(s *socketio.Socket, e *socketio.Event) {
			var room string
			_ = e.Args.Decode(0, &room)
			_ = s.Join(room)
			s.Data = "in " + room
		})
		r.ns.OnConnect(func(s *socketio.Socket) { r.came <- s })
		r.ns.OnDisconnect(func(_ *socketio.Socket, reason engineio.Reason) { r.gone <- reason })
		if change != nil {
			change(o, r.ns)
		}
	})
	return r
}

// ticket is what a client needs to come back.
type ticket struct{ sid, pid, offset string }

// enter connects and returns the ids; the offset comes with events.
func (r *recoveryServer) enter(t *testing.T, kind string) (*peer, ticket) {
	t.Helper()
	p := r.dial(t, kind)
	p.send("40")
	answer := p.read()
	var ids struct{ SID, PID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(answer, "40")), &ids); err != nil || len(ids.PID) < 15 || ids.PID == ids.SID {
		t.Fatalf("CONNECT answer %s", answer)
	}
	await(t, r.came)
	return p, ticket{sid: ids.SID, pid: ids.PID}
}

var lastText = regexp.MustCompile(`,"([0-9a-z]{5,20})"\]$`)

// event reads an event and wants it to be text up to its offset, which is
// returned.
func (p *peer) event(want string) (offset string) {
	p.t.Helper()
	got := p.read()
	m := lastText.FindStringSubmatch(got)
	if m == nil || got != want+`,"`+m[1]+`"]` {
		p.t.Fatalf("got  %s\nwant %s and an offset", got, want)
	}
	return m[1]
}

// back asks for recovery; answer is the packet that ends it.
func (r *recoveryServer) back(t *testing.T, kind, auth string) *peer {
	t.Helper()
	p := r.dial(t, kind)
	p.send("40" + auth)
	return p
}

func (k ticket) auth() string { return fmt.Sprintf(`{"pid":%q,"offset":%q}`, k.pid, k.offset) }

func (k ticket) answer() string { return fmt.Sprintf(`40{"sid":%q,"pid":%q}`, k.sid, k.pid) }

// wantFresh reads the answer to a CONNECT that must not have been recovered.
func (p *peer) wantFresh(k ticket) {
	p.t.Helper()
	got := p.read()
	if !strings.HasPrefix(got, `40{"sid":"`) || strings.Contains(got, k.sid) || strings.Contains(got, k.pid) {
		p.t.Fatalf("answer %s for the client %+v", got, k)
	}
}

func TestRecovery94PidAndOffsets(t *testing.T) {
	r := serveRecovery(t, nil)
	for _, kind := range []string{"ws4", "poll4"} {
		p, _ := r.enter(t, kind)
		s := r.ns.Sockets()[0]
		first := p.t.Name()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(s.Emit("direct", first, 1))
		offset := p.event(`42["direct","` + first + `",1`)
		_, err := r.ns.All().Emit("all")
		must(err)
		if next := p.event(`42["all"`); next <= offset {
			t.Errorf("offset %s after %s", next, offset)
		}
		_, err = r.ns.All().Emit("bin", socketio.Binary{1, 2})
		must(err)
		p.event(`451-["bin",{"_placeholder":true,"num":0}`)
		p.attachment(1, 2)
		// Neither with an ack id nor volatile.
		_, err = r.ns.All().AckID(7).Emit("confirm", 1)
		must(err)
		p.expect(`427["confirm",1]`)
		must(s.EmitWithAck(time.Minute, func(socketio.Args, error) {}, "ask", 1))
		if got := p.read(); !regexp.MustCompile(`^42\d+\["ask",1\]$`).MatchString(got) {
			t.Errorf("event with ack: %s", got)
		}
		if kind == "ws4" {
			eventually(t, "a volatile event leaves", func() bool { return s.EmitVolatile("now", 1) })
			p.expect(`42["now",1]`)
			n, err := r.ns.All().Volatile().Emit("now", 2)
			if must(err); n == 1 {
				p.expect(`42["now",2]`)
			}
		}
		p.fence("/")
		p.close()
		await(t, r.gone)
	}
}

func TestRecovery95MissedEvents(t *testing.T) {
	r := serveRecovery(t, nil)
	for _, kind := range []string{"ws4", "poll4"} {
		t.Run(kind, func(t *testing.T) {
			p, k := r.enter(t, kind)
			p.send(`42["join","r"]`)
			p.fence("/")
			stranger, other := r.enter(t, "ws4")
			defer func() {
				stranger.close()
				await(t, r.gone)
			}()
			_, _ = r.ns.To("r").Emit("first")
			k.offset = p.event(`42["first"`)
			s, _ := r.ns.Socket(k.sid)
			if p.close(); kind == "ws4" {
				await(t, r.gone)
			} else if got := await(t, r.gone); got != engineio.ReasonTransportClose {
				t.Fatalf("gone by %q", got)
			}
			for _, emit := range []func() (int, error){
				func() (int, error) { return r.ns.To("r", "q").Emit("room", 1) },
				func() (int, error) { return r.ns.To("q").Emit("not mine") },
				func() (int, error) { return r.ns.All().Emit("everybody", socketio.Binary{3}) },
				func() (int, error) { return r.ns.All().Except("r").Emit("not r") },
				func() (int, error) { return r.ns.All().Except(k.sid).Emit("not me") },
				func() (int, error) { return r.ns.To(k.sid).Emit("me") },
				func() (int, error) { return r.ns.All().Volatile().Emit("volatile") },
				func() (int, error) { return r.ns.All().AckID(1).Emit("with ack") },
				func() (int, error) {
					return r.ns.All().Skip(func(*socketio.Socket) bool { return false }).Emit("skip")
				},
				func() (int, error) { return r.ns.To("r").Emit("last") },
			} {
				if _, err := emit(); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Emit("late"); !errors.Is(err, socketio.ErrClosed) {
				t.Errorf("emit to a client that has gone: %v", err)
			}
			p = r.back(t, kind, k.auth())
			p.event(`42["room",1`)
			p.event(`451-["everybody",{"_placeholder":true,"num":0}`)
			p.attachment(3)
			p.event(`42["me"`)
			k.offset = p.event(`42["last"`)
			p.expect(k.answer())
			now := await(t, r.came)
			if !now.Recovered() || now.ID() != k.sid || now.PID() != k.pid || now == s ||
				!slices.Equal(now.Rooms(), []string{"r"}) || now.Data != "in r" {
				t.Errorf("recovered %v %s %v %v", now.Recovered(), now.ID(), now.Rooms(), now.Data)
			}
			_, _ = r.ns.To("r").Emit("live")
			k.offset = p.event(`42["live"`)
			p.fence("/")

			// Again, with nothing missed.
			p.close()
			await(t, r.gone)
			p = r.back(t, kind, k.auth())
			p.expect(k.answer())
			await(t, r.came)
			p.fence("/")
			p.close()
			await(t, r.gone)
			if _, ok := r.ns.Socket(other.sid); !ok || r.ns.RoomLen("r") != 0 {
				t.Error("others were touched, or the room was not left")
			}
		})
	}
}

func TestRecovery96Refused(t *testing.T) {
	r := serveRecovery(t, nil)
	// leave makes a client that has an offset and goes.
	leave := func(t *testing.T, how func(p *peer, s *socketio.Socket)) ticket {
		t.Helper()
		p, k := r.enter(t, "ws4")
		_, _ = r.ns.All().Emit("e")
		k.offset = p.event(`42["e"`)
		s, _ := r.ns.Socket(k.sid)
		how(p, s)
		await(t, r.gone)
		return k
	}
	drop := func(p *peer, _ *socketio.Socket) { p.close() }
	fresh := func(t *testing.T, k ticket, auth string) {
		t.Helper()
		p := r.back(t, "ws4", auth)
		p.wantFresh(k)
		if await(t, r.came).Recovered() {
			t.Error("recovered")
		}
		p.fence("/")
		p.close()
		await(t, r.gone)
	}
	t.Run("malformed or unknown", func(t *testing.T) {
		k := leave(t, drop)
		for _, auth := range []string{
			``, `{}`, `{"pid":1,"offset":"x"}`, `{"pid":null,"offset":null}`, `{"offset":"` + k.offset + `"}`,
			`{"pid":"` + k.pid + `"}`, `{"pid":"` + k.pid + `","offset":7}`, `{"pid":"` + k.pid + `","offset":["` + k.offset + `"]}`,
			`{"pid":"` + k.pid + `","offset":"nothing"}`, `{"pid":"` + k.sid + `","offset":"` + k.offset + `"}`,
			`{"PID":"` + k.pid + `","offset":"` + k.offset + `"}`,
			`{"pid":"` + strings.Repeat("x", 100) + `","offset":"` + k.offset + `"}`,
		} {
			fresh(t, k, auth)
		}
		p := r.back(t, "ws4", k.auth()) // none of them used it up
		p.expect(k.answer())
		await(t, r.came)
		p.close()
		await(t, r.gone)
	})
	t.Run("expired", func(t *testing.T) {
		k := leave(t, drop)
		r.clock.advance(2*time.Minute + time.Second)
		fresh(t, k, k.auth())
	})
	for what, how := range map[string]func(*peer, *socketio.Socket){
		"41 of the client":   func(p *peer, _ *socketio.Socket) { p.send("41") },
		"41 of the server":   func(_ *peer, s *socketio.Socket) { s.Disconnect(false) },
		"close of all":       func(_ *peer, s *socketio.Socket) { s.Disconnect(true) },
		"41, then the close": func(p *peer, _ *socketio.Socket) { p.send("41"); p.close() },
	} {
		t.Run(what, func(t *testing.T) {
			k := leave(t, how)
			fresh(t, k, k.auth())
		})
	}
	t.Run("once", func(t *testing.T) {
		k := leave(t, drop)
		p := r.back(t, "ws4", k.auth())
		p.expect(k.answer())
		await(t, r.came)
		fresh(t, k, k.auth()) // its socket lives
		p.close()
		await(t, r.gone)
	})
	t.Run("at the same time", func(t *testing.T) {
		k := leave(t, drop)
		var wg sync.WaitGroup
		var won atomic.Int32
		for range 10 {
			p := r.dial(t, "ws4")
			wg.Go(func() {
				p.send("40" + k.auth())
				if answer, err := p.next(); err != nil {
					t.Error(err)
				} else if answer == k.answer() {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d sockets with one pid", won.Load())
		}
		for range 10 {
			await(t, r.came)
		}
	})
}

// TestRecovery96Reasons holds which ends of a connection can be recovered.
func TestRecovery96Reasons(t *testing.T) {
	for reason, want := range map[engineio.Reason]bool{
		engineio.ReasonTransportError: true, engineio.ReasonTransportClose: true, engineio.ReasonForcedClose: true,
		engineio.ReasonPingTimeout: true, engineio.ReasonServerShutdown: true, engineio.ReasonForcedServerClose: true,
		engineio.ReasonParseError: false, engineio.ReasonSlowClient: false, engineio.ReasonReceiverPanic: false,
		socketio.ReasonClientNamespace: false, socketio.ReasonServerNamespace: false,
	} {
		if socketio.Recoverable(reason) != want {
			t.Errorf("%s: %v", reason, !want)
		}
	}
}

// TestRecovery97OtherClients holds that clients that know nothing of recovery
// work as ever: EIO3, and the first packets of python and swift.
func TestRecovery97OtherClients(t *testing.T) {
	r := serveRecovery(t, nil)
	for _, c := range []struct{ name, kind, connect, answer string }{
		{"JS 2, java 1, python 4 websocket", "ws3", "", "40"},
		{"JS 2 polling", "poll3", "", "40"},
		{"JS 3", "ws4", "40", `40{"sid":"*","pid":"*"}`},
		{"python 5", "poll4", "40{}", `40{"sid":"*","pid":"*"}`},
		{"java 2, swift 3 with auth", "ws4", `40{"token":"x"}`, `40{"sid":"*","pid":"*"}`},
		{"swift 3, explicit root", "ws4", `40/,`, `40{"sid":"*","pid":"*"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := r.dial(t, c.kind)
			if c.connect != "" {
				p.send(c.connect)
			}
			p.expect(c.answer)
			s := await(t, r.came)
			if (s.PID() == "") != (p.v == 3) {
				t.Errorf("pid %q", s.PID())
			}
			_, _ = r.ns.To(s.ID()).Emit("hello", map[string]int{"a": 1})
			p.event(`42["hello",{"a":1}`)
			p.fence("/")
			p.close()
			await(t, r.gone)
		})
	}
}

// TestRecoveryMiddlewares holds that recovered sockets skip the middlewares or
// not, and that one that is refused can try again.
func TestRecoveryMiddlewares(t *testing.T) {
	for _, run := range []bool{false, true} {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			var mu sync.Mutex
			var seen []string
			refuse := false
			r := serveRecovery(t, func(o *socketio.Recovery, ns *socketio.Namespace) {
				o.RunMiddlewares = run
				ns.Use(func(_ context.Context, s *socketio.Socket) error {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, fmt.Sprint(s.Recovered(), s.Rooms()))
					if refuse {
						return errors.New("not now")
					}
					return s.Join("r")
				})
			})
			p, k := r.enter(t, "ws4")
			_, _ = r.ns.To("r").Emit("e")
			k.offset = p.event(`42["e"`)
			p.close()
			await(t, r.gone)
			_, _ = r.ns.To("r").Emit("missed")
			mu.Lock()
			refuse = run
			mu.Unlock()
			if run {
				p = r.back(t, "ws4", k.auth())
				p.expect(`44{"message":"not now"}`)
				eventually(t, "the refused socket has gone", func() bool { return r.ns.Len() == 0 && r.ns.RoomLen("r") == 0 })
				mu.Lock()
				refuse = false
				mu.Unlock()
			}
			p = r.back(t, "ws4", k.auth())
			p.event(`42["missed"`)
			p.expect(k.answer())
			await(t, r.came)
			mu.Lock()
			defer mu.Unlock()
			want := []string{"false []"}
			if run {
				want = append(want, "true [r]", "true [r]")
			}
			if !slices.Equal(seen, want) {
				t.Errorf("middleware saw %q, want %q", seen, want)
			}
		})
	}
}

// TestRecoveryLosesNothing holds that events emitted while a client breaks off
// and comes back arrive once each and in order.
func TestRecoveryLosesNothing(t *testing.T) {
	r := serveRecovery(t, nil)
	p, k := r.enter(t, "ws4")
	const events = 2000
	go func() {
		for i := range events {
			_, _ = r.ns.All().Emit("n", i)
			if i%50 == 0 {
				time.Sleep(time.Millisecond) // spread over some reconnects
			}
		}
	}()
	at, back := 0, 0
	for at < events {
		for range 1 + at%97 {
			if at == events {
				break
			}
			k.offset = p.event(fmt.Sprintf(`42["n",%d`, at))
			at++
		}
		p.close()
		await(t, r.gone)
		p = r.back(t, "ws4", k.auth())
		for {
			got := p.read()
			if got == k.answer() {
				break
			}
			m := lastText.FindStringSubmatch(got)
			if m == nil || got != fmt.Sprintf(`42["n",%d,%q]`, at, m[1]) {
				t.Fatalf("got %s, want event %d", got, at)
			}
			k.offset = m[1]
			at++
		}
		await(t, r.came)
		back++
	}
	t.Logf("%d reconnects", back)
}

func TestMemoryStoreBounds(t *testing.T) {
	c := &clock{}
	m := socketio.NewMemoryStore(socketio.MemoryStoreOptions{Sessions: 2, Events: 3, Bytes: 4000, Now: c.now})
	event := func(text string) string {
		offset := m.NextOffset("/a")
		m.Append("/a", socketio.RecoveryEvent{Offset: offset, Text: []byte(text)})
		return offset
	}
	restore := func(pid, offset string) (missed int, ok bool) {
		s, events, ok := m.Restore("/a", pid, offset)
		if ok {
			m.Save("/a", s)
		}
		return len(events), ok
	}
	for _, pid := range []string{"p1", "p2", "p3"} {
		m.Save("/a", socketio.RecoverySession{ID: "s" + pid, PID: pid})
	}
	first := event("1")
	for pid, want := range map[string]bool{"p1": false, "p2": true, "p3": true} {
		if _, ok := restore(pid, first); ok != want {
			t.Errorf("%s: %v", pid, ok)
		}
	}
	if _, _, ok := m.Restore("/b", "p2", first); ok {
		t.Error("a session of another namespace")
	}
	second := event("2")
	event("3")
	if n, ok := restore("p2", first); !ok || n != 2 {
		t.Errorf("%d events, %v", n, ok)
	}
	event("4") // the first goes
	if _, ok := restore("p2", first); ok {
		t.Error("more events than allowed")
	}
	if n, ok := restore("p2", second); !ok || n != 2 {
		t.Errorf("%d events, %v", n, ok)
	}
	last := event(strings.Repeat("x", 3500))
	if _, ok := restore("p2", second); ok {
		t.Error("more bytes than allowed")
	}
	if n, ok := restore("p2", last); !ok || n != 0 {
		t.Errorf("%d events, %v", n, ok)
	}
	c.advance(2*time.Minute + time.Second)
	if _, ok := restore("p2", last); ok {
		t.Error("too old a session")
	}
	m.Save("/a", socketio.RecoverySession{PID: "p9"})
	if _, ok := restore("p9", last); !ok {
		t.Error("an event as old as the disconnect allows is gone")
	}
	c.advance(2*time.Minute + time.Second)
	m.Save("/a", socketio.RecoverySession{PID: "p9"})
	if _, ok := restore("p9", last); ok {
		t.Error("too old an event")
	}
}

// TestRecoveryByApplication holds the tools of an application that keeps
// everything itself: offsets behind events with ack id, and a replay that
// meets live broadcasts.
func TestRecoveryByApplication(t *testing.T) {
	entered, proceed := make(chan *socketio.Socket, 1), make(chan struct{})
	var ns *socketio.Namespace
	r := serve(t, socketio.Options{Recovery: &socketio.Recovery{ByApplication: true}}, func(s *socketio.Server) {
		ns = s.Of("/")
		ns.On("fence", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack() })
		ns.Use(func(_ context.Context, s *socketio.Socket) error {
			if r := s.Handshake().Recovery; r.PID != "" {
				if r != (socketio.RecoveryRequest{PID: "secret", Offset: "2"}) {
					t.Errorf("request %+v", r)
				}
				if err := s.Resume("old id", r.PID); err != nil {
					t.Error(err)
				}
			}
			if err := s.Join("r"); err != nil {
				return err
			}
			if !s.Recovered() {
				return nil
			}
			entered <- s
			<-proceed
			var missed []*socketio.Prepared
			for i := 3; i <= 5; i++ {
				p, err := s.Namespace().To("r").AckID(uint64(i)).Offset(fmt.Sprint(i)).Prepare("push", i)
				if err != nil {
					return err
				}
				missed = append(missed, p)
			}
			huge, _ := s.Namespace().All().Prepare("huge", strings.Repeat("x", 3<<20))
			if err := s.Replay(huge); !errors.Is(err, socketio.ErrReplayOverflow) {
				t.Errorf("a huge replay: %v", err)
			}
			return s.Replay(missed...)
		})
		ns.OnConnect(func(s *socketio.Socket) { _ = s.Emit("ok", s.Recovered()) })
	})
	emit := func(i int) {
		if _, err := ns.To("r").AckID(uint64(i)).Offset(fmt.Sprint(i)).Emit("push", i); err != nil {
			t.Error(err)
		}
	}
	both := func(i int) []string {
		return []string{fmt.Sprintf(`42%d["push",%d]`, i, i), fmt.Sprintf(`42["offset","%d"]`, i)}
	}

	p := r.dial(t, "ws4")
	p.send("40")
	p.expect(`40{"sid":"*","pid":"*"}`, `42["ok",false]`)
	v2 := r.dial(t, "ws3")
	v2.expect("40", `42["ok",false]`)
	emit(1)
	p.expect(both(1)...)
	v2.expect(both(1)[0])
	p.fence("/")
	v2.fence("/")
	p.close()

	p = r.dial(t, "ws4")
	p.send(`40{"pid":"secret","offset":"2"}`)
	s := await(t, entered)
	emit(4) // replayed too: held, and dropped
	emit(6) // held
	close(proceed)
	for i := 3; i <= 5; i++ {
		p.expect(both(i)...)
	}
	p.expect(`40{"sid":"old id","pid":"secret"}`, `42["ok",true]`)
	p.expect(both(6)...)
	emit(5) // on its way while it was replayed
	emit(7)
	p.expect(both(7)...)
	if err := s.Resume("x", "y"); err == nil {
		t.Error("a connected socket resumed")
	}
	if err := s.Replay(); err == nil {
		t.Error("a connected socket replayed")
	}
}
