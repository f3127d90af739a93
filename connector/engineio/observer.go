package engineio

// Observer counts. Its methods are called concurrently, some while a session is locked: they must be quick, and of
// the session they may call ID and Protocol only. Embed NopObserver to implement only a part.
type Observer interface {
	// SessionOpened and SessionClosed come once each for every session.
	SessionOpened(s *Session)
	SessionClosed(s *Session, reason Reason)
	// SessionUpgraded: polling was replaced by WebSocket.
	SessionUpgraded(s *Session)
	// RequestRefused: a request was answered with an error code.
	RequestRefused(code Code)
	// Overflowed: a session exceeded Options.SendBuffer, or its client took nothing for too long, and is being closed.
	Overflowed(s *Session)
	// FrameRefused: a WebSocket is being closed because its client broke RFC 6455 or exceeded Options.MaxPayload;
	// violation is one of the few texts of wsframe.Error.
	FrameRefused(violation string)
	// Paused: the application stopped reading a session, which brings more than is handled.
	Paused(s *Session)
	// Received and Sent count packets, and the bytes of their content. Received counts pings and pongs of RFC 6455 too.
	Received(packets, bytes int)
	Sent(packets, bytes int)
	// Panicked: the Handler or the Receiver of s panicked; the session is closed with ReasonReceiverPanic.
	Panicked(s *Session, value any, stack []byte)
}

// NopObserver ignores everything.
type NopObserver struct{}

var _ Observer = NopObserver{}

func (NopObserver) SessionOpened(*Session)         {}
func (NopObserver) SessionClosed(*Session, Reason) {}
func (NopObserver) SessionUpgraded(*Session)       {}
func (NopObserver) RequestRefused(Code)            {}
func (NopObserver) Overflowed(*Session)            {}
func (NopObserver) FrameRefused(violation string)  {}
func (NopObserver) Paused(*Session)                {}
func (NopObserver) Received(packets, bytes int)    {}
func (NopObserver) Sent(packets, bytes int)        {}
func (NopObserver) Panicked(*Session, any, []byte) {}
