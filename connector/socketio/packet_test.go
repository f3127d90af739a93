package socketio

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// packetCases are spec examples (sections 3.1 and 3.6): what a client sends,
// without Engine.IO's type digit; attachments are written <01 02>.
var packetCases = []struct {
	wire string // messages separated by spaces outside of JSON: see split
	sio4 bool
	want string // see describe; empty when err is set
	err  error
}{
	{wire: `0`, want: `CONNECT /`},
	{wire: `0{"token":"x"}`, want: `CONNECT / auth={"token":"x"}`},
	{wire: `0/admin`, want: `CONNECT /admin`},
	{wire: `0/admin,`, want: `CONNECT /admin`},
	{wire: `0/,`, want: `CONNECT /`},
	{wire: `0/`, want: `CONNECT /`},
	{wire: `0/admin,{"sid":"SID"}`, want: `CONNECT /admin auth={"sid":"SID"}`},
	{wire: `0/admin?a=b%20c,`, sio4: true, want: `CONNECT /admin ?a=b%20c`},
	{wire: `0/admin?a=b`, sio4: true, want: `CONNECT /admin ?a=b`},
	{wire: `0/?a=b,`, sio4: true, want: `CONNECT / ?a=b`},
	{wire: `0/admin?,`, sio4: true, want: `CONNECT /admin`},
	{wire: `0/admin?a=b,`, want: `CONNECT /admin?a=b`},
	{wire: `0/admin,{"a":1}`, sio4: true, want: `CONNECT /admin`},
	{wire: `0/admin,[]`, sio4: true, want: `CONNECT /admin`},
	{wire: `0/admin,null`, sio4: true, want: `CONNECT /admin`},
	{wire: `0/admin,"x"`, sio4: true, err: errPayload},
	{wire: `0null`, err: errPayload},
	{wire: `0[]`, err: errPayload},
	{wire: `0"x"`, err: errPayload},
	{wire: `05{}`, err: errPayload},
	{wire: `0/,/`, err: errPayload},

	{wire: `1`, want: `DISCONNECT /`},
	{wire: `1/admin,`, want: `DISCONNECT /admin`},
	{wire: `1/admin`, want: `DISCONNECT /admin`},
	{wire: `1/admin?a=b,`, sio4: true, want: `DISCONNECT /admin ?a=b`},
	{wire: `1{}`, err: errPayload},
	{wire: `11`, err: errPayload},

	{wire: `2["hello",1]`, want: `EVENT / "hello" 1`},
	{wire: `2/admin,456["del",123]`, want: `EVENT /admin #456 "del" 123`},
	{wire: `2/,5["x"]`, want: `EVENT / #5 "x"`},
	{wire: `20["x"]`, want: `EVENT / #0 "x"`},
	{wire: `2012["x"]`, want: `EVENT / #12 "x"`},
	{wire: `29007199254740991["x"]`, want: `EVENT / #9007199254740991 "x"`},
	{wire: `29007199254740992["x"]`, err: errAckID},
	{wire: `2[7,"x"]`, want: `EVENT / "7" "x"`},
	{wire: `2["a\u0062c"]`, want: `EVENT / "abc"`},
	{wire: `2["é"]`, want: `EVENT / "é"`},
	{wire: `2[ "x" , [1, {"a":"],\"["}] ,null ]`, want: `EVENT / "x" [1, {"a":"],\"["}] null`},
	{wire: `2["x",{"_placeholder":true,"num":0}]`, want: `EVENT / "x" {"_placeholder":true,"num":0}`},
	{wire: `2["connect"]`, err: errReservedEvent},
	{wire: `2["connect"]`, sio4: true, want: `EVENT / ignored`},
	{wire: `2`, want: `EVENT / ignored`},
	{wire: `21`, want: `EVENT / #1 ignored`},
	{wire: `2/admin`, want: `EVENT /admin ignored`},
	{wire: `2[]`, err: errPayload},
	{wire: `2{}`, err: errPayload},
	{wire: `2"a"`, err: errPayload},
	{wire: `2null`, err: errPayload},
	{wire: `2[null]`, err: errPayload},
	{wire: `2[true]`, err: errPayload},
	{wire: `2[1e999]`, err: errPayload},
	{wire: `2["a"]x`, err: errPayload},
	{wire: `2["a"`, err: errPayload},
	{wire: `2-1[]`, err: errPayload},
	{wire: `21.5["a"]`, err: errPayload},

	{wire: `3/admin,456[]`, want: `ACK /admin #456`},
	{wire: `312["ok",{"a":1}]`, want: `ACK / #12 "ok" {"a":1}`},
	{wire: `3`, want: `ACK /`},
	{wire: `31`, want: `ACK / #1`},
	{wire: `31{}`, err: errPayload},

	{wire: `4"no"`, err: errServerOnly},
	{wire: `4/admin,{"message":"no"}`, err: errServerOnly},

	{wire: `51-["f",{"_placeholder":true,"num":0}] <01 02>`, want: `BINARY_EVENT / "f" {"_placeholder":true,"num":0} <01 02>`},
	{wire: `52-/a,7["f",{"_placeholder":true,"num":1}] <> <03>`, want: `BINARY_EVENT /a #7 "f" {"_placeholder":true,"num":1} <> <03>`},
	{wire: `61-/admin,13["bar",{"_placeholder":true,"num":0}] <01>`, want: `BINARY_ACK /admin #13 "bar" {"_placeholder":true,"num":0} <01>`},
	{wire: `51-["connect"] <01>`, sio4: true, want: `BINARY_EVENT / ignored`},
	{wire: `51-["connect"] <01>`, err: errReservedEvent},
	{wire: `50-["f"]`, err: errAttachmentCount},
	{wire: `5-["f"]`, err: errAttachmentCount},
	{wire: `5["f"]`, err: errAttachmentCount},
	{wire: `51["f"]`, err: errAttachmentCount},
	{wire: `51`, err: errAttachmentCount},
	{wire: `51.5-["f"]`, err: errAttachmentCount},
	{wire: `511-["f"]`, err: errAttachmentCount},
	{wire: `51-`, err: errPayload},
	{wire: `61-`, err: errPayload},
	{wire: `51-["f",{"_placeholder":true,"num":1}]`, err: errPlaceholder},
	{wire: `51-["f",{"_placeholder":true,"num":-1}]`, err: errPlaceholder},
	{wire: `51-["f",{"_placeholder":true,"num":"0"}]`, err: errPlaceholder},
	{wire: `51-["f",[{"a":{"_placeholder":true}}]]`, err: errPlaceholder},
	{wire: `51-["f"] 2["x"]`, err: errUnexpectedText},
	{wire: `<01>`, err: errUnexpectedBinary},
	{wire: `51-["f"] <01> <02>`, err: errUnexpectedBinary},

	{wire: ``, err: errEmptyPacket},
	{wire: `7`, err: errUnknownType},
	{wire: `x`, err: errUnknownType},
}

