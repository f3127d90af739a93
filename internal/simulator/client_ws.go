package simulator

import (
	"bytes"
	"fmt"

	"github.com/lightpush/lightpush/internal/simulator/netloop"
	"github.com/lightpush/lightpush/internal/simulator/wire"
)

// webSocket is the WebSocket of one life of a client; it implements netloop.Handler.
type webSocket struct {
	c    *client
	conn netloop.Conn
	sid  string // of an upgrade
	in   []byte // an incomplete frame or head
	open bool   // the 101 has come
	gone bool
}

// Opened implements netloop.Handler.
func (w *webSocket) Opened() {
	s := w.c.s
	w.conn.Write([]byte("GET " + s.plan.cfg.Path + w.c.query("websocket", w.sid) + " HTTP/1.1\r\nHost: " + s.target.host +
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: bGlnaHRwdXNoIHNpbXVsYQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"))
}

// Closed implements netloop.Handler.
func (w *webSocket) Closed(err error) {
	if !w.gone {
		w.c.fail(reason(err))
	}
}

// Data implements netloop.Handler.
func (w *webSocket) Data(p []byte) {
	if w.gone {
		return
	}
	w.c.s.tally.Bytes += int64(len(p))
	if len(w.in) > 0 {
		w.in = append(w.in, p...)
		p = w.in
	}
	rest, err := w.consume(p)
	switch {
	case w.gone:
		return
	case err != nil:
		w.c.fail(err.Error())
		return
	case len(rest) == 0:
		w.in = nil
	default:
		w.in = append([]byte(nil), rest...)
	}
	if w.c.id.slow && w.c.phase == ready {
		w.conn.Pause()
		w.c.s.after(w.c, w.c.s.plan.cfg.SlowPause, timerResume)
	}
}

// consume handles what is complete and returns the rest.
func (w *webSocket) consume(p []byte) ([]byte, error) {
	if !w.open {
		end := bytes.Index(p, []byte("\r\n\r\n"))
		if end < 0 {
			if len(p) > wire.MaxHead {
				return nil, wire.ErrHTTP
			}
			return p, nil
		}
		if !bytes.HasPrefix(p, []byte("HTTP/1.1 101 ")) {
			line, _, _ := bytes.Cut(p, []byte("\r\n"))
			return nil, fmt.Errorf("%w: %s %s", errUpgrade, clip(string(line)), clip(string(bytes.TrimSpace(p[end+4:]))))
		}
		w.open, p = true, p[end+4:]
		if w.sid != "" {
			w.text("2probe")
		}
	}
	for {
		opcode, payload, n, err := wire.NextFrame(p)
		if err != nil || n == 0 {
			return p, err
		}
		switch opcode {
		case wire.OpText:
			w.c.onPacket(payload)
		case wire.OpPing:
			w.frame(wire.OpPong, payload)
		case wire.OpClose:
			code := ""
			if len(payload) >= 2 {
				code = fmt.Sprintf(", code %d", int(payload[0])<<8|int(payload[1]))
			}
			w.c.fail("closed by the server" + code)
		}
		if w.gone {
			return nil, nil
		}
		p = p[n:]
	}
}

func (w *webSocket) text(packet string) { w.frame(wire.OpText, []byte(packet)) }

func (w *webSocket) frame(opcode byte, payload []byte) {
	s := w.c.s
	s.scratch = wire.AppendFrame(s.scratch[:0], opcode, s.random.Uint32()|1, payload)
	w.conn.Write(s.scratch)
}

func (w *webSocket) close(reset bool) {
	w.gone = true
	if w.conn != nil {
		w.conn.Close(reset)
	}
}
