package wire

import (
	"encoding/binary"
	"errors"
)

// Opcodes of RFC 6455, section 5.2.
const (
	OpText   = 1
	OpBinary = 2
	OpClose  = 8
	OpPing   = 9
	OpPong   = 10
)

// MaxMessage is the longest frame or body a server may send, in bytes.
const MaxMessage = 16 << 20

// Errors of NextFrame. No extension is asked for, and no server known fragments, so neither is understood.
var (
	ErrFragment = errors.New("fragmented WebSocket message")
	ErrReserved = errors.New("reserved bits set in a WebSocket frame")
	ErrMasked   = errors.New("masked WebSocket frame from a server")
	ErrTooLong  = errors.New("message of the server is too long")
)

// NextFrame finds the first frame of buf. n is its whole length, 0 when buf ends before it does; payload lies inside buf.
func NextFrame(buf []byte) (opcode byte, payload []byte, n int, err error) {
	if len(buf) < 2 {
		return 0, nil, 0, nil
	}
	switch {
	case buf[0]&0x70 != 0:
		return 0, nil, 0, ErrReserved
	case buf[0]&0x80 == 0 || buf[0]&0x0f == 0:
		return 0, nil, 0, ErrFragment
	case buf[1]&0x80 != 0:
		return 0, nil, 0, ErrMasked
	}
	head, size := 2, uint64(buf[1])
	switch size {
	case 126:
		if head = 4; len(buf) < head {
			return 0, nil, 0, nil
		}
		size = uint64(binary.BigEndian.Uint16(buf[2:]))
	case 127:
		if head = 10; len(buf) < head {
			return 0, nil, 0, nil
		}
		size = binary.BigEndian.Uint64(buf[2:])
	}
	if size > MaxMessage {
		return 0, nil, 0, ErrTooLong
	}
	if n = head + int(size); len(buf) < n {
		return 0, nil, 0, nil
	}
	return buf[0] & 0x0f, buf[head:n], n, nil
}

// AppendFrame appends a masked frame; a key other than zero costs the server what a browser's would.
func AppendFrame(dst []byte, opcode byte, key uint32, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n <= 125:
		dst = append(dst, 0x80|byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = binary.BigEndian.AppendUint32(dst, key)
	mask := [4]byte{byte(key >> 24), byte(key >> 16), byte(key >> 8), byte(key)}
	start := len(dst)
	dst = append(dst, payload...)
	for i := range payload {
		dst[start+i] ^= mask[i&3]
	}
	return dst
}
