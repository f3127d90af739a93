package wsframe

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// MaxServerHeader is the size of the longest header of an unmasked frame.
const MaxServerHeader = 10

// AppendHeader appends the header of an unfragmented, unmasked frame with a payload of length bytes.
func AppendHeader(dst []byte, op ws.OpCode, length int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case length <= 125:
		return append(dst, byte(length))
	case length <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(length))
	}
}

// AppendFrame appends one unfragmented, unmasked frame.
func AppendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// AppendText appends a text message. payload must be valid UTF-8, or the peer will close the connection with 1007.
func AppendText(dst, payload []byte) []byte { return AppendFrame(dst, ws.OpText, payload) }

// AppendBinary appends a binary message.
func AppendBinary(dst, payload []byte) []byte { return AppendFrame(dst, ws.OpBinary, payload) }

// AppendPong appends the answer to a ping with the given payload; what is beyond 125 bytes is cut.
func AppendPong(dst, payload []byte) []byte {
	return AppendFrame(dst, ws.OpPong, payload[:min(len(payload), ws.MaxControlFramePayloadSize)])
}

// AppendClose appends a close frame. Code 0 means a close frame without a status, which the peer reports as 1005;
// the reason is cut to what fits in a control frame.
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	if code == 0 {
		return AppendHeader(dst, ws.OpClose, 0)
	}
	return AppendFrame(dst, ws.OpClose, ws.NewCloseFrameBody(code, reason))
}
