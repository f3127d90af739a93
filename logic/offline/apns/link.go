package apns

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sideshow/apns2"
	"golang.org/x/net/http2"
)

// link is one HTTP/2 connection to a gateway, opened by its first request and
// never opened again: when it breaks, the account makes the next link.
//
// The first request goes alone, and the others wait for its answer: a gateway
// says with its first frames how many requests it takes at once, and Apple
// takes one until it has seen a valid provider token. What comes too early is
// refused and costs seconds. When the first request fails, the others have
// failed with it.
type link struct {
	client    *apns2.Client
	transport *http.Transport // opens the connection and pools nothing
	address   string          // host:port
	timeout   time.Duration
	dialled   func() // told before the connection is opened
	made      time.Time
	answered  atomic.Int64 // when the last answer began, ns on the monotonic clock of made

	lead  chan struct{} // capacity 1: held by the first request
	ready chan struct{} // closed when the first request is over
	fault error         // why it failed, nil when it did not; fixed when ready is closed

	// Guarded by account.mu.
	users   int
	retired bool

	mu     sync.Mutex
	closed bool
	conn   *http.ClientConn // nil before the first request
}

// Health checks of a connection: after pingAfter without a frame a PING, and
// the end of the connection without an answer to that. An idle one is closed
// after idleMax: Apple asks not to close them all the time.
const (
	pingAfter = 15 * time.Second
	idleMax   = 30 * time.Minute
	answerMax = 16 << 10 // bytes read of an answer
)

func (a *account) newLink() *link {
	l := &link{
		address: a.address, timeout: a.p.o.Timeout, dialled: a.dialled, made: time.Now(),
		lead: make(chan struct{}, 1), ready: make(chan struct{}),
	}
	// Not the transport of apns2: its pool opens further connections or, when
	// told not to, counts requests that wait for a stream as streams and then
	// waits for ever (golang.org/x/net v0.60).
	l.transport = &http.Transport{
		Protocols:          new(http.Protocols),
		TLSClientConfig:    a.tls,
		DialTLSContext:     l.dial,
		IdleConnTimeout:    idleMax,
		DisableCompression: true,
		HTTP2: &http.HTTP2Config{
			StrictMaxConcurrentRequests: true, // wait for a stream
			SendPingTimeout:             pingAfter,
			PingTimeout:                 a.p.o.Timeout,
			WriteByteTimeout:            a.p.o.Timeout,
		},
		MaxResponseHeaderBytes: 64 << 10,
	}
	l.transport.Protocols.SetHTTP2(true)
	l.client = &apns2.Client{
		Host:  a.host,
		Token: a.token,
		HTTPClient: &http.Client{
			Transport:     &recorder{l},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	return l
}

// enter waits until a request may be sent. first: this is the one the others
// wait for, and settle or stepDown must follow.
func (l *link) enter(ctx context.Context) (first bool, err error) {
	select {
	case <-l.ready:
		return false, l.fault
	default:
	}
	select {
	case <-l.ready:
		return false, l.fault
	case l.lead <- struct{}{}:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// settle tells the others how the first request went.
func (l *link) settle(fault error) {
	l.fault = fault
	close(l.ready)
}

// stepDown lets another request be the first: this one was called off.
func (l *link) stepDown() { <-l.lead }

var (
	errNoHTTP2 = errors.New("gateway does not speak HTTP/2")
	errOver    = errors.New("connection closed by the gateway")
)

// connect returns the connection; the first request opens it.
func (l *link) connect(ctx context.Context) (*http.ClientConn, error) {
	l.mu.Lock()
	conn, closed := l.conn, l.closed
	l.mu.Unlock()
	switch {
	case closed:
		return nil, errOver
	case conn != nil:
		return conn, nil
	}
	l.dialled()
	conn, err := l.transport.NewClientConn(ctx, "https", l.address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close()
		return nil, errOver
	}
	l.conn = conn
	return conn, nil
}

// dial makes sure of HTTP/2: a ClientConn would be one of HTTP/1 otherwise.
func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{KeepAlive: pingAfter}, Config: l.transport.TLSClientConfig}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if c, ok := conn.(*tls.Conn); !ok || c.ConnectionState().NegotiatedProtocol != http2.NextProtoTLS {
		_ = conn.Close()
		return nil, errNoHTTP2
	}
	return conn, nil
}

// over reports whether the connection takes no more requests.
func (l *link) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed || l.conn != nil && l.conn.Err() != nil
}

// close ends the connection at once; nobody uses the link any more.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	conn := l.conn
	l.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
}

// clock is the time since the link was made.
func (l *link) clock() time.Duration { return time.Since(l.made) }

// exchange is what apns2 does not tell of an answer.
type exchange struct {
	status     int
	retryAfter time.Duration
	bearer     string // the provider token it was sent with
}

type exchangeKey struct{}

// recorder notes the exchange of a request and bounds what is read of the
// answer.
type recorder struct{ l *link }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	ex, _ := req.Context().Value(exchangeKey{}).(*exchange)
	if ex != nil {
		ex.bearer = bearerOf(req.Header)
	}
	conn, err := r.l.connect(req.Context())
	if err != nil {
		return nil, err
	}
	resp, err := conn.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	r.l.answered.Store(int64(r.l.clock()))
	if ex != nil {
		ex.status = resp.StatusCode
		ex.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: answerMax}
	return resp, nil
}

func bearerOf(h http.Header) string {
	const scheme = "bearer "
	if v := h.Get("authorization"); len(v) > len(scheme) {
		return v[len(scheme):]
	}
	return ""
}

// retryAfter reads seconds or a date; 0 for anything else.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

var errAnswerTooLong = errors.New("answer is too long")

// boundedBody fails instead of reading on: JSON of any length would be read
// into memory.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errAnswerTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
