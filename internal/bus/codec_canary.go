package bus

import (
	"encoding/binary"
	"time"

	"github.com/lightpush/lightpush/internal/canary"
)

// intervalMax bounds what an interval may be, ms.
const intervalMax = 1 << 32

// EncodeCanary gives the entry of n.
func EncodeCanary(n *canary.Note) []byte {
	b := append(make([]byte, 0, 24+len(n.From)), version)
	b = appendText(b, n.From)
	b = binary.AppendVarint(b, n.Sent)
	b = binary.AppendVarint(b, n.Interval.Milliseconds())
	answer := int64(0)
	if n.Answer {
		answer = 1
	}
	return binary.AppendVarint(b, answer)
}

// DecodeCanary reads EncodeCanary's form.
func DecodeCanary(s string) (canary.Note, error) {
	r := entryReader{rest: s}
	r.version()
	n := canary.Note{From: r.text(nameMax), Sent: r.integer()}
	interval, answer := r.integer(), r.integer()
	if !r.done() || interval < 0 || interval > intervalMax || answer>>1 != 0 {
		return canary.Note{}, ErrEntry
	}
	n.Interval, n.Answer = time.Duration(interval)*time.Millisecond, answer == 1
	return n, nil
}
