package wsframe

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// parseHeader reads the frame header at the start of p (RFC 6455 section 5.2). n is its size; n == 0 without an
// error means that p ends inside the header.
func parseHeader(p []byte) (h ws.Header, n int, err error) {
	if len(p) < 2 {
		return h, 0, nil
	}
	length := p[1] & 0x7f
	n = 2
	switch length {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	lengthEnd := n
	if p[1]&0x80 != 0 {
		n += 4
	}
	if len(p) < n {
		return h, 0, nil
	}

	h.Fin = p[0]&0x80 != 0
	h.Rsv = p[0] >> 4 & 0x7
	h.OpCode = ws.OpCode(p[0] & 0xf)
	switch length {
	case 126:
		h.Length = int64(binary.BigEndian.Uint16(p[2:]))
	case 127:
		long := binary.BigEndian.Uint64(p[2:])
		if long>>63 != 0 {
			return h, n, ErrLengthOverflow
		}
		h.Length = int64(long)
	default:
		h.Length = int64(length)
	}
	if p[1]&0x80 != 0 {
		h.Masked = true
		copy(h.Mask[:], p[lengthEnd:n])
	}
	return h, n, nil
}
