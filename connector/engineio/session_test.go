package engineio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/netpoll"
)

func TestSendIsAdjacent(t *testing.T) {
	bothProtocols(t, "websocket", func(t *testing.T, v Protocol) {
		st := newSite(t, Options{})
		c := st.connect(v, "")
		const senders, rounds = 8, 50
		for i := range senders {
			go func() {
				for range rounds {
					_ = c.s.Send(text(fmt.Sprintf("head %d", i)), binary(byte(i)), binary(byte(i)))
				}
			}()
		}
		for range senders * rounds {
			var i int
			head := c.read()
			if _, err := fmt.Sscanf(head, "4head %d", &i); err != nil {
				t.Fatalf("%q in place of a head", head)
			}
			attachment := map[Protocol]string{V3: "<04%02x>", V4: "<%02x>"}[v]
			c.want(fmt.Sprintf(attachment, i), fmt.Sprintf(attachment, i))
		}
	})
}

func TestSendVolatile(t *testing.T) {
	st := newSite(t, Options{})
	p := st.poll(V4, "")
	if p.s.SendVolatile(text("lost")) {
		t.Fatal("sent without a GET")
	}
	held := p.hold()
	if !p.s.SendVolatile(text("a"), text("b")) {
		t.Fatal("not sent with a GET held")
	}
	p.wantHeld(held, "4a\x1e4b")
	c := st.connect(V4, "")
	eventually(t, "writable", c.s.socket.conn.Writable)
	if !c.s.SendVolatile(text("c")) {
		t.Fatal("not sent on an idle WebSocket")
	}
	c.want("4c")
	fill := strings.Repeat("x", 1<<20)
	eventually(t, "socket is full", func() bool {
		return c.s.Send(text(fill)) == nil && !c.s.SendVolatile(text("lost"))
	})
}

type countingObserver struct {
	NopObserver
	overflows, panics, opened, closed, upgraded, refused, received, sent atomic.Int64
}

func (o *countingObserver) SessionOpened(*Session)         { o.opened.Add(1) }
func (o *countingObserver) SessionClosed(*Session, Reason) { o.closed.Add(1) }
func (o *countingObserver) SessionUpgraded(*Session)       { o.upgraded.Add(1) }
func (o *countingObserver) RequestRefused(Code)            { o.refused.Add(1) }
func (o *countingObserver) Overflowed(*Session)            { o.overflows.Add(1) }
func (o *countingObserver) Received(packets, _ int)        { o.received.Add(int64(packets)) }
func (o *countingObserver) Sent(packets, _ int)            { o.sent.Add(int64(packets)) }
func (o *countingObserver) Panicked(*Session, any, []byte) { o.panics.Add(1) }

func TestSlowClient(t *testing.T) {
	t.Run("polling", func(t *testing.T) {
		var o countingObserver
		st := newSite(t, Options{SendBuffer: 1000, Observer: &o})
		p := st.poll(V4, "")
		err := error(nil)
		for range 20 {
			if err = p.s.Send(text(strings.Repeat("x", 100))); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrOverflow) || p.s.Send(text("x")) != ErrClosed || o.overflows.Load() != 1 {
			t.Fatal(err, o.overflows.Load())
		}
		p.wantClosed(t, ReasonSlowClient)
		p.gone()
	})
	t.Run("websocket", func(t *testing.T) {
		st := newSite(t, Options{SendBuffer: 1 << 20})
		c := st.connect(V4, "")
		m := text(strings.Repeat("x", 100_000))
		eventually(t, "overflow", func() bool { return errors.Is(c.s.Send(m), ErrOverflow) })
		c.wantClosed(t, ReasonSlowClient)
		if st.server.Len() != 0 {
			t.Fatal(st.server.Len())
		}
	})
	t.Run("inside OnOpen", func(t *testing.T) {
		st := newSite(t, Options{SendBuffer: 300}, func(st *site) {
			st.onOpen = func(p *peer) { _ = p.s.Send(text(strings.Repeat("x", 1000))) }
		})
		st.do("GET", "EIO=4&transport=polling", "").want(t, 500, "")
		st.peer().wantClosed(t, ReasonSlowClient)
		if _, res := st.dial("EIO=4&transport=websocket", "", nil); res.StatusCode != 500 {
			t.Fatal(res.StatusCode)
		}
		st.peer().wantClosed(t, ReasonSlowClient)
	})
}

