package wire

import "bytes"

// Kind is what an Engine.IO packet is to a load client.
type Kind uint8

// Kinds of packets.
const (
	Other        Kind = iota
	Open              // "0": the engine's handshake
	Close             // "1"
	Ping              // "2"
	Connect           // "40": the answer to CONNECT
	Disconnect        // "41"
	Event             // "42"
	Ack               // "43"
	ConnectError      // "44"
)

// Message is a text packet; all slices lie inside the frame.
type Message struct {
	Kind      Kind
	Namespace []byte // nil is "/"
	ID        int64  // ack id, -1 for none
	Data      []byte // JSON, not checked; of an Open what follows the type
}

// Parse splits a text packet. What it does not understand is Other.
func Parse(p []byte) Message {
	if len(p) == 0 {
		return Message{}
	}
	switch p[0] {
	case '0':
		return Message{Kind: Open, Data: p[1:]}
	case '1':
		return Message{Kind: Close}
	case '2':
		return Message{Kind: Ping, Data: p[1:]}
	case '4':
	default:
		return Message{}
	}
	if len(p) < 2 || p[1] < '0' || p[1] > '4' {
		return Message{}
	}
	m := Message{Kind: Connect + Kind(p[1]-'0'), ID: -1}
	p = p[2:]
	if len(p) > 0 && p[0] == '/' {
		end := bytes.IndexByte(p, ',')
		if end < 0 {
			m.Namespace = p
			return m
		}
		m.Namespace, p = p[:end], p[end+1:]
	}
	if id, n := digits(p); n > 0 {
		m.ID, p = id, p[n:]
	}
	m.Data = p
	return m
}

// digits reads a decimal number; n is its length, 0 when there is none or it
// does not fit.
func digits(p []byte) (value int64, n int) {
	for n < len(p) && p[n] >= '0' && p[n] <= '9' {
		if n == 18 {
			return 0, 0
		}
		value = value*10 + int64(p[n]-'0')
		n++
	}
	return value, n
}

// IsEvent reports whether data of an Event begins with this name, which must
// not need escapes.
func IsEvent(data []byte, name string) bool {
	return len(data) > len(name)+3 && data[0] == '[' && data[1] == '"' &&
		string(data[2:2+len(name)]) == name && data[2+len(name)] == '"'
}

// Int returns the value of the first key of this name, `"key":` as servers
// write it, when it is a positive integer.
func Int(data []byte, key string) (value int64, ok bool) {
	i := bytes.Index(data, []byte(key))
	if i < 0 {
		return 0, false
	}
	value, n := digits(data[i+len(key):])
	return value, n > 0
}
