package socketio

import (
	"errors"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
)

// Errors of the API.
var (
	// ErrClosed is returned by operations on a socket that has left its
	// namespace or whose connection is gone.
	ErrClosed = errors.New("socketio: socket is closed")
	// ErrAckTimeout is given to ack callbacks when the client did not
	// answer in time.
	ErrAckTimeout = errors.New("socketio: operation has timed out")
	// ErrReserved is returned for event names the protocol keeps for itself.
	ErrReserved = errReservedEvent
)

// ConnectError refuses a namespace. A middleware may return any error; one
// that is no *ConnectError is told to the client by its text.
type ConnectError struct {
	Message string
	// Data goes to the client beside the message (SIO5) or in its place
	// (SIO4); nil for none.
	Data any
	// Leave makes SIO4 clients leave the namespace after they have seen
	// the error: a DISCONNECT follows it, and the client does not retry.
	Leave bool
	// CloseAfter, when positive, closes the connection that long after the
	// refusal unless it has joined some namespace by then.
	CloseAfter time.Duration
	// Close closes the connection of SIO4 clients right after the refusal,
	// so that they come back with their own back-off.
	Close bool
}

func (e *ConnectError) Error() string { return e.Message }

func asConnectError(err error) *ConnectError {
	var ce *ConnectError
	if errors.As(err, &ce) {
		return ce
	}
	return &ConnectError{Message: err.Error()}
}

// Reasons of a disconnect beside those of the engine.
const (
	ReasonClientNamespace engineio.Reason = "client namespace disconnect"
	ReasonServerNamespace engineio.Reason = "server namespace disconnect"
)