func TestReceiverErrors(t *testing.T) {
	var o countingObserver
	st := newSite(t, Options{Observer: &o}, func(st *site) {
		st.hook = func(p *peer, _ bool, data []byte) error {
			switch string(data) {
			case "plain":
				return io.ErrUnexpectedEOF
			case "chosen":
				return fmt.Errorf("wrapped: %w", &CloseError{Reason: "my reason", Err: io.EOF})
			case "panic":
				panic("boom")
			case "close":
				p.s.Close(ReasonForcedServerClose)
			case "farewell":
				_ = p.s.Send(text("bye"))
				return io.EOF
			}
			return nil
		}
	})
	for input, want := range map[string]Reason{
		"plain": ReasonForcedClose, "chosen": "my reason", "panic": ReasonReceiverPanic, "farewell": ReasonForcedClose,
	} {
		t.Run(input, func(t *testing.T) {
			c := st.connect(V4, "")
			c.text("4"+input, "4late")
			if input == "farewell" {
				c.want("4bye")
			}
			c.want("close", "EOF")
			c.wantClosed(t, want)
			p := st.poll(V4, "")
			p.postOK("4" + input + "\x1e4late")
			p.wantClosed(t, want)
			if len(c.got)+len(p.got) != 0 {
				t.Fatal("delivered after the error")
			}
		})
	}
	t.Run("Close inside OnMessage", func(t *testing.T) {
		c := st.connect(V4, "")
		c.text("4close", "4late")
		c.want("close", "EOF")
		c.wantClosed(t, ReasonForcedServerClose)
		c.wantMessages(t, "close")
		if len(c.got) != 0 {
			t.Fatal("delivered after Close")
		}
	})
	if o.panics.Load() != 2 {
		t.Fatal(o.panics.Load())
	}
}

func TestOnOpenFailures(t *testing.T) {
	var o countingObserver
	st := newSite(t, Options{Observer: &o}, func(st *site) {
		st.onOpen = func(p *peer) {
			switch p.s.Request().Query().Get("do") {
			case "panic":
				panic("boom")
			case "close":
				_ = p.s.Send(text("bye"))
				p.s.Close(ReasonForcedServerClose)
			}
		}
	})
	st.do("GET", "EIO=4&transport=polling&do=panic", "").want(t, 500, "")
	if _, res := st.dial("EIO=4&transport=websocket&do=panic", "", nil); res.StatusCode != 500 {
		t.Fatal(res.StatusCode)
	}
	eventually(t, "sessions are gone", func() bool { return o.closed.Load() == 2 && st.server.Len() == 0 })

	c := st.connect(V4, "&do=close")
	c.want("4bye", "close", "EOF")
	c.wantClosed(t, ReasonForcedServerClose)
	p := st.poll(V4, "&do=close")
	if !strings.HasSuffix(p.open.body, "\x1e4bye") {
		t.Fatal(p.open.body)
	}
	p.get().want(t, 200, "6\x1e1")
	p.wantClosed(t, ReasonForcedServerClose)
}

// TestCloseFromManyGoroutines: OnClose comes once, after the last OnMessage.
func TestCloseFromManyGoroutines(t *testing.T) {
	var inside atomic.Int32
	st := newSite(t, Options{}, func(st *site) {
		st.hook = func(p *peer, _ bool, _ []byte) error {
			if inside.Add(1) != 1 {
				t.Error("OnMessage overlaps")
			}
			time.Sleep(time.Millisecond)
			if len(p.closed) != 0 {
				t.Error("OnClose during OnMessage")
			}
			inside.Add(-1)
			return nil
		}
	})
	for range 20 {
		c := st.connect(V4, "")
		c.text("4a", "4b", "4c")
		<-c.got
		var closers sync.WaitGroup
		for i := range 4 {
			closers.Go(func() {
				if i%2 == 0 {
					c.s.Close(ReasonForcedClose)
				} else {
					c.s.fail(ReasonForcedClose)
				}
			})
		}
		closers.Wait()
		c.wantClosed(t, ReasonForcedClose)
		if len(c.closed) != 0 {
			t.Fatal("closed twice")
		}
	}
}

