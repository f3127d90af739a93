package wsframe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// in is one client frame, in readable form.
type in struct {
	op     ws.OpCode
	data   string
	more   bool // not final
	rsv    byte
	noMask bool
	length uint64 // announced instead of the real length, always in 64 bits; zero: the real one
}

func text(s string) in       { return in{op: ws.OpText, data: s} }
func bin(s string) in        { return in{op: ws.OpBinary, data: s} }
func first(s string) in      { return in{op: ws.OpText, data: s, more: true} }
func cont(s string) in       { return in{op: ws.OpContinuation, data: s, more: true} }
func last(s string) in       { return in{op: ws.OpContinuation, data: s} }
func ping(s string) in       { return in{op: ws.OpPing, data: s} }
func pong(s string) in       { return in{op: ws.OpPong, data: s} }
func closing(body string) in { return in{op: ws.OpClose, data: body} }

func (f in) encode() []byte {
	if f.length > 0 {
		b := []byte{0x80 | byte(f.op), 0x80 | 127}
		return append(binary.BigEndian.AppendUint64(b, f.length), 1, 2, 3, 4)
	}
	frame := ws.NewFrame(f.op, !f.more, []byte(f.data))
	frame.Header.Rsv = f.rsv
	if !f.noMask {
		frame = ws.MaskFrameWith(frame, [4]byte{0x11, 0x22, 0x33, 0x44})
	}
	return ws.MustCompileFrame(frame)
}

func encode(frames []in) (b []byte) {
	for _, f := range frames {
		b = append(b, f.encode()...)
	}
	return b
}

// decode returns what came out: "text:…", "binary:…", "ping:…" and so on.
func decode(d *Decoder, chunks ...[]byte) (out []string, err error) {
	names := map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary", ws.OpPing: "ping", ws.OpPong: "pong", ws.OpClose: "close"}
	for _, c := range chunks {
		err = d.Feed(c, func(op ws.OpCode, payload []byte) error {
			out = append(out, names[op]+":"+string(payload))
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

const testLimit = 70_000

var (
	medium = strings.Repeat("m", 300)    // 16-bit length
	long   = strings.Repeat("l", 66_000) // 64-bit length
)

var cases = []struct {
	name   string
	frames []in
	want   []string
	err    error
}{
	{"nothing", nil, nil, nil},
	{"text", []in{text("hello")}, []string{"text:hello"}, nil},
	{"empty messages", []in{text(""), bin("")}, []string{"text:", "binary:"}, nil},
	{"several", []in{text("a"), bin("\x00\xff"), text("€😀")}, []string{"text:a", "binary:\x00\xff", "text:€😀"}, nil},
	{"16-bit length", []in{text(medium)}, []string{"text:" + medium}, nil},
	{"64-bit length", []in{bin(long)}, []string{"binary:" + long}, nil},
	{"exactly the limit", []in{bin(strings.Repeat("x", testLimit))}, []string{"binary:" + strings.Repeat("x", testLimit)}, nil},
	{"fragments", []in{first("he"), cont("l"), last("lo"), text("x")}, []string{"text:hello", "text:x"}, nil},
	{"empty fragments", []in{first(""), cont(""), last("")}, []string{"text:"}, nil},
	{"control frames inside a message", []in{first("a"), ping("p"), cont("b"), pong(""), last("c")}, []string{"ping:p", "pong:", "text:abc"}, nil},
	{"character split over fragments", []in{first("\xe2"), last("\x82\xac")}, []string{"text:€"}, nil},
	{"longest control frame", []in{ping(medium[:125])}, []string{"ping:" + medium[:125]}, nil},
	{"close without status", []in{closing("")}, []string{"close:"}, nil},
	{"close with status", []in{closing("\x03\xe8bye")}, []string{"close:\x03\xe8bye"}, nil},
	{"nothing counts after close", []in{closing(""), text("x"), {op: 5}}, []string{"close:"}, nil},
	{"close inside a message", []in{first("a"), closing("")}, []string{"close:"}, nil},

	{"too big", []in{text("ok"), bin(strings.Repeat("x", testLimit+1))}, []string{"text:ok"}, ErrTooBig},
	{"too big by announcement", []in{{op: ws.OpBinary, length: 1 << 62}}, nil, ErrTooBig},
	{"too big in fragments", []in{first(long), last(medium + long)}, nil, ErrTooBig},
	{"top bit of the length", []in{{op: ws.OpBinary, length: 1 << 63}}, nil, ErrLengthOverflow},
	{"invalid UTF-8", []in{text("a\xff")}, nil, ErrInvalidUTF8},
	{"invalid UTF-8 in fragments", []in{first("\xe2"), last("\x28")}, nil, ErrInvalidUTF8},
	{"binary may be anything", []in{bin("\xff")}, []string{"binary:\xff"}, nil},
	{"unmasked", []in{{op: ws.OpText, data: "a", noMask: true}}, nil, ErrMaskRequired},
	{"reserved bits", []in{{op: ws.OpText, data: "a", rsv: 4}}, nil, ErrReservedBits},
	{"reserved op code", []in{{op: 3}}, nil, ErrReservedOpCode},
	{"reserved control op code", []in{{op: 0xb}}, nil, ErrReservedOpCode},
	{"long control frame", []in{ping(medium[:126])}, nil, ErrControlTooLong},
	{"fragmented control frame", []in{{op: ws.OpPing, more: true}}, nil, ErrControlSplit},
	{"continuation of nothing", []in{last("a")}, nil, ErrNoMessage},
	{"message inside a message", []in{first("a"), text("b")}, nil, ErrInMessage},
	{"close with half a status", []in{closing("\x03")}, nil, ErrClosePayload},
	{"close with a reserved status", []in{closing("\x03\xed")}, nil, ErrClosePayload},
	{"close with a bad reason", []in{closing("\x03\xe8\xff")}, nil, ErrClosePayload},
}

func TestDecoder(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stream := encode(c.frames)
			check := func(how string, chunks ...[]byte) {
				t.Helper()
				d := New(testLimit)
				got, err := decode(&d, chunks...)
				if fmt.Sprint(got) != fmt.Sprint(c.want) || !errors.Is(err, c.err) {
					t.Fatalf("%s: %.200q, %v; want %.200q, %v", how, got, err, c.want, c.err)
				}
				if err != nil {
					if again, err2 := decode(&d, encode([]in{text("x")})); len(again) > 0 || err2 != err {
						t.Fatalf("%s: error is not sticky: %q %v", how, again, err2)
					}
				}
				if !d.Idle() {
					t.Fatalf("%s: a buffer is held", how)
				}
			}
			check("one chunk", bytes.Clone(stream))
			check("bytes", split(bytes.Clone(stream), func() int { return 1 })...)
			check("sevens", split(bytes.Clone(stream), func() int { return 7 })...)
			check("random", split(bytes.Clone(stream), func() int { return 1 + rand.IntN(40) })...)
		})
	}
}

func split(p []byte, size func() int) (chunks [][]byte) {
	for len(p) > 0 {
		n := min(size(), len(p))
		chunks = append(chunks, p[:n:n])
		p = p[n:]
	}
	return chunks
}

func TestDecoderStopsOnEmitError(t *testing.T) {
	for _, frames := range [][]in{{text("a"), text("b")}, {ping(""), text("b")}, {closing(""), text("b")}, {first("a"), last("b"), text("c")}} {
		d := New(10)
		calls := 0
		stop := errors.New("stop")
		for range 2 {
			err := d.Feed(encode(frames), func(ws.OpCode, []byte) error { calls++; return stop })
			if err != stop || calls != 1 {
				t.Fatal(err, calls)
			}
		}
	}
}

// TestDecoderMemory: an announced length costs nothing, and a frame that is whole in one chunk is not copied.
func TestDecoderMemory(t *testing.T) {
	d := New(1 << 30)
	header := in{op: ws.OpBinary, length: 1 << 29}.encode()
	_, _ = decode(&d, header, make([]byte, 1000))
	if c := cap(d.part.message); c > 4096 {
		t.Fatalf("buffer of %d bytes for 1000 received", c)
	}
	d = New(100)
	frame := text("hello").encode()
	err := d.Feed(frame, func(_ ws.OpCode, payload []byte) error {
		if &payload[0] != &frame[len(frame)-5] {
			t.Error("payload was copied")
		}
		return nil
	})
	if err != nil || !d.Idle() {
		t.Fatal(err)
	}
	whole := text("hello").encode()
	buf := make([]byte, len(whole))
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, whole)
		_ = d.Feed(buf, func(ws.OpCode, []byte) error { return nil })
	}); n != 0 {
		t.Fatalf("%v allocations per whole frame", n)
	}
}

