package wsframe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// BenchmarkFeed is the reading of a message: header, unmasking, validation,
// and joining or inflating where that is needed.
func BenchmarkFeed(b *testing.B) {
	long := strings.Repeat("x", 4000)
	for _, bm := range []struct {
		name   string
		frames []in
		cut    int // the stream comes in two parts, the first of this size
	}{
		{"text", []in{text(long[:100])}, 0},
		{"binary of 4 KB", []in{{op: ws.OpBinary, data: long}}, 0},
		{"ping", []in{{op: ws.OpPing, data: "2"}}, 0},
		{"deflate", []in{{op: ws.OpText, data: packed(strings.Repeat("hello ", 300)), rsv: rsv1}}, 0},
		{"two fragments", []in{first(long[:100]), last(long[:100])}, 0},
		{"cut in the middle", []in{text(long[:100])}, 50},
	} {
		b.Run(bm.name, func(b *testing.B) {
			d := New(testLimit)
			d.AllowDeflate()
			whole := encode(bm.frames)
			buf := make([]byte, len(whole))
			emit := func(ws.OpCode, []byte) error { return nil }
			feed := func() {
				copy(buf, whole) // it is unmasked in place
				if err := d.Feed(buf[:bm.cut], emit); err != nil {
					b.Fatal(err)
				}
				if err := d.Feed(buf[bm.cut:], emit); err != nil || !d.Idle() {
					b.Fatal(err)
				}
			}
			feed() // fills the pool
			b.ReportAllocs()
			for b.Loop() {
				feed()
			}
		})
	}
}

// BenchmarkAppend is the writing of a frame into memory that is there.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 4000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			payload := make([]byte, size)
			dst := make([]byte, 0, MaxServerHeader+size)
			b.ReportAllocs()
			for b.Loop() {
				if len(AppendText(dst[:0], payload)) <= size {
					b.Fatal("no header")
				}
			}
		})
	}
}
