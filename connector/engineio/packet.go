package engineio

import "unicode/utf8"

// Packet types (section 2.4).
const (
	typeOpen    = '0'
	typeClose   = '1'
	typePing    = '2'
	typePong    = '3'
	typeMessage = '4'
	typeUpgrade = '5'
	typeNoop    = '6'
)

// packet is one decoded Engine.IO packet. data points into the bytes it was decoded from.
type packet struct {
	typ    byte // a digit
	binary bool
	data   []byte
}

// parseText decodes a text packet as it stands in a WebSocket frame or in a text payload: a type digit and data, or
// the base64 form of a binary packet ("b" in protocol 4, "b" and a type digit in protocol 3). p must be valid
// UTF-8. Base64 is decoded in place, so p is modified.
func parseText(v Protocol, p []byte) (packet, error) {
	if len(p) == 0 {
		return packet{}, errEmptyPacket
	}
	if p[0] != 'b' {
		return checked(packet{typ: p[0], data: p[1:]})
	}
	typ, encoded := byte(typeMessage), p[1:]
	if v == V3 {
		if len(encoded) == 0 {
			return packet{}, errEmptyPacket
		}
		typ, encoded = encoded[0], encoded[1:]
	}
	data, err := decodeBase64(encoded)
	if err != nil {
		return packet{}, err
	}
	return checked(packet{typ: typ, binary: true, data: data})
}

// parseBinary decodes a binary WebSocket message, or the body of a binary packet in a protocol 3 payload: raw data
// in protocol 4, a leading byte with the type as its value in protocol 3 (section 2.8).
func parseBinary(v Protocol, p []byte) (packet, error) {
	if v == V4 {
		return packet{typ: typeMessage, binary: true, data: p}, nil
	}
	if len(p) == 0 {
		return packet{}, errEmptyPacket
	}
	if p[0] > typeNoop-'0' {
		return packet{}, errUnknownType
	}
	return packet{typ: p[0] + '0', binary: true, data: p[1:]}, nil
}

func checked(p packet) (packet, error) {
	if p.typ < typeOpen || p.typ > typeNoop {
		return packet{}, errUnknownType
	}
	return p, nil
}

// decodeBase64 decodes in place. It takes the standard and the URL alphabet, with and without padding, and skips
// line breaks: java wraps its attachments at 76 characters (section 2.5).
func decodeBase64(p []byte) ([]byte, error) {
	var acc uint32
	bits, n, padding := 0, 0, false
	for _, c := range p {
		v := base64Values[c]
		switch {
		case v == base64Space:
			continue
		case v == base64Pad:
			padding = true
			continue
		case v == base64Bad || padding:
			return nil, errBadBase64
		}
		acc = acc<<6 | uint32(v)
		if bits += 6; bits >= 8 {
			bits -= 8
			p[n] = byte(acc >> bits)
			n++
		}
	}
	if bits == 6 { // a lone character carries no byte
		return nil, errBadBase64
	}
	return p[:n], nil
}

const (
	base64Bad   = 0xff
	base64Pad   = 0xfe
	base64Space = 0xfd
)

var base64Values = func() (t [256]byte) {
	for i := range t {
		t[i] = base64Bad
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	t['+'], t['-'] = 62, 62
	t['/'], t['_'] = 63, 63
	t['='] = base64Pad
	t['\r'], t['\n'], t[' '], t['\t'] = base64Space, base64Space, base64Space, base64Space
	return t
}()

// utf16Units counts the UTF-16 code units of p, the unit of length in protocol 3 text payloads (section 2.5).
func utf16Units(p []byte) int {
	units := 0
	for i := 0; i < len(p); {
		if p[i] < utf8.RuneSelf {
			i++
			units++
			continue
		}
		r, size := utf8.DecodeRune(p[i:])
		i += size
		units++
		if r > 0xffff {
			units++
		}
	}
	return units
}