func TestCloseCode(t *testing.T) {
	for err, want := range map[error]ws.StatusCode{
		ErrTooBig: 1009, ErrInvalidUTF8: 1007, ErrMaskRequired: 1002, fmt.Errorf("x: %w", ErrTooBig): 1009, errors.New("x"): 1002,
	} {
		if got := CloseCode(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestAppend(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 70_000} {
		payload := bytes.Repeat([]byte("p"), size)
		b := AppendText([]byte("x"), payload)
		b = AppendBinary(b, payload)
		r := bytes.NewReader(b[1:])
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			f, err := ws.ReadFrame(r)
			if err != nil || !f.Header.Fin || f.Header.Masked || f.Header.OpCode != op || !bytes.Equal(f.Payload, payload) {
				t.Fatalf("%d bytes: %+v %v", size, f.Header, err)
			}
		}
		if r.Len() != 0 || len(AppendHeader(nil, ws.OpText, size)) > MaxServerHeader {
			t.Fatalf("%d bytes: %d left", size, r.Len())
		}
	}
	for want, got := range map[string][]byte{
		"\x8a\x02hi":              AppendPong(nil, []byte("hi")),
		"\x8a\x7d" + medium[:125]: AppendPong(nil, []byte(medium)),
		"\x88\x00":                AppendClose(nil, 0, "ignored"),
		"\x88\x02\x03\xf1":        AppendClose(nil, 1009, ""),
		"\x88\x05\x03\xe8bye":     AppendClose(nil, 1000, "bye"),
	} {
		if string(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// FuzzDecoder: any chunking of any bytes gives the same frames and the same error.
func FuzzDecoder(f *testing.F) {
	for _, c := range cases {
		if stream := encode(c.frames); len(stream) < 2000 {
			f.Add(stream, uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		const limit = 500
		whole, chunked := New(limit), New(limit)
		want, wantErr := decode(&whole, bytes.Clone(stream))
		random := rand.New(rand.NewPCG(seed, 0))
		got, gotErr := decode(&chunked, split(bytes.Clone(stream), func() int { return 1 + random.IntN(1+len(stream)/2) })...)
		if fmt.Sprint(got) != fmt.Sprint(want) || gotErr != wantErr || whole.Idle() != chunked.Idle() {
			t.Fatalf("one chunk: %q %v; many: %q %v", want, wantErr, got, gotErr)
		}
		for _, message := range want {
			if len(message) > limit+len("binary:") {
				t.Fatalf("message of %d bytes", len(message))
			}
		}
	})
}