func TestPause(t *testing.T) {
	pauseOn := func(p *peer, _ bool, data []byte) error {
		if string(data) == "pause" {
			p.s.Pause()
		}
		return nil
	}
	st := newSite(t, Options{}, func(st *site) { st.hook = pauseOn })
	t.Run("POST answer is withheld", func(t *testing.T) {
		p := st.poll(V4, "")
		answers := make(chan answer, 1)
		go func() { answers <- p.post("4pause\x1e4x") }()
		p.wantMessages(t, "pause", "x")
		select {
		case a := <-answers:
			t.Fatalf("answered %+v", a)
		case <-time.After(50 * time.Millisecond):
		}
		p.s.Resume()
		(<-answers).want(t, 200, "ok")
	})
	t.Run("for a bounded time", func(t *testing.T) {
		st := newSite(t, Options{PingTimeout: 100 * time.Millisecond}, func(st *site) { st.hook = pauseOn })
		p := st.poll(V4, "")
		p.postOK("4pause")
		p.postOK("4x")
		p.wantMessages(t, "pause", "x")
	})
	t.Run("until the session ends", func(t *testing.T) {
		p := st.poll(V4, "")
		answers := make(chan answer, 1)
		go func() { answers <- p.post("4pause") }()
		p.wantMessages(t, "pause")
		p.s.Close("")
		(<-answers).want(t, 200, "ok")
	})
	t.Run("websocket", func(t *testing.T) {
		c := st.connect(V4, "")
		c.text("4pause")
		c.wantMessages(t, "pause")
		c.text("4x")
		select {
		case got := <-c.got:
			t.Fatalf("%q delivered while paused", got)
		case <-time.After(50 * time.Millisecond):
		}
		c.s.Resume()
		c.wantMessages(t, "x")
	})
	t.Run("inside OnOpen", func(t *testing.T) {
		st := newSite(t, Options{}, func(st *site) { st.onOpen = func(p *peer) { p.s.Pause() } })
		c := st.connect(V4, "")
		c.text("4x")
		c.s.Resume()
		c.wantMessages(t, "x")
	})
}

func TestServerSessions(t *testing.T) {
	var o countingObserver
	st := newSite(t, Options{Observer: &o})
	a, b := st.poll(V4, ""), st.connect(V3, "")
	seen := map[*Session]bool{}
	st.server.Sessions(func(s *Session) bool { seen[s] = true; return true })
	if len(seen) != 2 || !seen[a.s] || !seen[b.s] || st.server.Len() != 2 {
		t.Fatal(seen, st.server.Len())
	}
	calls := 0
	st.server.Sessions(func(*Session) bool { calls++; return false })
	if calls != 1 {
		t.Fatal(calls)
	}
	a.s.Close("") // still fetchable, no longer counted
	if st.server.Len() != 1 {
		t.Fatal(st.server.Len())
	}
	b.text("4x", "2")
	b.wantMessages(t, "x")
	b.want("3")
	st.do("GET", "EIO=4", "")
	b.s.Close("")
	eventually(t, "counted", func() bool {
		return o.opened.Load() == 2 && o.closed.Load() == 2 && o.refused.Load() == 1 && o.received.Load() == 2 && o.sent.Load() >= 3
	})
}

func TestShutdownRunsOutOfTime(t *testing.T) {
	st := newSite(t, Options{})
	p := st.poll(V4, "") // never polls again; newSite's cleanup shuts down with a finished context
	p.s.Close("")
	p.wantClosed(t, ReasonForcedServerClose)
}

// TestRequestOvertakenByTheEnd: the session ends, or is upgraded, after its request was checked.
func TestRequestOvertakenByTheEnd(t *testing.T) {
	st := newSite(t, Options{})
	run := func(method, query string, handle func(*call)) answer {
		w := httptest.NewRecorder()
		handle(st.server.newCall(w, httptest.NewRequest(method, "/?"+query, nil)))
		return answer{w.Code, w.Header(), w.Body.String(), nil}
	}
	p := st.poll(V4, "")
	c := p.attach()
	c.text("5")
	eventually(t, "switched", func() bool { return p.s.Transport() == "websocket" })
	for _, code := range []Code{CodeBadRequest, CodeUnknownSession} {
		run("GET", p.query, func(c *call) { c.get(p.s) }).wantCode(t, 400, code)
		run("POST", p.query, func(c *call) { c.post(p.s) }).wantCode(t, 400, code)
		p.s.Close("")
		p.s.Pause()
		p.s.Resume()
	}
	// A response writer that cannot be hijacked.
	a := run("GET", "EIO=4&transport=websocket", func(c *call) {
		c.r.Header.Set("Sec-WebSocket-Version", "13")
		c.r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		c.handshakeWebSocket()
	})
	a.want(t, 500, "")
}

func TestPollerIsClosed(t *testing.T) {
	closed := netpoll.NewGoroutines(netpoll.Options{})
	_ = closed.Close()
	st := newSite(t, Options{Poller: closed})
	nc, err := net.Dial("tcp", st.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(nc, "GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: t\r\n"+wsHeaders+"\r\n")
	if rest, err := io.ReadAll(nc); err != nil || len(rest) > 0 || st.server.Len() != 0 {
		t.Fatal(rest, err, st.server.Len())
	}
}
