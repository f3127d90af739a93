package engineio

import "errors"

// Errors of Session.Send and NewServer.
var (
	// ErrClosed: the session is closed or closing.
	ErrClosed = errors.New("engineio: session closed")
	// ErrOverflow: more would wait than Options.SendBuffer allows. The session has been closed with
	// ReasonSlowClient, and nothing of the failed call was sent.
	ErrOverflow = errors.New("engineio: send buffer overflow")
)

// Reason says why a session ended (section 3.7).
type Reason string

// Reasons.
const (
	ReasonTransportClose    Reason = "transport close"     // the client went away or said goodbye
	ReasonTransportError    Reason = "transport error"     // aborted or overlapping requests, broken frames, a ping in the wrong direction
	ReasonParseError        Reason = "parse error"         // a packet or payload that cannot be decoded
	ReasonPingTimeout       Reason = "ping timeout"        // the heartbeat was lost
	ReasonForcedClose       Reason = "forced close"        // Receiver.OnMessage returned an error
	ReasonForcedServerClose Reason = "forced server close" // the application closed the session
	ReasonServerShutdown    Reason = "server shutting down"
	ReasonSlowClient        Reason = "slow client"    // the send buffer overflowed, or nothing of it left for too long
	ReasonReceiverPanic     Reason = "receiver panic" // Handler or Receiver panicked
)

// CloseError lets Receiver.OnMessage choose the reason with which its session is closed.
type CloseError struct {
	Reason Reason
	Err    error // may be nil
}

func (e *CloseError) Error() string {
	if e.Err == nil {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Err.Error()
}

func (e *CloseError) Unwrap() error { return e.Err }

// Code is the error code of a refused request (section 2.2).
type Code int

// Codes, in the numbering of the protocol.
const (
	CodeUnknownTransport Code = iota
	CodeUnknownSession
	CodeBadHandshakeMethod
	CodeBadRequest
	CodeForbidden
	CodeUnsupportedProtocol
)

// refusal is the answer to a request that is not served. The table below is the whole surface.
type refusal struct {
	code    Code
	message string
}

var (
	refuseTransport = refusal{CodeUnknownTransport, "Transport unknown"}
	refuseSession   = refusal{CodeUnknownSession, "Session ID unknown"}
	refuseMethod    = refusal{CodeBadHandshakeMethod, "Bad handshake method"}
	refuseRequest   = refusal{CodeBadRequest, "Bad request"}
	refuseOrigin    = refusal{CodeForbidden, "Forbidden"}
	refuseProtocol  = refusal{CodeUnsupportedProtocol, "Unsupported protocol version"}
)

// Decoding errors: the session ends with ReasonParseError.
var (
	errEmptyPacket  = errors.New("engineio: empty packet")
	errEmptyPayload = errors.New("engineio: empty payload")
	errUnknownType  = errors.New("engineio: unknown packet type")
	errUnknownKind  = errors.New("engineio: unknown kind of frame in payload")
	errBadLength    = errors.New("engineio: bad packet length")
	errBadBase64    = errors.New("engineio: bad base64")
	errInvalidUTF8  = errors.New("engineio: invalid UTF-8")
)

// errStop ends the decoding of a payload or stream whose session has ended; it is no fault of the client.
var errStop = errors.New("engineio: session ended")
