package engineio

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/lightpush/lightpush/connector/netpoll"
)

func TestWebSocket(t *testing.T) {
	st := newSite(t, Options{MaxPayload: 1000}, func(st *site) { st.hook = echo })
	t.Run("36 binary", func(t *testing.T) {
		c := st.connect(V4, "")
		c.binary("\x01\x02")
		c.wantMessages(t, "<0102>")
		c.want("<0102>")
		c.binary("")
		c.wantMessages(t, "<>")
		c.want("<>")
		c = st.connect(V3, "")
		c.binary("\x04\x01\x02")
		c.wantMessages(t, "<0102>")
		c.want("<040102>")
		c.binary("\x04")
		c.want("<04>")
	})
	t.Run("37 base64", func(t *testing.T) {
		for v, form := range map[Protocol]string{V3: "b4AQI=", V4: "bAQI="} {
			c := st.connect(v, "&b64=1")
			c.text(form)
			c.wantMessages(t, "<0102>")
			c.want(form)
			// The base64 forms are made once and shared.
			m := binary(1, 2)
			c.send(t, m, m)
			c.want(form, form)
		}
	})
	t.Run("38 too big", func(t *testing.T) {
		c := st.connect(V4, "")
		c.text("4" + strings.Repeat("x", 999))
		c.want("4" + strings.Repeat("x", 999))
		c.text("4" + strings.Repeat("x", 1000))
		c.want("close 1009", "EOF")
		c.wantMessages(t, strings.Repeat("x", 999))
		c.wantClosed(t, ReasonTransportError)
	})
	t.Run("38 invalid UTF-8", func(t *testing.T) {
		c := st.connect(V4, "")
		c.text("4\xff")
		c.want("close 1007", "EOF")
		c.wantClosed(t, ReasonTransportError)
	})
	for name, input := range map[string]string{"empty text frame": "", "unknown type": "9", "bad base64": "b!"} {
		t.Run("39 "+name, func(t *testing.T) {
			for _, v := range []Protocol{V3, V4} {
				c := st.connect(v, "")
				c.text(input)
				c.want("close", "EOF")
				c.wantClosed(t, ReasonParseError)
			}
		})
	}
	t.Run("39 message refused by the receiver", func(t *testing.T) {
		st := newSite(t, Options{}, func(st *site) {
			st.hook = func(_ *peer, _ bool, data []byte) error {
				if len(data) == 0 {
					return &CloseError{Reason: ReasonParseError, Err: io.ErrUnexpectedEOF}
				}
				return nil
			}
		})
		c := st.connect(V4, "")
		c.text("4", "4late")
		c.want("close", "EOF")
		c.wantClosed(t, ReasonParseError)
		if len(c.got) != 0 {
			t.Fatal("delivered after the close")
		}
	})
	t.Run("40 EIO3 binary ping", func(t *testing.T) {
		c := st.connect(V3, "")
		c.binary("\x02")
		c.want("3")
		c.binary("\x07")
		c.want("close", "EOF")
		c.wantClosed(t, ReasonParseError)
		c = st.connect(V3, "")
		c.binary("")
		c.want("close", "EOF")
	})
	t.Run("41 permessage-deflate is offered, off", func(t *testing.T) {
		c, res := st.dial("EIO=4&transport=websocket", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", nil)
		if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Fatal(res.StatusCode, res.Header)
		}
		c.peer = st.peer()
		c.read()
		c.text("4x")
		c.want("4x")
	})
	t.Run("42 the server closes the TCP connection", func(t *testing.T) {
		c := st.connect(V4, "")
		c.send(t, texts("a", "b")...)
		c.s.Close(ReasonForcedClose)
		c.want("4a", "4b", "close", "EOF") // the client does not echo the close frame
		c.wantClosed(t, ReasonForcedClose)
	})
	t.Run("32 packets 0 1 5 6 are ignored", func(t *testing.T) {
		c := st.connect(V4, "")
		c.text("0", "1", "5", "6", "4x")
		c.want("4x")
	})
	t.Run("control frames", func(t *testing.T) {
		c := st.connect(V4, "")
		c.write(frame(ws.OpPing, "hi"), frame(ws.OpPong, ""), frame(ws.OpText, "4x"))
		c.want("pong hi", "4x")
		c.write(frame(ws.OpClose, "\x03\xe9bye"))
		c.want("close 1001", "EOF")
		c.wantMessages(t, "x")
		c.wantClosed(t, ReasonTransportClose)
	})
	t.Run("client goes away", func(t *testing.T) {
		c := st.connect(V4, "")
		c.nc.Close()
		c.wantClosed(t, ReasonTransportClose)
		eventually(t, "session is forgotten", func() bool { return st.server.session(c.s.ID()) == nil })
	})
	t.Run("unmasked frame", func(t *testing.T) {
		c := st.connect(V4, "")
		c.write(ws.MustCompileFrame(ws.NewTextFrame([]byte("4x"))))
		c.want("close 1002", "EOF")
		c.wantClosed(t, ReasonTransportError)
	})
	t.Run("fragments", func(t *testing.T) {
		c := st.connect(V4, "")
		first := ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte("4he")))
		last := ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, []byte("llo")))
		c.write(ws.MustCompileFrame(first), frame(ws.OpPing, ""), ws.MustCompileFrame(last))
		c.want("pong ", "4hello")
	})
	t.Run("2.8 frames pipelined with the handshake", func(t *testing.T) {
		c := st.attach("EIO=4&transport=websocket", append(frame(ws.OpText, "4early"), frame(ws.OpText, "4bird")...)...)
		if open := c.read(); open[0] != '0' {
			t.Fatal(open)
		}
		c.want("4early", "4bird")
		st.peer()
	})
}