// split cuts the messages of a case: attachments, and texts that follow one.
func split(wire string) (messages []string) {
	head, tail, _ := strings.Cut(wire, " <")
	if head2, tail2, ok := strings.Cut(wire, " 2["); ok && tail == "" && strings.HasPrefix(wire, "5") {
		return []string{head2, "2[" + tail2}
	}
	messages = []string{head}
	if tail == "" && !strings.HasSuffix(wire, " <>") {
		return messages
	}
	for _, m := range strings.Split(tail, " <") {
		messages = append(messages, "<"+m)
	}
	return messages
}

var typeNames = map[packetType]string{
	packetConnect: "CONNECT", packetDisconnect: "DISCONNECT", packetEvent: "EVENT", packetAck: "ACK",
	packetBinaryEvent: "BINARY_EVENT", packetBinaryAck: "BINARY_ACK",
}

func describe(in *incoming) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", typeNames[in.typ], in.namespace)
	if in.query != "" {
		fmt.Fprintf(&b, " ?%s", in.query)
	}
	if in.hasAckID {
		fmt.Fprintf(&b, " #%d", in.ackID)
	}
	if in.auth != nil {
		fmt.Fprintf(&b, " auth=%s", in.auth)
	}
	switch {
	case in.empty:
		b.WriteString(" ignored")
	case in.typ == packetEvent || in.typ == packetBinaryEvent:
		fmt.Fprintf(&b, " %q", in.event)
	}
	for _, raw := range in.args.raw {
		fmt.Fprintf(&b, " %s", raw)
	}
	for _, a := range in.args.attachments {
		fmt.Fprintf(&b, " <% x>", a)
	}
	return b.String()
}

// feed gives the messages of a case to a decoder; the buffers are overwritten
// afterwards, as the engine does.
func feed(d *decoder, messages []string) (in *incoming, err error) {
	for _, m := range messages {
		data, binary := []byte(m), false
		if hex, ok := strings.CutPrefix(m, "<"); ok {
			binary, data = true, nil
			for _, digits := range strings.Fields(strings.TrimSuffix(hex, ">")) {
				var c byte
				fmt.Sscanf(digits, "%x", &c)
				data = append(data, c)
			}
		}
		if in, err = d.decode(binary, data); err != nil {
			return nil, err
		}
		for i := range data {
			data[i] = 'x'
		}
	}
	return in, nil
}

func TestDecoder(t *testing.T) {
	for _, usual := range []string{"", "/admin"} {
		for _, c := range packetCases {
			d := decoder{sio4: c.sio4, usual: usual}
			in, err := feed(&d, split(c.wire))
			switch {
			case !errors.Is(err, c.err):
				t.Errorf("%s (SIO4 %v): %v, want %v", c.wire, c.sio4, err, c.err)
			case c.err == nil && in == nil:
				t.Errorf("%s: incomplete", c.wire)
			case c.err == nil && describe(in) != c.want:
				t.Errorf("%s\ngot  %s\nwant %s", c.wire, describe(in), c.want)
			case d.partial != nil && c.err == nil:
				t.Errorf("%s: leaves a partial packet", c.wire)
			}
		}
	}
}

