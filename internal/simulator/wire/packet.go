package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Kind is what an Engine.IO packet is to a device.
type Kind uint8

// Kinds of packets.
const (
	Other        Kind = iota
	Open              // "0": the engine's handshake
	Close             // "1"
	Ping              // "2"
	Pong              // "3"
	Noop              // "6"
	Connect           // "40": the answer to CONNECT
	Disconnect        // "41"
	Event             // "42"
	Ack               // "43"
	ConnectError      // "44"
)

// Packet is an Engine.IO text packet; all slices lie inside it.
type Packet struct {
	Kind      Kind
	Namespace []byte // nil is "/"
	ID        int64  // of an ack, or -1
	Data      []byte // JSON of a Socket.IO packet; what follows the digit of another
}

// Parse reads a packet; what it does not know is Other.
func Parse(p []byte) Packet {
	m := Packet{ID: -1}
	if len(p) == 0 {
		return m
	}
	m.Data = p[1:]
	switch p[0] {
	case '0':
		m.Kind = Open
	case '1':
		m.Kind = Close
	case '2':
		m.Kind = Ping
	case '3':
		m.Kind = Pong
	case '6':
		m.Kind = Noop
	case '4':
		m.message(p[1:])
	}
	return m
}

func (m *Packet) message(p []byte) {
	if len(p) == 0 || p[0] < '0' || p[0] > '4' {
		return
	}
	m.Kind = Connect + Kind(p[0]-'0')
	if p = p[1:]; len(p) > 0 && p[0] == '/' {
		m.Namespace, p, _ = bytes.Cut(p, []byte{','})
		m.Namespace, _, _ = bytes.Cut(m.Namespace, []byte{'?'})
	}
	digits := 0
	for digits < len(p) && digits < 18 && p[digits] >= '0' && p[digits] <= '9' {
		digits++
	}
	if digits > 0 {
		m.ID, _ = strconv.ParseInt(string(p[:digits]), 10, 64)
	}
	m.Data = p[digits:]
}

// EventName is the name of an event, nil when data is none. Names with escapes are returned as written.
func EventName(data []byte) []byte {
	if len(data) < 4 || data[0] != '[' || data[1] != '"' {
		return nil
	}
	name, _, ok := bytes.Cut(data[2:], []byte{'"'})
	if !ok {
		return nil
	}
	return name
}

// MessageID is the "id" of a push event, 0 when there is none; numbers and decimal texts count.
func MessageID(data []byte) int64 {
	_, rest, ok := bytes.Cut(data, []byte(`"id":`))
	if !ok {
		return 0
	}
	if len(rest) > 0 && rest[0] == '"' {
		rest = rest[1:]
	}
	n := 0
	for n < len(rest) && n < 18 && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	id, _ := strconv.ParseInt(string(rest[:n]), 10, 64)
	return id
}

// Handshake is the open packet.
type Handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"` // ms
	PingTimeout  int      `json:"pingTimeout"`  // ms
}

// ParseHandshake reads the data of an Open packet.
func ParseHandshake(data []byte) (Handshake, bool) {
	var h Handshake
	err := json.Unmarshal(data, &h)
	return h, err == nil && h.SID != "" && len(h.SID) <= 256
}

// Refusal is the text of a CONNECT_ERROR: of a JSON string, or of the member message of an object.
func Refusal(data []byte) string {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return text
	}
	var object struct{ Message string }
	if json.Unmarshal(data, &object) == nil && object.Message != "" {
		return object.Message
	}
	return string(data[:min(len(data), 100)])
}
