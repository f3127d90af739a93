package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/lightpush/lightpush/connector/engineio"
)

// noAck is the ack id of packets that want none.
const noAck = -1

// encoder writes the text of one packet. The messages made of it are copies,
// so that encoders can be used again.
type encoder struct {
	buf  bytes.Buffer
	json *json.Encoder
}

// keepEncoder is the greatest buffer that is kept for the next packet.
const keepEncoder = 64 << 10

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.json = json.NewEncoder(&e.buf)
	e.json.SetEscapeHTML(false)
	return e
}}

func newEncoder() *encoder {
	e := encoders.Get().(*encoder)
	e.buf.Reset()
	return e
}

func (e *encoder) free() {
	if e.buf.Cap() <= keepEncoder {
		encoders.Put(e)
	}
}

// header writes what precedes the JSON: type [attachments "-"]
// [namespace ","] [ack id].
func (e *encoder) header(typ packetType, nsp string, ackID int64, attachments int) {
	if attachments > 0 {
		switch typ {
		case packetEvent:
			typ = packetBinaryEvent
		case packetAck:
			typ = packetBinaryAck
		}
	}
	b := append(e.buf.AvailableBuffer(), byte(typ))
	if attachments > 0 {
		b = strconv.AppendInt(b, int64(attachments), 10)
		b = append(b, '-')
	}
	if nsp != "/" {
		b = append(b, nsp...)
		b = append(b, ',')
	}
	if ackID != noAck {
		b = strconv.AppendInt(b, ackID, 10)
	}
	e.buf.Write(b)
}

// value writes v as JSON, without HTML escaping, and without work for text
// that is JSON already. Line breaks inside raw messages are legal JSON.
func (e *encoder) value(v any) error {
	switch v := v.(type) {
	case json.RawMessage:
		switch {
		case v == nil:
			e.buf.WriteString("null")
		case !json.Valid(v):
			return errPayload
		default:
			e.buf.Write(v)
		}
		return nil
	case string:
		if plainString(v) {
			e.buf.WriteByte('"')
			e.buf.WriteString(v)
			e.buf.WriteByte('"')
			return nil
		}
	}
	if err := e.json.Encode(v); err != nil {
		return err
	}
	e.buf.Truncate(e.buf.Len() - 1) // the line end
	return nil
}

// plainString reports that s needs no escapes.
func plainString(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '\\' || c == '"' {
			return false
		}
	}
	return true
}

// text is what has been written. Invalid UTF-8, out of raw messages or of
// foreign marshalers, is replaced: clients close a WebSocket that carries it,
// and one message must not disconnect a whole room.
func (e *encoder) text() []byte {
	text := e.buf.Bytes()
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	return text
}

// messages makes the engine messages: the text and, behind it, the
// attachments. They can be shared by any number of sessions.
func (e *encoder) messages(attachments [][]byte) []*engineio.Message {
	msgs := make([]*engineio.Message, 0, 1+len(attachments))
	msgs = append(msgs, engineio.TextMessage(e.text()))
	for _, a := range attachments {
		msgs = append(msgs, engineio.BinaryMessage(a))
	}
	return msgs
}

// event writes an EVENT or BINARY_EVENT and returns its attachments.
func (e *encoder) event(nsp string, ackID int64, event string, args []any) (attachments [][]byte, err error) {
	if reserved(event) {
		return nil, errReservedEvent
	}
	args, attachments, err = extractAll(args)
	if err != nil {
		return nil, err
	}
	e.header(packetEvent, nsp, ackID, len(attachments))
	e.buf.WriteByte('[')
	if err := e.value(event); err != nil {
		return nil, err
	}
	return attachments, e.rest(args, true)
}

// ack writes an ACK or BINARY_ACK and returns its attachments.
func (e *encoder) ack(nsp string, ackID int64, args []any) (attachments [][]byte, err error) {
	args, attachments, err = extractAll(args)
	if err != nil {
		return nil, err
	}
	e.header(packetAck, nsp, ackID, len(attachments))
	e.buf.WriteByte('[')
	return attachments, e.rest(args, false)
}

// rest writes the arguments and ends the array.
func (e *encoder) rest(args []any, comma bool) error {
	for i, arg := range args {
		if comma {
			e.buf.WriteByte(',')
		}
		comma = true
		if err := e.value(arg); err != nil {
			return fmt.Errorf("socketio: argument %d: %w", i, err)
		}
	}
	e.buf.WriteByte(']')
	return nil
}

// connect writes the answer to CONNECT: SIO5 tells the socket id, SIO4
// carries no payload (older 2.x parsers reject one). pid is left out when
// empty.
func (e *encoder) connect(nsp, id, pid string, sio4 bool) {
	e.header(packetConnect, nsp, noAck, 0)
	if !sio4 {
		e.buf.WriteString(`{"sid":"`)
		e.buf.WriteString(id) // base64url
		if pid != "" {
			e.buf.WriteString(`","pid":"`)
			e.buf.WriteString(pid) // base64url
		}
		e.buf.WriteString(`"}`)
	}
}

// connectError refuses a namespace: an object for SIO5; for SIO4 the bare
// text, or the data in its place. Data that cannot be encoded is left out.
func (e *encoder) connectError(nsp string, refused *ConnectError, sio4 bool) {
	var payload any
	switch {
	case !sio4:
		payload = struct {
			Message string `json:"message"`
			Data    any    `json:"data,omitempty"`
		}{refused.Message, refused.Data}
	case refused.Data != nil:
		payload = refused.Data
	default:
		payload = refused.Message
	}
	e.header(packetConnectError, nsp, noAck, 0)
	if err := e.value(payload); err != nil {
		e.buf.Reset()
		e.connectError(nsp, &ConnectError{Message: refused.Message}, sio4)
	}
}

func (e *encoder) disconnect(nsp string) { e.header(packetDisconnect, nsp, noAck, 0) }

func encodeEvent(nsp string, ackID int64, event string, args []any) ([]*engineio.Message, error) {
	e := newEncoder()
	defer e.free()
	attachments, err := e.event(nsp, ackID, event, args)
	if err != nil {
		return nil, err
	}
	return e.messages(attachments), nil
}

func encodeAck(nsp string, ackID int64, args []any) ([]*engineio.Message, error) {
	e := newEncoder()
	defer e.free()
	attachments, err := e.ack(nsp, ackID, args)
	if err != nil {
		return nil, err
	}
	return e.messages(attachments), nil
}

func encodeConnect(nsp, id, pid string, sio4 bool) []*engineio.Message {
	e := newEncoder()
	defer e.free()
	e.connect(nsp, id, pid, sio4)
	return e.messages(nil)
}

func encodeConnectError(nsp string, refused *ConnectError, sio4 bool) []*engineio.Message {
	e := newEncoder()
	defer e.free()
	e.connectError(nsp, refused, sio4)
	return e.messages(nil)
}

func encodeDisconnect(nsp string) []*engineio.Message {
	e := newEncoder()
	defer e.free()
	e.disconnect(nsp)
	return e.messages(nil)
}
