package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func serverFrame(opcode byte, payload string) []byte {
	switch n := len(payload); {
	case n < 126:
		return append([]byte{0x80 | opcode, byte(n)}, payload...)
	case n < 1<<16:
		return append([]byte{0x80 | opcode, 126, byte(n >> 8), byte(n)}, payload...)
	default:
		return append([]byte{0x80 | opcode, 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, payload...)
	}
}

func TestNextFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 100_000} {
		payload := strings.Repeat("x", n)
		frame := append(serverFrame(OpText, payload), "rest"...)
		op, got, used, err := NextFrame(frame)
		if err != nil || op != OpText || string(got) != payload || used != len(frame)-4 {
			t.Errorf("%d bytes: op %d, %d bytes, used %d, %v", n, op, len(got), used, err)
		}
		for cut := range min(len(frame)-4, 200) {
			if _, _, used, err := NextFrame(frame[:cut]); used != 0 || err != nil {
				t.Errorf("%d of %d bytes: used %d, %v", cut, n, used, err)
			}
		}
	}
	for name, tt := range map[string]struct {
		frame []byte
		want  error
	}{
		"reserved": {[]byte{0xc1, 0}, ErrReserved}, "fragment": {[]byte{0x01, 0}, ErrFragment}, "continuation": {[]byte{0x80, 0}, ErrFragment},
		"masked": {[]byte{0x81, 0x80}, ErrMasked}, "long": {[]byte{0x81, 127, 0, 0, 0, 0, 0x7f, 0, 0, 0}, ErrTooLong}, "absurd": {[]byte{0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255}, ErrTooLong},
	} {
		if _, _, _, err := NextFrame(tt.frame); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 3, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte{'a'}, n)
		f := AppendFrame(nil, OpText, 0x01020304, payload)
		head := 2
		if n > 65535 {
			head = 10
		} else if n > 125 {
			head = 4
		}
		if len(f) != head+4+n || f[1]&0x80 == 0 || !bytes.Equal(f[head:head+4], []byte{1, 2, 3, 4}) {
			t.Fatalf("%d bytes: %x", n, f[:min(len(f), 16)])
		}
		for i, b := range f[head+4:] {
			if b^byte(1+i%4) != 'a' {
				t.Fatalf("%d bytes: byte %d", n, i)
			}
		}
	}
}

