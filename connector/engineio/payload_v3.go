package engineio

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// maxLengthDigits bounds the length prefix of a protocol 3 packet before any arithmetic.
const maxLengthDigits = 9

// decodePayloadV3Text calls yield for every packet of a protocol 3 text payload, <length>:<packet> repeated, until
// yield or the payload fails. The length counts UTF-16 code units. Packets before a broken one have been yielded;
// empty packets ("0:") are skipped (section 2.5). body is modified (base64 is decoded in place).
func decodePayloadV3Text(body []byte, yield func(packet) error) error {
	if len(body) == 0 {
		return errEmptyPayload
	}
	if !utf8.Valid(body) {
		return errInvalidUTF8
	}
	for len(body) > 0 {
		units, size := 0, 0
		for ; size < len(body) && body[size] != ':'; size++ {
			c := body[size]
			if c < '0' || c > '9' || size == maxLengthDigits {
				return errBadLength
			}
			units = units*10 + int(c-'0')
		}
		if size == 0 || size == len(body) {
			return errBadLength
		}
		body = body[size+1:]
		end, ok := prefixOfUnits(body, units)
		if !ok {
			return errBadLength
		}
		if err := yieldText(body[:end], yield); err != nil {
			return err
		}
		body = body[end:]
	}
	return nil
}

func yieldText(element []byte, yield func(packet) error) error {
	if len(element) == 0 {
		return nil
	}
	p, err := parseText(V3, element)
	if err != nil {
		return err
	}
	return yield(p)
}

// prefixOfUnits returns the size in bytes of the prefix of p that has the given number of UTF-16 units; false when p
// is shorter or the prefix would end inside a surrogate pair.
func prefixOfUnits(p []byte, units int) (int, bool) {
	i := 0
	for units > 0 {
		if i >= len(p) {
			return 0, false
		}
		if p[i] < utf8.RuneSelf {
			i++
			units--
			continue
		}
		r, size := utf8.DecodeRune(p[i:])
		i += size
		units--
		if r > 0xffff {
			units--
		}
	}
	return i, units == 0
}

// decodePayloadV3Binary is decodePayloadV3Text for the octet-stream framing: per packet a kind byte (0 string,
// 1 binary), the decimal length in bytes with one byte per digit, 0xff, and the body.
func decodePayloadV3Binary(body []byte, yield func(packet) error) error {
	if len(body) == 0 {
		return errEmptyPayload
	}
	for len(body) > 0 {
		kind := body[0]
		if kind > 1 {
			return errUnknownKind
		}
		length, size := 0, 1
		for ; size < len(body) && body[size] != 0xff; size++ {
			if body[size] > 9 || size > maxLengthDigits {
				return errBadLength
			}
			length = length*10 + int(body[size])
		}
		if size == 1 || size == len(body) {
			return errBadLength
		}
		body = body[size+1:]
		if length > len(body) {
			return errBadLength
		}
		if err := yieldFramed(kind == 1, body[:length], yield); err != nil {
			return err
		}
		body = body[length:]
	}
	return nil
}

func yieldFramed(binary bool, element []byte, yield func(packet) error) error {
	if !binary {
		if !utf8.Valid(element) {
			return errInvalidUTF8
		}
		return yieldText(element, yield)
	}
	p, err := parseBinary(V3, element)
	if err != nil {
		return err
	}
	return yield(p)
}

// appendPayloadV3Text appends the packets as one protocol 3 text payload; binary ones in their base64 form.
func appendPayloadV3Text(dst []byte, batch []*Message) []byte {
	for _, m := range batch {
		if !m.binary {
			dst = strconv.AppendInt(dst, int64(m.utf16Units()), 10)
			dst = append(append(dst, ':'), m.packet()...)
			continue
		}
		data := m.data()
		dst = strconv.AppendInt(dst, int64(2+base64.StdEncoding.EncodedLen(len(data))), 10)
		dst = append(dst, ':', 'b', typeMessage)
		dst = base64.StdEncoding.AppendEncode(dst, data)
	}
	return dst
}

// appendPayloadV3Binary appends the packets in octet-stream framing.
func appendPayloadV3Binary(dst []byte, batch []*Message) []byte {
	for _, m := range batch {
		if m.binary {
			dst = appendFrameV3(dst, 1, 1+len(m.data()))
			dst = append(append(dst, typeMessage-'0'), m.data()...)
			continue
		}
		dst = appendFrameV3(dst, 0, len(m.packet()))
		dst = append(dst, m.packet()...)
	}
	return dst
}

func appendFrameV3(dst []byte, kind byte, length int) []byte {
	dst = append(dst, kind)
	start := len(dst)
	dst = strconv.AppendInt(dst, int64(length), 10)
	for i := start; i < len(dst); i++ {
		dst[i] -= '0'
	}
	return append(dst, 0xff)
}
