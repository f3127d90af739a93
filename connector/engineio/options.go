package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/lightpush/lightpush/connector/netpoll"
)

// Protocol is the version of Engine.IO. A request with EIO=4 is V4, every other one is V3 (section 1).
type Protocol uint8

// Versions.
const (
	V3 Protocol = 3
	V4 Protocol = 4
)

// Options configure a Server. The zero value is usable; zero fields mean the defaults of section 2.12.
type Options struct {
	PingInterval   time.Duration // zero means 25 s
	PingTimeout    time.Duration // zero means 20 s
	UpgradeTimeout time.Duration // zero means 10 s

	// MaxPayload is the limit in bytes of a POST body and of a WebSocket message; zero means 1,000,000.
	MaxPayload int

	DisablePolling   bool
	DisableWebSocket bool
	DisableUpgrade   bool

	// DenyEIO3 refuses protocol 3 with code 5, before any 101.
	DenyEIO3 bool

	// AllowOrigin switches CORS on: an accepted Origin is echoed with credentials, "*" is sent when the request has
	// none, preflights are answered 204. A rejected Origin is refused with code 4, on polling and on WebSocket;
	// that of a page of the server's own host never is.
	// Nil: no CORS headers and no check.
	AllowOrigin func(origin string) bool

	// AllowRequest is asked at every handshake. Its error refuses it with code 4; the text is sent to the client.
	AllowRequest func(*http.Request) error

	// Cookie is the name of a cookie "<name>=<sid>; Path=/; HttpOnly", set by the polling handshake answer with
	// SameSite=Lax in version 4 and by every polling answer with SameSite=Strict in version 3; empty: none.
	Cookie string

	// SendBuffer bounds in bytes what may wait for one session; zero means 4 MiB. Exceeding it closes the session
	// with ReasonSlowClient.
	SendBuffer int

	// HTTPCompression compresses GET answers of at least 1024 bytes with gzip for clients that accept it.
	HTTPCompression bool

	// PerMessageDeflate accepts the WebSocket extension permessage-deflate (RFC 7692), without context takeover in both
	// directions: messages of at least 1024 bytes are compressed, once for all sessions that have negotiated it.
	// What clients send compressed may inflate to MaxPayload. Off by default: it costs CPU, and buffers in the client.
	PerMessageDeflate bool

	// KeepHeaders names the request headers that Request.Header retains.
	KeepHeaders []string

	// NewID makes session ids, which must be URL-safe and unguessable. Nil: 15 random bytes in base64url.
	NewID func() string

	// Poller drives the WebSockets; its bound of unsent bytes should leave room for close frames beyond SendBuffer. Nil: the
	// best one of the system, see netpoll.New, owned by the server.
	Poller netpoll.Poller

	// Observer counts; may be nil.
	Observer Observer
}

// Times that are no options.
const (
	releaseInterval = 100 * time.Millisecond // how long a GET is held during a probe (section 2.10)
	closeLinger     = 30 * time.Second       // how long a closed polling session waits for a GET (section 2.11)
	shutdownLinger  = 2 * time.Second        // the same during Shutdown: a live client polls again at once
	closeTimeout    = 5 * time.Second        // for what is queued and the close frame of a WebSocket
	answerTimeout   = 30 * time.Second       // for writing one GET answer
)

// maxPacketsPerAnswer: python clients drop the connection when a payload has more packets (section 2.6).
const maxPacketsPerAnswer = 16

// frameSlack is what control packets may add to a WebSocket queue beyond SendBuffer.
const frameSlack = 64 << 10

func (o *Options) setDefaults() error {
	if o.DisablePolling && o.DisableWebSocket {
		return errors.New("engineio: both transports are disabled")
	}
	if o.PingInterval < 0 || o.PingTimeout < 0 || o.UpgradeTimeout < 0 || o.MaxPayload < 0 || o.SendBuffer < 0 {
		return errors.New("engineio: negative option")
	}
	defaultTo(&o.PingInterval, 25*time.Second)
	defaultTo(&o.PingTimeout, 20*time.Second)
	defaultTo(&o.UpgradeTimeout, 10*time.Second)
	defaultTo(&o.MaxPayload, 1_000_000)
	defaultTo(&o.SendBuffer, 4<<20)
	if o.NewID == nil {
		o.NewID = newID
	}
	if o.Observer == nil {
		o.Observer = NopObserver{}
	}
	return nil
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func newID() string {
	var random [15]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(random[:])
}
