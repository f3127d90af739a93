package wsclient

import (
	"bufio"
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestParsePacket(t *testing.T) {
	for text, want := range map[string]Packet{
		`0/demo,`:                  {Type: Connect, Namespace: "/demo", ID: -1},
		`0/demo,{"sid":"x"}`:       {Type: Connect, Namespace: "/demo", ID: -1, Data: json.RawMessage(`{"sid":"x"}`)},
		`0`:                        {Type: Connect, Namespace: "/", ID: -1},
		`1/demo,`:                  {Type: Disconnect, Namespace: "/demo", ID: -1},
		`1/demo`:                   {Type: Disconnect, Namespace: "/demo", ID: -1},
		`2/demo,["ok",{"a":1}]`:    {Type: Event, Namespace: "/demo", ID: -1, Data: json.RawMessage(`["ok",{"a":1}]`)},
		`2/demo,12["push",{}]`:     {Type: Event, Namespace: "/demo", ID: 12, Data: json.RawMessage(`["push",{}]`)},
		`3/demo,0[{"status":200}]`: {Type: Ack, Namespace: "/demo", ID: 0, Data: json.RawMessage(`[{"status":200}]`)},
		`4/demo,"uuid invalid"`:    {Type: ConnectError, Namespace: "/demo", ID: -1, Data: json.RawMessage(`"uuid invalid"`)},
		`2["plain"]`:               {Type: Event, Namespace: "/", ID: -1, Data: json.RawMessage(`["plain"]`)},
	} {
		got, err := ParsePacket(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "9", `2/demo,["open"`, `2/demo,99999999999999999999["x"]`} {
		if p, err := ParsePacket(text); err == nil {
			t.Errorf("%q: accepted as %+v", text, p)
		}
	}
}

func TestPacketArguments(t *testing.T) {
	event := Packet{Type: Event, Data: json.RawMessage(`["push",{"id":7}]`)}
	var body struct{ ID int }
	if err := event.Arg(0, &body); err != nil || event.Name() != "push" || body.ID != 7 {
		t.Errorf("event: name %q, id %d, %v", event.Name(), body.ID, err)
	}
	ack := Packet{Type: Ack, Data: json.RawMessage(`[{"id":8}]`)}
	if err := ack.Arg(0, &body); err != nil || ack.Name() != "" || body.ID != 8 {
		t.Errorf("ack: name %q, id %d, %v", ack.Name(), body.ID, err)
	}
	if err := ack.Arg(1, &body); err == nil {
		t.Error("a missing argument was found")
	}
}

func TestRefusalHasTwoForms(t *testing.T) {
	for data, want := range map[string]string{`"no"`: "no", `{"message":"no","data":{}}`: "no", `7`: "7"} {
		if got := refusal(json.RawMessage(data)); got != want {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
	}
}

// Frames of a server are unmasked; the reader joins fragments and passes control frames between them.
func TestReadMessage(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	var wire bytes.Buffer
	wire.Write([]byte{0x01, 2, 'a', 'b'}) // text, not final
	wire.Write([]byte{0x8A, 0})           // pong in between
	wire.Write([]byte{0x80, 1, 'c'})      // continuation, final
	wire.Write([]byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70})
	wire.WriteString(long)
	s := &Socket{br: bufio.NewReader(&wire)}
	for _, want := range []string{"abc", long} {
		if op, got, err := s.ReadMessage(); err != nil || op != OpText || string(got) != want {
			t.Fatalf("opcode %d, %d bytes, %v; want %d bytes", op, len(got), err, len(want))
		}
	}
}

// A frame written by the client, unmasked again, is what was given.
func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65_535, 65_536} {
		payload := bytes.Repeat([]byte{'p'}, n)
		frame := AppendFrame(nil, 0x81, payload)
		head := 2
		switch frame[1] & 0x7F {
		case 126:
			head = 4
		case 127:
			head = 10
		}
		mask, body := frame[head:head+4], frame[head+4:]
		for i := range body {
			body[i] ^= mask[i&3]
		}
		if frame[1]&0x80 == 0 || !bytes.Equal(body, payload) {
			t.Errorf("%d bytes: masked %v, body %d bytes", n, frame[1]&0x80 != 0, len(body))
		}
	}
}
