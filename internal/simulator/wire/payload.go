package wire

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrPayload is a body of the polling transport that cannot be taken apart.
var ErrPayload = errors.New("broken polling payload")

const separator = 0x1e

// NextPacket cuts the first packet off a polling body of Engine.IO 3 or 4; bodies with binary packets in the octet-stream
// form are refused, since nothing a device asks for is binary.
func NextPacket(body []byte, v3 bool) (packet, rest []byte, err error) {
	if !v3 {
		packet, rest, _ = bytes.Cut(body, []byte{separator})
		if len(packet) == 0 {
			return nil, nil, ErrPayload
		}
		return packet, rest, nil
	}
	text, rest, ok := bytes.Cut(body[:min(len(body), 12)], []byte(":"))
	if !ok {
		return nil, nil, ErrPayload
	}
	_ = rest
	units, err := strconv.Atoi(string(text))
	if err != nil || units < 1 || text[0] == '+' {
		return nil, nil, ErrPayload
	}
	at := len(text) + 1
	end := at
	for units > 0 {
		r, size := utf8.DecodeRune(body[end:])
		if size == 0 || r == utf8.RuneError && size == 1 {
			return nil, nil, ErrPayload
		}
		end += size
		units -= utf16.RuneLen(r)
	}
	if units < 0 {
		return nil, nil, ErrPayload
	}
	return body[at:end], body[end:], nil
}

// AppendPacket appends a packet to the body of a POST; packets are valid UTF-8.
func AppendPacket(body []byte, v3 bool, packet string) []byte {
	if !v3 {
		if len(body) > 0 {
			body = append(body, separator)
		}
		return append(body, packet...)
	}
	units := 0
	for _, r := range packet {
		units += utf16.RuneLen(r)
	}
	body = strconv.AppendInt(body, int64(units), 10)
	return append(append(body, ':'), packet...)
}
