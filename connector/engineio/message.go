package engineio

import (
	"encoding/base64"
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/lightpush/lightpush/connector/wsframe"
)

// Message is an outgoing packet in its wire forms. It is immutable and may be sent to any number of sessions of
// both protocols, concurrently: the WebSocket frame is encoded once and its bytes are shared by all of them, and
// the polling payload is cut from the same bytes.
type Message struct {
	binary bool
	body   int // where the packet starts in buf (text: with its type digit; binary: the raw data)
	buf    []byte

	// The buffers of the WebSocket forms, ready for netpoll.Conn.Write. Text has one form. Binary has two:
	// protocol 4 is slots[0]; protocol 3 is slots[1] (a header that counts the type byte, and the byte) and
	// slots[2] (the data).
	slots [3][]byte

	units  atomic.Int64            // 1 + UTF-16 units of a text packet; zero: not counted yet
	base64 atomic.Pointer[b64Form] // made for the first b64 transport

	deflated atomic.Pointer[deflatedForms] // made for the first transport with permessage-deflate
}

// wireForm is what decides, beside the protocol, about the frames of a message on one WebSocket.
type wireForm struct {
	b64     bool // it cannot carry binary (section 2.1)
	deflate bool // permessage-deflate was negotiated
}

// b64Form holds the text frames of a binary message for WebSocket transports that cannot carry binary (section 2.8).
type b64Form struct{ v3, v4 [1][]byte }

// TextMessage makes a text message; data is copied. It is the content of the message without the leading '4' of
// Engine.IO, and must be valid UTF-8: clients close a WebSocket that carries anything else.
func TextMessage(data []byte) *Message { return newText(typeMessage, data) }

// BinaryMessage makes a binary message; data is copied and may be empty.
func BinaryMessage(data []byte) *Message {
	m := &Message{binary: true}
	buf := make([]byte, 0, 2*wsframe.MaxServerHeader+1+len(data))
	buf = append(wsframe.AppendHeader(buf, ws.OpBinary, 1+len(data)), typeMessage-'0')
	v4 := len(buf)
	buf = wsframe.AppendHeader(buf, ws.OpBinary, len(data))
	m.body = len(buf)
	m.buf = append(buf, data...)
	m.slots = [3][]byte{m.buf[v4:], m.buf[:v4:v4], m.buf[m.body:]}
	return m
}

// newText makes a packet of any type.
func newText(typ byte, data []byte) *Message {
	m := new(Message)
	buf := make([]byte, 0, wsframe.MaxServerHeader+1+len(data))
	buf = wsframe.AppendHeader(buf, ws.OpText, 1+len(data))
	m.body = len(buf)
	m.buf = append(append(buf, typ), data...)
	m.slots[0] = m.buf
	return m
}

// Packets without content are shared by all sessions.
var (
	closePacket = newText(typeClose, nil)
	pingPacket  = newText(typePing, nil)
	pongPacket  = newText(typePong, nil)
	probePacket = newText(typePong, []byte("probe"))
	noopPacket  = newText(typeNoop, nil)

	pingPackets = []*Message{pingPacket}
	pongPackets = []*Message{pongPacket}
)

// Binary reports whether m is a binary message.
func (m *Message) Binary() bool { return m.binary }

// Len is the number of bytes the message is counted with against Options.SendBuffer: that of its WebSocket frame.
func (m *Message) Len() int { return len(m.slots[0]) }

// data is the content of a binary message.
func (m *Message) data() []byte { return m.buf[m.body:] }

// packet is a text packet with its type digit.
func (m *Message) packet() []byte { return m.buf[m.body:] }

func (m *Message) utf16Units() int {
	if n := m.units.Load(); n > 0 {
		return int(n - 1)
	}
	n := utf16Units(m.packet())
	m.units.Store(int64(n) + 1)
	return n
}

// frames returns the buffers to write to a WebSocket. They must not be modified.
func (m *Message) frames(v Protocol, form wireForm) [][]byte {
	if form.deflate && m.Len() >= deflateFrom && !(m.binary && form.b64) {
		if compressed := m.deflate(v); compressed != nil {
			return compressed
		}
	}
	switch {
	case !m.binary:
		return m.slots[:1]
	case form.b64:
		form := m.b64Form()
		if v == V3 {
			return form.v3[:]
		}
		return form.v4[:]
	case v == V3:
		return m.slots[1:3]
	default:
		return m.slots[:1]
	}
}

func (m *Message) b64Form() *b64Form {
	if form := m.base64.Load(); form != nil {
		return form
	}
	v4 := base64.StdEncoding.AppendEncode([]byte{'b'}, m.data())
	v3 := append([]byte{'b', typeMessage}, v4[1:]...)
	form := &b64Form{
		v3: [1][]byte{wsframe.AppendText(nil, v3)},
		v4: [1][]byte{wsframe.AppendText(nil, v4)},
	}
	m.base64.CompareAndSwap(nil, form)
	return m.base64.Load()
}

// payload encodes a batch for a GET answer (section 2.5). octets reports the octet-stream framing, which protocol 3
// uses for the whole payload as soon as one packet is binary and the client did not ask for base64.
func payload(v Protocol, b64 bool, batch []*Message) (body []byte, octets bool) {
	size := 0
	binary := false
	for _, m := range batch {
		if m.binary {
			binary = true
			size += base64.StdEncoding.EncodedLen(len(m.data()))
		} else {
			size += len(m.packet())
		}
		size += 12
	}
	dst := make([]byte, 0, size)
	switch {
	case v == V4:
		return appendPayloadV4(dst, batch), false
	case binary && !b64:
		return appendPayloadV3Binary(dst, batch), true
	default:
		return appendPayloadV3Text(dst, batch), false
	}
}
