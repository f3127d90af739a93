package engineio

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// separator stands between the packets of a protocol 4 payload (section 2.5).
const separator = 0x1e

// decodePayloadV4 calls yield for every packet of a protocol 4 payload until yield or the payload fails. Packets
// before a broken one have been yielded. body is modified (base64 is decoded in place). Nothing is allocated, so
// the number of packets is bounded by the size of the body alone.
func decodePayloadV4(body []byte, yield func(packet) error) error {
	if !utf8.Valid(body) {
		return errInvalidUTF8
	}
	for {
		element, rest, more := bytes.Cut(body, []byte{separator})
		p, err := parseText(V4, element)
		if err != nil {
			return err
		}
		if err := yield(p); err != nil {
			return err
		}
		if !more {
			return nil
		}
		body = rest
	}
}

// appendPayloadV4 appends the packets as one protocol 4 payload.
func appendPayloadV4(dst []byte, batch []*Message) []byte {
	for i, m := range batch {
		if i > 0 {
			dst = append(dst, separator)
		}
		if m.binary {
			dst = base64.StdEncoding.AppendEncode(append(dst, 'b'), m.data())
		} else {
			dst = append(dst, m.packet()...)
		}
	}
	return dst
}