func TestManySocketsShareOneMessage(t *testing.T) {
	st := newSite(t, Options{})
	var sockets []*socket
	for i := range 6 {
		v := V4 - Protocol(i%2)
		sockets = append(sockets, st.connect(v, []string{"", "", "&b64=1"}[i%3]))
	}
	m, b := text("hello"), binary(1, 2)
	done := make(chan error, len(sockets))
	for _, c := range sockets {
		go func() { done <- c.s.Send(b, m, b) }()
	}
	for i, c := range sockets {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"4": "<0102>", "3": "<040102>", "4b": "bAQI=", "3b": "b4AQI="}
		key := fmt.Sprint(c.s.Protocol())
		if i%3 == 2 {
			key += "b"
		}
		c.want(want[key], "4hello", want[key])
	}
}

// sink is a netpoll.Conn that takes everything.
type sink struct{ bytes int }

func (c *sink) Write(bufs ...[]byte) error {
	for _, b := range bufs {
		c.bytes += len(b)
	}
	return nil
}
func (c *sink) WriteDeferred(_ *netpoll.Batch, bufs ...[]byte) error { return c.Write(bufs...) }
func (c *sink) Flush()                                               {}
func (c *sink) Queued() int                                          { return 0 }
func (c *sink) Writable() bool                                       { return true }
func (c *sink) Pause()                                               {}
func (c *sink) Resume()                                              {}
func (c *sink) CloseAfterFlush(time.Duration)                        {}
func (c *sink) Close(error)                                          {}
func (c *sink) RemoteAddr() net.Addr                                 { return nil }

// TestSendAllocatesNothing: a broadcast costs no memory per session.
func TestSendAllocatesNothing(t *testing.T) {
	srv, err := NewServer(Options{}, &site{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Shutdown(context.Background())
	for _, v := range []Protocol{V3, V4} {
		s := &Session{srv: srv, protocol: v, state: stateOpen}
		s.socket = &webSocket{session: s, conn: &sink{}}
		m, b := text("hello"), binary(1, 2)
		var batch Batch
		for name, send := range map[string]func(){
			"single":   func() { _, _ = s.Send(m), s.Send(b) },
			"several":  func() { _ = s.Send(m, b, m, b) },
			"deferred": func() { _, _ = s.SendDeferred(&batch, m), s.SendDeferred(&batch, m, b) },
		} {
			if n := testing.AllocsPerRun(1000, send); n >= 1 && !raceEnabled { // a pool is emptied now and then
				t.Errorf("protocol %d, %s: %v allocations", v, name, n)
			}
		}
	}
}

func BenchmarkSend(b *testing.B) {
	srv, err := NewServer(Options{}, &site{})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Shutdown(context.Background())
	out := &sink{}
	s := &Session{srv: srv, protocol: V4, state: stateOpen}
	s.socket = &webSocket{session: s, conn: out}
	m := text("hello")
	several := texts("a", "b", "c", "d")
	var batch Batch
	for name, send := range map[string]func(){
		"single":   func() { _ = s.Send(m) },
		"several":  func() { _ = s.Send(several...) },
		"deferred": func() { _ = s.SendDeferred(&batch, m) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				send()
			}
		})
	}
}

func TestWebSocketOverTLS(t *testing.T) {
	st := newSite(t, Options{}, func(st *site) { st.hook = echo })
	secure := httptest.NewTLSServer(st.server)
	defer secure.Close()
	nc, err := tls.Dial("tcp", secure.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(nc, "GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: t\r\n"+wsHeaders+"\r\n")
	c := &socket{t: t, nc: nc, r: bufio.NewReader(nc)}
	if res, err := http.ReadResponse(c.r, nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	c.peer = st.peer()
	if !c.s.Request().Secure {
		t.Fatal("not secure")
	}
	c.read()
	c.text("4hello")
	c.want("4hello")
	c.s.Close("")
	c.want("close", "EOF")
}
