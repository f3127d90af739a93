package engineio

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

var deflateTail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

func inflated(t *testing.T, f ws.Frame) ws.Frame {
	t.Helper()
	if f.Header.Rsv != 4 {
		t.Fatalf("reserved bits %d", f.Header.Rsv)
	}
	payload, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(f.Payload), bytes.NewReader(deflateTail))))
	if err != nil {
		t.Fatal(err)
	}
	f.Payload = payload
	return f
}

// packedFrame is a compressed client frame.
func packedFrame(op ws.OpCode, payload string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = io.WriteString(w, payload)
	_ = w.Flush()
	f := ws.NewFrame(op, true, bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff}))
	f.Header.Rsv = 4
	return ws.MustCompileFrame(ws.MaskFrame(f))
}

const deflateHeader = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

// connectDeflate opens a session with the offer of browsers and of ws, the library of the JavaScript client.
func (st *site) connectDeflate(query string) *socket {
	st.t.Helper()
	c, res := st.dial(query, deflateHeader, nil)
	const want = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	if got := res.Header.Get("Sec-WebSocket-Extensions"); res.StatusCode != 101 || got != want {
		st.t.Fatalf("%d, extensions %q", res.StatusCode, got)
	}
	c.deflate = true
	return c
}

func TestDeflate(t *testing.T) {
	long := strings.Repeat("long ", 400)
	t.Run("41 permessage-deflate is offered, on", func(t *testing.T) {
		st := newSite(t, Options{PerMessageDeflate: true}, func(st *site) { st.hook = echo })
		for _, query := range []string{"EIO=4&transport=websocket", "EIO=3&transport=websocket", "EIO=4&transport=websocket&b64=1", "EIO=3&transport=websocket&b64=1"} {
			c := st.connectDeflate(query)
			c.peer = st.peer()
			c.read()
			c.text("4short", "4"+long)
			c.want("4short", "4"+long)
			if c.compressed != 1 {
				t.Fatalf("%s: %d frames compressed, want the long one", query, c.compressed)
			}
			c.write(packedFrame(ws.OpText, "4packed"), packedFrame(ws.OpText, "4"+long))
			c.want("4packed", "4"+long)
			c.wantMessages(t, "short", long, "packed", long)
		}
	})
	t.Run("41 the client does not offer it", func(t *testing.T) {
		st := newSite(t, Options{PerMessageDeflate: true})
		c := st.connect(V4, "")
		c.peer.send(t, text(long))
		c.want("4" + long)
		c.write(packedFrame(ws.OpText, "4packed"))
		c.want("close 1002", "EOF")
		c.wantClosed(t, ReasonTransportError)
	})
	t.Run("after an upgrade", func(t *testing.T) {
		st := newSite(t, Options{PerMessageDeflate: true})
		p := st.poll(V4, "")
		c := st.connectDeflate(p.query[:strings.Index(p.query, "transport")] + "transport=websocket&sid=" + p.sid)
		c.text("2probe")
		c.want("3probe")
		p.send(t, text(long))
		p.get().want(t, 200, "4"+long)
		c.write(packedFrame(ws.OpText, "5"))
		eventually(t, "upgraded", func() bool { return p.s.Transport() == transportWebSocket })
		p.send(t, text(long), binary(bytes.Repeat([]byte{7}, 2000)...))
		c.want("4"+long, "<"+strings.Repeat("07", 2000)+">")
		if c.compressed != 2 {
			t.Fatal(c.compressed)
		}
	})
	t.Run("bomb", func(t *testing.T) {
		st := newSite(t, Options{PerMessageDeflate: true, MaxPayload: 10_000})
		c := st.connectDeflate("EIO=4&transport=websocket")
		c.peer = st.peer()
		c.read()
		c.write(packedFrame(ws.OpText, "4"+strings.Repeat("x", 9_999)))
		c.wantMessages(t, strings.Repeat("x", 9_999))
		c.write(packedFrame(ws.OpText, "4"+strings.Repeat("x", 1_000_000)))
		c.want("close 1009", "EOF")
		c.wantClosed(t, ReasonTransportError)
	})
	t.Run("garbage", func(t *testing.T) {
		st := newSite(t, Options{PerMessageDeflate: true})
		c := st.connectDeflate("EIO=4&transport=websocket")
		c.peer = st.peer()
		c.read()
		broken := ws.NewTextFrame([]byte("\xff\xff\xff"))
		broken.Header.Rsv = 4
		c.write(ws.MustCompileFrame(ws.MaskFrame(broken)))
		c.want("close 1007", "EOF")
	})
}

func TestAcceptDeflate(t *testing.T) {
	const plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, c := range []struct {
		want  string
		lines []string
	}{
		{"", nil},
		{"", []string{""}},
		{"", []string{"x-webkit-deflate-frame"}},
		{plain, []string{"permessage-deflate"}},
		{plain, []string{"permessage-deflate; client_max_window_bits"}},
		{plain, []string{"permessage-deflate; client_max_window_bits=10; client_no_context_takeover; server_no_context_takeover"}},
		{plain, []string{"x-other; a=1, permessage-deflate"}},
		{plain, []string{"x-other", "permessage-deflate"}},
		{plain, []string{"permessage-deflate; server_max_window_bits=10, permessage-deflate"}},
		{"", []string{"permessage-deflate; server_max_window_bits=10"}},
		{plain + "; server_max_window_bits=15", []string{"permessage-deflate; server_max_window_bits=15"}},
		{"", []string{"permessage-deflate; server_max_window_bits=16"}},
		{"", []string{"permessage-deflate; unknown"}},
		{"", []string{"permessage-deflate; client_no_context_takeover=1"}},
		{"", []string{"permessage-deflate;;;=,"}},
		{"", []string{strings.Repeat("x,", maxOffers) + "permessage-deflate"}},
	} {
		if got := acceptDeflate(c.lines); got != c.want {
			t.Errorf("%q: %q, want %q", c.lines, got, c.want)
		}
	}
}

// TestDeflateOnce: the compressed frame of a message is made once, whoever asks for it, and not at all without use.
func TestDeflateOnce(t *testing.T) {
	compressing := wireForm{deflate: true}
	m := text(strings.Repeat("x", 2000))
	if _ = m.frames(V4, wireForm{}); m.deflated.Load() != nil {
		t.Fatal("compressed for nobody")
	}
	var all sync.WaitGroup
	var frames [8][]byte
	for i := range frames {
		all.Go(func() { frames[i] = m.frames(Protocol(3+i%2), compressing)[0] })
	}
	all.Wait()
	for _, f := range frames {
		if &f[0] != &frames[0][0] || f[0] != 0xc1 || len(f) > 100 {
			t.Fatalf("%d bytes, %x", len(f), f[0])
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = m.frames(V4, compressing) }); n > 0 {
		t.Fatalf("%v allocations", n)
	}

	noise := make([]byte, 2000)
	for i, seed := 0, uint32(1); i < len(noise); i++ {
		seed = seed*1664525 + 1013904223
		noise[i] = byte(seed >> 24)
	}
	b := BinaryMessage(noise)
	if f := b.frames(V4, compressing); len(f) != 1 || f[0][0] != 0x82 {
		t.Fatal("noise was compressed")
	}
	if f := b.frames(V3, compressing); len(f) != 2 || f[0][0] != 0x82 {
		t.Fatal("noise was compressed")
	}
	if s := text("short"); &s.frames(V4, compressing)[0][0] != &s.buf[0] {
		t.Fatal("a short message was compressed")
	}
}