func TestNextResponse(t *testing.T) {
	type result struct {
		status int
		body   string
		close  bool
		rest   string
	}
	for name, tt := range map[string]struct {
		in   string
		want result
		err  error
	}{
		"length":       {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcrest", result{200, "abc", false, "rest"}, nil},
		"no body":      {"HTTP/1.1 204 No Content\r\n\r\nrest", result{204, "", false, "rest"}, nil},
		"continue":     {"HTTP/1.1 100 Continue\r\n\r\nHTTP", result{100, "", false, "HTTP"}, nil},
		"close":        {"HTTP/1.1 400 Bad\r\nconnection: close\r\ncontent-length:0\r\n\r\n", result{400, "", true, ""}, nil},
		"old":          {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", result{200, "", true, ""}, nil},
		"old, kept":    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", result{200, "", false, ""}, nil},
		"chunks":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\nrest", result{200, "abc0123456789", false, "rest"}, nil},
		"half head":    {"HTTP/1.1 200 OK\r\nContent-Le", result{}, nil},
		"half body":    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", result{}, nil},
		"half chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", result{}, nil},
		"no HTTP":      {"SSH-2.0-OpenSSH_9.2\r\n\r\n", result{}, ErrHTTP},
		"no status":    {"HTTP/1.1 abc OK\r\n\r\n", result{}, ErrHTTP},
		"bad length":   {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", result{}, ErrHTTP},
		"huge length":  {"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", result{}, ErrTooLong},
		"bad chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", result{}, ErrHTTP},
		"long chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n", result{}, ErrTooLong},
		"endless head": {strings.Repeat("x", MaxHead+1), result{}, ErrHTTP},
	} {
		r, n, err := NextResponse([]byte(tt.in))
		got := result{}
		if err == nil && n > 0 {
			got = result{r.Status, string(r.Body), r.Close, tt.in[n:]}
		}
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

var payloads = []struct {
	v3   bool
	body string
	want []string
	err  bool
}{
	{false, "40/demo,\x1e42[\"x\"]", []string{"40/demo,", `42["x"]`}, false},
	{false, "2", []string{"2"}, false},
	{false, "2\x1e\x1e3", []string{"2"}, true},
	{true, "6:4hello2:4€", []string{"4hello", "4€"}, false},
	{true, `15:42["uni","€😀"]`, []string{`42["uni","€😀"]`}, false},
	{true, "97", nil, true},
	{true, "x:1", nil, true},
	{true, "+1:2", nil, true},
	{true, "0:", nil, true},
	{true, "-1:2", nil, true},
	{true, "5:abc", nil, true},
	{true, "1:😀", nil, true},
	{true, "2:4\xff", nil, true},
	{true, "\x00\x04\xff4", nil, true},
}

func TestPayloads(t *testing.T) {
	for _, tt := range payloads {
		var got []string
		var err error
		for rest := []byte(tt.body); len(rest) > 0 && err == nil; {
			var packet []byte
			if packet, rest, err = NextPacket(rest, tt.v3); err == nil {
				got = append(got, string(packet))
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || (err != nil) != tt.err {
			t.Errorf("%q: %q, %v", tt.body, got, err)
		}
		if tt.err {
			continue
		}
		var again []byte
		for _, p := range got {
			again = AppendPacket(again, tt.v3, p)
		}
		if string(again) != tt.body {
			t.Errorf("%q became %q", tt.body, again)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"": "0  -1 ", `0{"sid":"x"}`: `1  -1 {"sid":"x"}`, "1": "2  -1 ", "2": "3  -1 ", "2probe": "3  -1 probe", "3probe": "4  -1 probe", "6": "5  -1 ",
		"40": "6  -1 ", "40/demo,": "6 /demo -1 ", `40/demo,{"sid":"s"}`: `6 /demo -1 {"sid":"s"}`, "40/demo": "6 /demo -1 ", "40/demo?a=1,": "6 /demo -1 ",
		"41/demo,": "7 /demo -1 ", `42/demo,["push",{}]`: `8 /demo -1 ["push",{}]`, `42/demo,17["push",{}]`: `8 /demo 17 ["push",{}]`, `43/demo,0[{}]`: `9 /demo 0 [{}]`,
		`44/demo,"no"`: `10 /demo -1 "no"`, "45": "0  -1 5", "4": "0  -1 ", "9": "0  -1 ",
	} {
		m := Parse([]byte(text))
		if got := fmt.Sprintf("%d %s %d %s", m.Kind, m.Namespace, m.ID, m.Data); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{`["push",1]`: "push", `["ok"]`: "ok", `[]`: "", `[1]`: "", `["x`: "", "": ""} {
		if got := string(EventName([]byte(text))); got != want {
			t.Errorf("name of %q: %q", text, got)
		}
	}
	for text, want := range map[string]int64{`{"id":5,`: 5, `{"id":"77"`: 77, `{"a":1}`: 0, `"id":x`: 0, `"id":999999999999999999999`: 999999999999999999, "": 0} {
		if got := MessageID([]byte(text)); got != want {
			t.Errorf("id of %q: %d", text, got)
		}
	}
	for text, want := range map[string]string{`"no"`: "no", `{"message":"no"}`: "no", `[1]`: "[1]", "": ""} {
		if got := Refusal([]byte(text)); got != want {
			t.Errorf("refusal %q: %q", text, got)
		}
	}
	for text, ok := range map[string]bool{`{"sid":"a","pingInterval":1}`: true, `{}`: false, `x`: false, `{"sid":"` + strings.Repeat("a", 300) + `"}`: false} {
		if _, got := ParseHandshake([]byte(text)); got != ok {
			t.Errorf("handshake %.40q: %v", text, got)
		}
	}
}

func TestMarks(t *testing.T) {
	for _, m := range []Mark{{0, 1, 0}, {1<<31 - 1, 1<<31 - 1, 1 << 62}} {
		text := append([]byte(`["push",{"id":1,"pushData":{`), AppendMark(nil, "ab12", m)...)
		if got, ok := FindMark(append(text, `}}]`...), "ab12"); !ok || got != m {
			t.Errorf("%v became %v, %v", m, got, ok)
		}
		if _, ok := FindMark(text, "ab13"); ok {
			t.Error("a mark of another run")
		}
	}
	for _, bad := range []string{"", `"lpsim":"`, `"lpsim":"r`, `"lpsim":"r.`, `"lpsim":"r.1.1.1`, `"lpsim":"r.1.0.1"`, `"lpsim":"r.-1.1.1"`, `"lpsim":"r.9999999999.1.1"`, `"lpsim":"r.1.1.99999999999999999999"`, `"lpsim":"r..1.1"`, `"lpsim":"rx1.1.1"`} {
		if m, ok := FindMark([]byte(bad), "r"); ok {
			t.Errorf("%q is %v", bad, m)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(serverFrame(OpText, "hello"))
	f.Add([]byte{0x81, 127, 255})
	f.Fuzz(func(t *testing.T, p []byte) {
		for len(p) > 0 {
			_, payload, n, err := NextFrame(p)
			if err != nil || n == 0 {
				return
			}
			if n > len(p) || len(payload) > n {
				t.Fatal("beyond the end")
			}
			p = p[n:]
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		r, n, err := NextResponse(p)
		if n > len(p) || err != nil && n != 0 || len(r.Body) > len(p) {
			t.Fatalf("%d of %d, %v", n, len(p), err)
		}
	})
}

func FuzzPackets(f *testing.F) {
	for _, p := range payloads {
		f.Add([]byte(p.body), p.v3)
	}
	f.Fuzz(func(t *testing.T, body []byte, v3 bool) {
		for len(body) > 0 {
			packet, rest, err := NextPacket(body, v3)
			if err != nil {
				return
			}
			if len(packet) == 0 || len(rest) >= len(body) {
				t.Fatal("no progress")
			}
			m := Parse(packet)
			EventName(m.Data)
			MessageID(m.Data)
			Refusal(m.Data)
			ParseHandshake(m.Data)
			FindMark(m.Data, "r")
			body = rest
		}
	})
}
