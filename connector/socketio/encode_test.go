package socketio

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestEncode(t *testing.T) {
	type object = map[string]any
	for _, c := range []struct {
		nsp   string
		ackID int64
		event string
		args  []any
		want  string
	}{
		{"/", noAck, "hello", []any{1}, `2["hello",1]`},
		{"/", noAck, "hello", nil, `2["hello"]`},
		{"/", noAck, "", []any{"x"}, `2["","x"]`},
		{"/admin", 456, "del", []any{123, nil}, `2/admin,456["del",123,null]`},
		{"/", 0, "é<\"\u2028", []any{"<&>"}, `20["é<\"\u2028","<&>"]`},
		{"/", noAck, "raw", []any{json.RawMessage("{ \"a\":\n1}"), json.RawMessage(nil)}, "2[\"raw\",{ \"a\":\n1},null]"},
		{"/", noAck, "utf8", []any{"a\xffb", json.RawMessage("\"\xff\"")}, "2[\"utf8\",\"a\\ufffdb\",\"\uFFFD\"]"},
		{"/", noAck, "f", []any{[]byte{1, 2}}, `51-["f",{"_placeholder":true,"num":0}] <01 02>`},
		{"/a", 7, "f", []any{object{"b": Binary{2}, "a": []any{[]byte{1}, "x"}}, Binary(nil)},
			`53-/a,7["f",{"a":[{"_placeholder":true,"num":0},"x"],"b":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":2}] <01> <02> <>`},
		{"/", noAck, "struct", []any{struct{ B Binary }{Binary{1}}, []Binary{{1}}}, `2["struct",{"B":"AQ=="},["AQ=="]]`},
	} {
		text, err := encodeText(func(e *encoder) ([][]byte, error) { return e.event(c.nsp, c.ackID, c.event, c.args) })
		if got := strings.Join(text, " "); err != nil || got != c.want {
			t.Errorf("%s %v\ngot  %s, %v\nwant %s", c.event, c.args, got, err, c.want)
		}
	}
	for _, args := range [][]any{{func() {}}, {json.RawMessage("{")}, {json.RawMessage("")}, {make(chan int)}, slicesOf(11)} {
		if _, err := encodeEvent("/", noAck, "x", args); err == nil {
			t.Errorf("%T was encoded", args[0])
		}
	}
	if msgs, err := encodeEvent("/", noAck, "x", slicesOf(10)); err != nil || len(msgs) != 11 {
		t.Errorf("ten attachments: %v", err)
	}
	refused := &ConnectError{Message: "no \xff", Data: 0}
	for _, c := range []struct {
		write func(*encoder)
		want  string
	}{
		{func(e *encoder) { _, _ = e.ack("/a", 5, nil) }, `3/a,5[]`},
		{func(e *encoder) { _, _ = e.ack("/", 0, []any{[]byte{1}, "x"}) }, `61-0[{"_placeholder":true,"num":0},"x"]`},
		{func(e *encoder) { e.connect("/", "id", "", false) }, `0{"sid":"id"}`},
		{func(e *encoder) { e.connect("/a", "id", "", false) }, `0/a,{"sid":"id"}`},
		{func(e *encoder) { e.connect("/", "id", "", true) }, `0`},
		{func(e *encoder) { e.connect("/a", "id", "", true) }, `0/a,`},
		{func(e *encoder) { e.disconnect("/") }, `1`},
		{func(e *encoder) { e.disconnect("/a") }, `1/a,`},
		{func(e *encoder) { e.connectError("/", refused, false) }, `4{"message":"no \ufffd","data":0}`},
		{func(e *encoder) { e.connectError("/a", refused, true) }, `4/a,0`},
		{func(e *encoder) { e.connectError("/a", &ConnectError{Message: "no"}, true) }, `4/a,"no"`},
		{func(e *encoder) { e.connectError("/a", &ConnectError{Message: "no", Data: func() {}}, true) }, `4/a,"no"`},
	} {
		text, _ := encodeText(func(e *encoder) ([][]byte, error) { c.write(e); return nil, nil })
		if text[0] != c.want {
			t.Errorf("got %s, want %s", text[0], c.want)
		}
	}
}

// encodeText runs an encoder and writes the attachments as <01 02>.
func encodeText(write func(*encoder) ([][]byte, error)) ([]string, error) {
	e := newEncoder()
	defer e.free()
	attachments, err := write(e)
	text := []string{string(e.text())}
	for _, a := range attachments {
		text = append(text, fmt.Sprintf("<% x>", a))
	}
	return text, err
}

func slicesOf(n int) (args []any) {
	for range n {
		args = append(args, []byte{1})
	}
	return args
}
