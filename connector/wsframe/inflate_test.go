package wsframe

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// packed compresses as a client without context takeover does.
func packed(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = w.Write([]byte(s))
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// halves is a compressed text message in two fragments.
func halves(s string) []in {
	p := packed(s)
	return []in{{op: ws.OpText, data: p[:len(p)/2], more: true, rsv: rsv1}, last(p[len(p)/2:])}
}

var deflateCases = []struct {
	name   string
	frames []in
	want   []string
	err    error
}{
	{"text", []in{{op: ws.OpText, data: packed("hello"), rsv: rsv1}}, []string{"text:hello"}, nil},
	{"binary", []in{{op: ws.OpBinary, data: packed("\xff"), rsv: rsv1}}, []string{"binary:\xff"}, nil},
	{"empty", []in{{op: ws.OpText, data: packed(""), rsv: rsv1}}, []string{"text:"}, nil},
	{"plain ones between", []in{text("a"), {op: ws.OpText, data: packed("b"), rsv: rsv1}, text("c")}, []string{"text:a", "text:b", "text:c"}, nil},
	{"fragments", append(halves(medium), last("")), []string{"text:" + medium}, ErrNoMessage},
	{"no context is kept", []in{{op: ws.OpText, data: packed(medium), rsv: rsv1}, {op: ws.OpText, data: packed(medium), rsv: rsv1}}, []string{"text:" + medium, "text:" + medium}, nil},
	{"RFC 7692 section 7.2.3.1", []in{{op: ws.OpText, data: "\xf2\x48\xcd\xc9\xc9\x07\x00", rsv: rsv1}}, []string{"text:Hello"}, nil},
	{"RFC 7692 section 7.2.3.3, no compression", []in{{op: ws.OpText, data: "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", rsv: rsv1}}, []string{"text:Hello"}, nil},
	{"RFC 7692 section 7.2.3.4, final block", []in{{op: ws.OpText, data: "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", rsv: rsv1}}, []string{"text:Hello"}, nil},
	{"exactly the limit", []in{{op: ws.OpBinary, data: packed(strings.Repeat("x", testLimit)), rsv: rsv1}}, []string{"binary:" + strings.Repeat("x", testLimit)}, nil},
	{"bomb", []in{{op: ws.OpBinary, data: packed(strings.Repeat("x", 50*testLimit)), rsv: rsv1}}, nil, ErrTooBig},
	{"bomb in fragments", halves(strings.Repeat("x", testLimit+1)), nil, ErrTooBig},
	{"invalid UTF-8 inside", []in{{op: ws.OpText, data: packed("a\xff"), rsv: rsv1}}, nil, ErrInvalidUTF8},
	{"garbage", []in{{op: ws.OpText, data: "\xff\xff\xff", rsv: rsv1}}, nil, ErrBadDeflate},
	{"cut", []in{{op: ws.OpText, data: packed(medium + "abcdefgh")[:5], rsv: rsv1}}, nil, ErrBadDeflate},
	{"compressed control frame", []in{{op: ws.OpPing, rsv: rsv1}}, nil, ErrReservedBits},
	{"bit in a later fragment", []in{first("a"), {op: ws.OpContinuation, rsv: rsv1}}, nil, ErrReservedBits},
	{"other reserved bits", []in{{op: ws.OpText, rsv: rsv1 | 1}}, nil, ErrReservedBits},
}

func TestDecoderDeflate(t *testing.T) {
	for _, c := range deflateCases {
		t.Run(c.name, func(t *testing.T) {
			stream := encode(c.frames)
			for _, size := range []int{len(stream), 1, 7} {
				d := New(testLimit)
				d.AllowDeflate()
				got, err := decode(&d, split(bytes.Clone(stream), func() int { return size })...)
				if fmt.Sprint(got) != fmt.Sprint(c.want) || !errors.Is(err, c.err) || !d.Idle() {
					t.Fatalf("chunks of %d: %.200q, %v, idle %v; want %.200q, %v", size, got, err, d.Idle(), c.want, c.err)
				}
			}
			d := New(testLimit)
			if _, err := decode(&d, bytes.Clone(stream)); c.name != "plain ones between" && !errors.Is(err, ErrReservedBits) {
				t.Fatalf("without the extension: %v", err)
			}
		})
	}
}

// FuzzInflate: nothing inflates beyond the limit, and a message that was compressed comes out as it was.
func FuzzInflate(f *testing.F) {
	for _, c := range deflateCases {
		for _, frame := range c.frames {
			if len(frame.data) < 2000 {
				f.Add([]byte(frame.data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		const limit = 1000
		d := New(limit)
		d.AllowDeflate()
		got, _ := decode(&d, in{op: ws.OpBinary, data: string(p), rsv: rsv1}.encode())
		if len(got) > 0 && len(got[0]) > limit+len("binary:") {
			t.Fatalf("inflated to %d bytes", len(got[0]))
		}
		if len(p) > limit || len(packed(string(p))) > limit {
			return
		}
		d = New(limit)
		d.AllowDeflate()
		got, err := decode(&d, in{op: ws.OpBinary, data: packed(string(p)), rsv: rsv1}.encode())
		if err != nil || len(got) != 1 || got[0] != "binary:"+string(p) {
			t.Fatalf("%q came back as %q, %v", p, got, err)
		}
	})
}
