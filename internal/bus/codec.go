package bus

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// An entry is one version byte, then the fields in order: integers as
// varints, strings as their length (a varint) and their bytes. Nothing may
// follow the last field.
const version = 1

// Bounds of what is decoded; the limits of names and of request bodies are
// far below.
const (
	nameMax    = 4 << 10
	payloadMax = 64 << 20
)

// ErrEntry is returned for bytes that are no entry of this version.
var ErrEntry = errors.New("stream entry is malformed or of another version")

// EncodeDelivery gives the entry of d.
func EncodeDelivery(d *push.Delivery) []byte {
	b := make([]byte, 0, 1+5*binary.MaxVarintLen32+binary.MaxVarintLen64+
		len(d.Namespace)+len(d.Room)+len(d.Except)+len(d.Payload))
	b = append(b, version)
	b = binary.AppendVarint(b, d.MessageID)
	b = appendText(b, d.Namespace)
	b = appendText(b, d.Room)
	b = appendText(b, d.Except)
	b = binary.AppendUvarint(b, uint64(len(d.Payload)))
	return append(b, d.Payload...)
}

// DecodeDelivery reads EncodeDelivery's form. The payload shares the memory
// of nothing: s is immutable.
func DecodeDelivery(s string) (push.Delivery, error) {
	r := entryReader{rest: s}
	r.version()
	d := push.Delivery{
		MessageID: r.integer(),
		Namespace: r.text(nameMax),
		Room:      r.text(nameMax),
		Except:    r.text(nameMax),
	}
	d.Payload = json.RawMessage(r.text(payloadMax))
	if !r.done() {
		return push.Delivery{}, ErrEntry
	}
	return d, nil
}

// EncodeKick gives the entry of k.
func EncodeKick(k client.Kick) []byte {
	b := make([]byte, 0, 32+len(k.Namespace)+len(k.ClientID))
	b = append(b, version)
	b = binary.AppendVarint(b, k.Gen)
	b = appendText(b, k.Namespace)
	return appendText(b, k.ClientID)
}

// DecodeKick reads EncodeKick's form.
func DecodeKick(s string) (client.Kick, error) {
	r := entryReader{rest: s}
	r.version()
	k := client.Kick{Gen: r.integer(), Namespace: r.text(nameMax), ClientID: r.text(nameMax)}
	if !r.done() {
		return client.Kick{}, ErrEntry
	}
	return k, nil
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// entryReader reads fields; after the first malformed one all are zero and
// done is false.
type entryReader struct {
	rest string
	bad  bool
}

func (r *entryReader) version() {
	if len(r.rest) == 0 || r.rest[0] != version {
		r.fail()
		return
	}
	r.rest = r.rest[1:]
}

func (r *entryReader) integer() int64 {
	u := r.uvarint()
	v := int64(u >> 1) // zigzag, as binary.AppendVarint writes it
	if u&1 != 0 {
		v = ^v
	}
	return v
}

func (r *entryReader) text(limit uint64) string {
	n := r.uvarint()
	if n > limit || n > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// uvarint accepts only the shortest form of a number, so that every entry has
// exactly one encoding.
func (r *entryReader) uvarint() uint64 {
	var v uint64
	for i := 0; i < binary.MaxVarintLen64 && i < len(r.rest); i++ {
		c := r.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break // more than 64 bits
		}
		v |= uint64(c&math.MaxInt8) << (7 * i)
		if c <= math.MaxInt8 {
			if c == 0 && i > 0 {
				break // padded
			}
			r.rest = r.rest[i+1:]
			return v
		}
	}
	r.fail()
	return 0
}

func (r *entryReader) fail() { r.rest, r.bad = "", true }

func (r *entryReader) done() bool { return !r.bad && r.rest == "" }
