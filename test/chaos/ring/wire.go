package ring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// wire is one Socket.IO connection of a device over websocket. It starts no goroutine.
type wire struct {
	*wsclient.Socket
	eio       int
	namespace string
	// silence is how long nothing may come before the device takes the connection for dead.
	silence time.Duration
	ping    time.Duration
}

// errRefused is wrapped by the end of a connection whose CONNECT was refused.
var errRefused = errors.New("refused")

// openWire connects and sends the CONNECT; its answer, and what a continued session has missed, is for the reader.
// auth is for Engine.IO 4.
func openWire(ctx context.Context, addr string, eio int, namespace string, query url.Values, auth map[string]string) (*wire, error) {
	q := url.Values{"EIO": {strconv.Itoa(eio)}, "transport": {"websocket"}}
	for k, v := range query {
		q[k] = v
	}
	s, err := wsclient.DialSocket(ctx, addr, "/socket.io/?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	w := &wire{Socket: s, eio: eio, namespace: namespace}
	if deadline, ok := ctx.Deadline(); ok {
		_ = s.SetDeadline(deadline)
	}
	_, open, err := s.ReadMessage()
	if err == nil {
		err = w.opened(open)
	}
	if err == nil {
		connect := "40" + namespace + ","
		if eio == 4 && len(auth) > 0 {
			data, _ := json.Marshal(auth)
			connect += string(data)
		}
		err = w.WriteText(connect)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	_ = s.SetWriteDeadline(time.Time{})
	return w, nil
}

func (w *wire) opened(packet []byte) error {
	var open struct{ PingInterval, PingTimeout int }
	if len(packet) == 0 || packet[0] != '0' || json.Unmarshal(packet[1:], &open) != nil || open.PingInterval <= 0 {
		return fmt.Errorf("%.80q instead of the open packet", packet)
	}
	w.ping = time.Duration(open.PingInterval) * time.Millisecond
	w.silence = w.ping + time.Duration(open.PingTimeout)*time.Millisecond
	return nil
}

// next returns the next packet of the namespace; heartbeats are answered on the way.
func (w *wire) next() (wsclient.Packet, error) {
	for {
		op, msg, err := w.ReadMessage()
		if err != nil {
			return wsclient.Packet{}, err
		}
		_ = w.SetReadDeadline(time.Now().Add(w.silence))
		if op != wsclient.OpText || len(msg) == 0 {
			return wsclient.Packet{}, fmt.Errorf("message with opcode %d and %d bytes", op, len(msg))
		}
		switch msg[0] {
		case '1':
			return wsclient.Packet{}, wsclient.ErrClosed
		case '2':
			if err := w.WriteText("3"); err != nil {
				return wsclient.Packet{}, err
			}
		case '3', '6':
		case '4':
			p, err := wsclient.ParsePacket(string(msg[1:]))
			if err != nil {
				return p, err
			}
			if p.Namespace != w.namespace {
				continue // Engine.IO 3: the implicit CONNECT of the main namespace
			}
			if p.Type == wsclient.ConnectError {
				return p, fmt.Errorf("%w: %s", errRefused, p.Data)
			}
			return p, nil
		default:
			return wsclient.Packet{}, fmt.Errorf("engine packet %.80q", msg)
		}
	}
}

// emit sends an event; ack < 0 asks for no answer.
func (w *wire) emit(ack int, event string, args ...any) error {
	data, err := json.Marshal(append([]any{event}, args...))
	if err != nil {
		return err
	}
	id := ""
	if ack >= 0 {
		id = strconv.Itoa(ack)
	}
	return w.WriteText("42" + w.namespace + "," + id + string(data))
}

// answer sends the native ack of an event.
func (w *wire) answer(id int) error {
	return w.WriteText("43" + w.namespace + "," + strconv.Itoa(id) + "[]")
}

// bye leaves on purpose.
func (w *wire) bye() {
	_ = w.WriteText("41" + w.namespace + ",")
	_ = w.Close()
}

// lastText returns the last argument of an event when it is a string: the offset of a continued session.
func lastText(p wsclient.Packet) (string, bool) {
	var parts []json.RawMessage
	if p.Type != wsclient.Event || json.Unmarshal(p.Data, &parts) != nil || len(parts) < 2 {
		return "", false
	}
	last := strings.TrimSpace(string(parts[len(parts)-1]))
	if !strings.HasPrefix(last, `"`) {
		return "", false
	}
	var text string
	err := json.Unmarshal([]byte(last), &text)
	return text, err == nil
}
