// Package wire is the client's side of WebSocket, Engine.IO and Socket.IO, as
// far as a load client needs it: it finds frames and fields without decoding
// what nobody asks for, and builds frames. It is pure, and on purpose shares no
// code with the servers it measures.
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

// MaxFrame is the longest payload a server may send.
const MaxFrame = 1 << 20

// Errors of NextFrame. The load client asks for no extension and no server in
// the benchmark fragments, so neither is understood.
var (
	ErrFragment = errors.New("wire: fragmented frame")
	ErrReserved = errors.New("wire: reserved bits set")
	ErrMasked   = errors.New("wire: masked frame from a server")
	ErrTooLong  = errors.New("wire: frame too long")
)

// NextFrame finds the first frame of buf. n is its whole length, 0 when buf
// ends before it does; payload lies inside buf.
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
		head = 4
		if len(buf) < head {
			return 0, nil, 0, nil
		}
		size = uint64(binary.BigEndian.Uint16(buf[2:]))
	case 127:
		head = 10
		if len(buf) < head {
			return 0, nil, 0, nil
		}
		size = binary.BigEndian.Uint64(buf[2:])
	}
	if size > MaxFrame {
		return 0, nil, 0, ErrTooLong
	}
	if n = head + int(size); len(buf) < n {
		return 0, nil, 0, nil
	}
	return buf[0] & 0x0f, buf[head:n], n, nil
}

// mask is what all frames are masked with: servers do the same work for every
// key but zero.
var mask = [4]byte{0x5a, 0xc3, 0x96, 0x3c}

// AppendFrame appends a masked frame.
func AppendFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n <= 125:
		dst = append(dst, 0x80|byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, mask[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	for i := range payload {
		dst[start+i] ^= mask[i&3]
	}
	return dst
}

// AppendText appends a masked text frame.
func AppendText(dst []byte, text string) []byte { return AppendFrame(dst, OpText, []byte(text)) }