func TestDecodeArgs(t *testing.T) {
	var d decoder
	in, err := feed(&d, []string{
		`52-["f",{"_placeholder":true,"num":1},{"x":[{"_placeholder":true,"num":0},9007199254740993]},"te-xt"]`, "<01>", "<02 03>"})
	if err != nil {
		t.Fatal(err)
	}
	a := in.args
	var first Binary
	var firstBytes []byte
	var anything any
	var second struct{ X []any }
	var typed struct{ X []any }
	for _, err := range []error{a.Decode(0, &first), a.Decode(0, &firstBytes), a.Decode(1, &anything), a.Decode(1, &typed), a.Decode(1, &second)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if string(first) != "\x02\x03" || string(firstBytes) != "\x02\x03" {
		t.Errorf("argument 0: %x %x", first, firstBytes)
	}
	list := anything.(map[string]any)["x"].([]any)
	if got, ok := list[0].(Binary); !ok || string(got) != "\x01" || fmt.Sprint(list[1]) != "9007199254740993" {
		t.Errorf("argument 1: %#v", anything)
	}
	var text string
	if err := a.Decode(2, &text); err != nil || text != "te-xt" {
		t.Errorf("argument 2: %q, %v", text, err)
	}
	if a.Decode(3, &text) != ErrNoArgument || a.Decode(-1, &text) != ErrNoArgument || a.Raw(3) != nil || a.Len() != 3 || len(a.Attachments()) != 2 {
		t.Error("argument that is not there")
	}
	if err := a.Decode(2, &first); err == nil {
		t.Error("text that is no base64 decoded into Binary")
	}
}

// FuzzParsePacket: no input panics, and what is parsed and written again is
// parsed to the same.
func FuzzParsePacket(f *testing.F) {
	for _, c := range packetCases {
		f.Add([]byte(split(c.wire)[0]), c.sio4)
	}
	f.Fuzz(func(t *testing.T, data []byte, sio4 bool) {
		p, err := parsePacket(data, sio4, "/admin")
		if err != nil || (len(p.payload) > 0 && p.payload[0] == '/') { // which is no JSON
			return
		}
		if len(p.namespace) == 0 || p.namespace[0] != '/' || p.attachments > maxAttachments {
			t.Fatalf("%q: %+v", data, p)
		}
		e := newEncoder()
		defer e.free()
		ackID := int64(noAck)
		if p.hasAckID {
			ackID = int64(p.ackID)
		}
		nsp := p.namespace
		if p.query != "" {
			nsp += "?" + p.query
		}
		e.header(p.typ, nsp, ackID, p.attachments)
		e.buf.Write(p.payload)
		again, err := parsePacket(e.buf.Bytes(), sio4, "")
		if err != nil || string(again.payload) != string(p.payload) {
			t.Fatalf("%q → %q: %v", data, e.buf.Bytes(), err)
		}
		again.payload, p.payload = nil, nil
		if !reflect.DeepEqual(again, p) {
			t.Fatalf("%q → %q: %+v, was %+v", data, e.buf.Bytes(), again, p)
		}
	})
}

// FuzzDecoder: no sequence of messages panics; a complete event that is
// encoded again decodes to the same arguments.
func FuzzDecoder(f *testing.F) {
	for _, c := range packetCases {
		messages := append(split(c.wire), "", "")
		f.Add([]byte(messages[0]), []byte(messages[1]), []byte(messages[2]), c.sio4)
	}
	f.Fuzz(func(t *testing.T, header, a1, a2 []byte, sio4 bool) {
		d := decoder{sio4: sio4}
		in, err := d.decode(false, header)
		for _, a := range [][]byte{a1, a2} {
			if err == nil && in == nil {
				in, err = d.decode(true, a)
			}
		}
		if err != nil || in == nil || in.empty || in.event == "" {
			return
		}
		args := make([]any, in.args.Len())
		for i := range args {
			if err := in.args.Decode(i, &args[i]); err != nil {
				return // a number beyond float64
			}
		}
		text, err := encodeText(func(e *encoder) ([][]byte, error) { return e.event(in.namespace, noAck, in.event, args) })
		if err != nil {
			return // more attachments than allowed, when one was used twice
		}
		d2 := decoder{sio4: sio4}
		again, err := feed(&d2, text)
		if err != nil || again == nil || again.event != in.event || again.args.Len() != len(args) {
			t.Fatalf("%q → %s: %v", header, text, err)
		}
		for i := range args {
			var got any
			if err := again.args.Decode(i, &got); err != nil {
				t.Fatal(err)
			}
			// Compare as text: the two may hold numbers in different types.
			was, _ := encodeText(func(e *encoder) ([][]byte, error) { return e.ack("/", 0, args[i:i+1]) })
			is, _ := encodeText(func(e *encoder) ([][]byte, error) { return e.ack("/", 0, []any{got}) })
			if !slices.Equal(was, is) {
				t.Fatalf("%q argument %d: %s, was %s", header, i, is, was)
			}
		}
	})
}
