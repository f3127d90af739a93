package wire

import (
	"bytes"
	"strings"
	"testing"
)

// unmasked is a frame as servers send it.
func unmasked(payload string) []byte {
	f := AppendFrame(nil, OpText, []byte(payload))
	head := len(f) - len(payload) - 4
	out := append([]byte{}, f[:head]...)
	out[1] &^= 0x80
	return append(out, payload...)
}

var frames = []struct {
	name    string
	buf     []byte
	opcode  byte
	payload string
	n       int
	err     error
}{
	{name: "nothing"},
	{name: "half a header", buf: []byte{0x81}},
	{name: "empty", buf: []byte{0x81, 0}, opcode: OpText, n: 2},
	{name: "text and more", buf: append(unmasked("2"), 0x81), opcode: OpText, payload: "2", n: 3},
	{name: "125 bytes", buf: unmasked(strings.Repeat("a", 125)), opcode: OpText, payload: strings.Repeat("a", 125), n: 127},
	{name: "126 bytes", buf: unmasked(strings.Repeat("a", 126)), opcode: OpText, payload: strings.Repeat("a", 126), n: 130},
	{name: "65,536 bytes", buf: unmasked(strings.Repeat("a", 65536)), opcode: OpText, payload: strings.Repeat("a", 65536), n: 65546},
	{name: "length cut, 16 bits", buf: []byte{0x81, 126, 0}},
	{name: "length cut, 64 bits", buf: []byte{0x81, 127, 0, 0, 0, 0, 0, 0, 1}},
	{name: "payload cut", buf: []byte{0x81, 3, 'a', 'b'}},
	{name: "close", buf: []byte{0x88, 0}, opcode: OpClose, n: 2},
	{name: "first fragment", buf: []byte{0x01, 1, 'a'}, err: ErrFragment},
	{name: "continuation", buf: []byte{0x80, 1, 'a'}, err: ErrFragment},
	{name: "compressed", buf: []byte{0xc1, 1, 'a'}, err: ErrReserved},
	{name: "masked", buf: []byte{0x81, 0x81, 1, 2, 3, 4, 'a'}, err: ErrMasked},
	{name: "too long", buf: []byte{0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1}, err: ErrTooLong},
	{name: "top bit of the length", buf: []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, err: ErrTooLong},
}

func TestNextFrame(t *testing.T) {
	for _, tt := range frames {
		t.Run(tt.name, func(t *testing.T) {
			opcode, payload, n, err := NextFrame(tt.buf)
			if opcode != tt.opcode || string(payload) != tt.payload || n != tt.n || err != tt.err {
				t.Errorf("got opcode %d, %d bytes of payload, length %d, %v", opcode, len(payload), n, err)
			}
		})
	}
}

func FuzzNextFrame(f *testing.F) {
	for _, tt := range frames {
		f.Add(tt.buf)
	}
	f.Fuzz(func(t *testing.T, buf []byte) {
		_, payload, n, err := NextFrame(buf)
		if n > len(buf) || len(payload) > n || (err != nil && n != 0) {
			t.Fatalf("%d bytes: length %d, payload %d, %v", len(buf), n, len(payload), err)
		}
		if n > 0 {
			if _, again, m, _ := NextFrame(buf[:n]); m != n || !bytes.Equal(again, payload) {
				t.Fatal("the frame alone is read in another way")
			}
		}
		m := Parse(payload)
		_, _ = Int(m.Data, `"id":`)
		_ = IsEvent(m.Data, "push")
	})
}

func TestAppendFrame(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("x"), size)
		f := AppendFrame([]byte("before"), OpText, payload)[len("before"):]
		if f[0] != 0x81 || f[1]&0x80 == 0 {
			t.Fatalf("%d bytes: header % x", size, f[:2])
		}
		body := f[len(f)-size:]
		key := f[len(f)-size-4 : len(f)-size]
		for i := range body {
			body[i] ^= key[i&3]
		}
		if !bytes.Equal(body, payload) {
			t.Errorf("%d bytes: payload differs after unmasking", size)
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		kind Kind
		ns   string
		id   int64
		data string
	}{
		{"", Other, "", 0, ""},
		{`0{"sid":"x"}`, Open, "", 0, `{"sid":"x"}`},
		{"1", Close, "", 0, ""},
		{"2probe", Ping, "", 0, "probe"},
		{"3", Other, "", 0, ""},
		{"6", Other, "", 0, ""},
		{"4", Other, "", 0, ""},
		{"49", Other, "", 0, ""},
		{"40", Connect, "", -1, ""},
		{"40/a,", Connect, "/a", -1, ""},
		{"40/a", Connect, "/a", -1, ""},
		{`40/a,{"sid":"x"}`, Connect, "/a", -1, `{"sid":"x"}`},
		{"41/a,", Disconnect, "/a", -1, ""},
		{`42/a,17["push",{"id":1}]`, Event, "/a", 17, `["push",{"id":1}]`},
		{`42["push"]`, Event, "", -1, `["push"]`},
		{`43/a,0[{"status":200}]`, Ack, "/a", 0, `[{"status":200}]`},
		{`44/a,"no"`, ConnectError, "/a", -1, `"no"`},
		{`43/a,9999999999999999999[]`, Ack, "/a", -1, `9999999999999999999[]`},
	}
	for _, tt := range tests {
		m := Parse([]byte(tt.in))
		if m.Kind != tt.kind || string(m.Namespace) != tt.ns || m.ID != tt.id || string(m.Data) != tt.data {
			t.Errorf("%q: %+v", tt.in, m)
		}
	}
}

func TestFields(t *testing.T) {
	const data = `["push",{"id":12,"room":"r","pushData":{"n":3,"t":1234567890123456,"s":"x"}}]`
	for key, want := range map[string]int64{`"id":`: 12, `"n":`: 3, `"t":`: 1234567890123456} {
		if got, ok := Int([]byte(data), key); !ok || got != want {
			t.Errorf("%s %d, %v", key, got, ok)
		}
	}
	for _, key := range []string{`"s":`, `"none":`} {
		if got, ok := Int([]byte(data), key); ok {
			t.Errorf("%s %d", key, got)
		}
	}
	for name, want := range map[string]bool{"push": true, "pus": false, "pushx": false, "": false} {
		if IsEvent([]byte(data), name) != want {
			t.Errorf("IsEvent %q is not %v", name, want)
		}
	}
	for _, short := range []string{"", "[", `["push`, `["push"`} {
		if IsEvent([]byte(short), "push") {
			t.Errorf("IsEvent of %q", short)
		}
	}
}
