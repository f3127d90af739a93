package wsframe

import (
	"errors"

	"github.com/gobwas/ws"
)

// Error is a violation of RFC 6455 by the peer. Code is the status with which the connection is to be closed
// (section 7.4.1).
type Error struct {
	Code ws.StatusCode
	Text string
}

// Error returns the text of the violation.
func (e *Error) Error() string { return "websocket: " + e.Text }

// The violations a Decoder reports. Values are compared with errors.Is; the rules that github.com/gobwas/ws checks
// itself are wrapped with its message and code 1002.
var (
	ErrTooBig         = &Error{ws.StatusMessageTooBig, "message exceeds the limit"}
	ErrInvalidUTF8    = &Error{ws.StatusInvalidFramePayloadData, "text message is not valid UTF-8"}
	ErrBadDeflate     = &Error{ws.StatusInvalidFramePayloadData, "message cannot be inflated"}
	ErrLengthOverflow = &Error{ws.StatusProtocolError, "frame length has its most significant bit set"}
	ErrReservedOpCode = &Error{ws.StatusProtocolError, "reserved op code"}
	ErrReservedBits   = &Error{ws.StatusProtocolError, "reserved bits set without an extension"}
	ErrMaskRequired   = &Error{ws.StatusProtocolError, "client frame is not masked"}
	ErrControlTooLong = &Error{ws.StatusProtocolError, "control frame longer than 125 bytes"}
	ErrControlSplit   = &Error{ws.StatusProtocolError, "fragmented control frame"}
	ErrNoMessage      = &Error{ws.StatusProtocolError, "continuation without a message"}
	ErrInMessage      = &Error{ws.StatusProtocolError, "new message inside a fragmented one"}
	ErrClosePayload   = &Error{ws.StatusProtocolError, "malformed close frame"}
)

// Violations are all of them, for metrics.
var Violations = []*Error{
	ErrTooBig, ErrInvalidUTF8, ErrBadDeflate, ErrLengthOverflow, ErrReservedOpCode, ErrReservedBits, ErrMaskRequired,
	ErrControlTooLong, ErrControlSplit, ErrNoMessage, ErrInMessage, ErrClosePayload,
}

// CloseCode returns the close status for an error of this package, 1002 for any other error.
func CloseCode(err error) ws.StatusCode {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ws.StatusProtocolError
}

// judged maps the verdicts of ws.CheckHeader to the values of this package, which carry their close status.
func judged(err error) error {
	if err == nil {
		return nil
	}
	for _, verdict := range verdicts {
		if errors.Is(err, verdict.theirs) {
			return verdict.ours
		}
	}
	return &Error{ws.StatusProtocolError, err.Error()}
}

var verdicts = [...]struct {
	theirs error
	ours   *Error
}{
	{ws.ErrProtocolOpCodeReserved, ErrReservedOpCode},
	{ws.ErrProtocolControlPayloadOverflow, ErrControlTooLong},
	{ws.ErrProtocolControlNotFinal, ErrControlSplit},
	{ws.ErrProtocolNonZeroRsv, ErrReservedBits},
	{ws.ErrProtocolMaskRequired, ErrMaskRequired},
	{ws.ErrProtocolContinuationExpected, ErrInMessage},
	{ws.ErrProtocolContinuationUnexpected, ErrNoMessage},
}
