// Package enginetest is for the benchmarks of the connector: it connects
// clients to an engine without a network, so that what is measured is the
// engine alone. It imports the poller's interfaces and owns no goroutine.
package enginetest

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/lightpush/lightpush/connector/netpoll"
)

// Poller is a netpoll.Poller whose connections take everything and send
// nothing. One goroutine at a time may connect clients to it.
type Poller struct {
	// OnWrite hears of everything that is written to a client; nil: nobody.
	OnWrite func(bufs ...[]byte)

	last netpoll.Handler
}

// Attach implements netpoll.Poller.
func (p *Poller) Attach(_ net.Conn, _ []byte, h netpoll.Handler) (netpoll.Conn, error) {
	p.last = h
	return conn{p}, nil
}

// Close implements netpoll.Poller.
func (*Poller) Close() error { return nil }

// conn has no state of its own, so that many of them take no memory that a
// benchmark would see.
type conn struct{ poller *Poller }

func (c conn) Write(bufs ...[]byte) error {
	if c.poller.OnWrite != nil {
		c.poller.OnWrite(bufs...)
	}
	return nil
}

func (c conn) WriteDeferred(_ *netpoll.Batch, bufs ...[]byte) error { return c.Write(bufs...) }

func (conn) Flush()                        {}
func (conn) Queued() int                   { return 0 }
func (conn) Writable() bool                { return true }
func (conn) Pause()                        {}
func (conn) Resume()                       {}
func (conn) CloseAfterFlush(time.Duration) {}
func (conn) Close(error)                   {}
func (conn) RemoteAddr() net.Addr          { return nil }

// Client is a WebSocket client of an engine that runs on a Poller.
type Client struct {
	handler netpoll.Handler
	buf     []byte
}

// Connect makes a WebSocket at the engine behind handler with the query,
// without its "transport".
func (p *Poller) Connect(handler http.Handler, query string) *Client {
	return p.Open(handler, Handshake(query))
}

// Open is Connect with a request that is used again.
func (p *Poller) Open(handler http.Handler, r *http.Request) *Client {
	handler.ServeHTTP(hijacker{}, r)
	return &Client{handler: p.last}
}

// Handshake is the request for a WebSocket.
func Handshake(query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/socket.io/?transport=websocket&"+query, nil)
	for k, v := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
	} {
		r.Header.Set(k, v)
	}
	return r
}

// Frame is a masked frame of a client, for Bring.
func Frame(op ws.OpCode, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewFrame(op, true, []byte(payload)), [4]byte{1, 2, 3, 4}))
}

// Bring hands frames over as if they had been read from the network.
func (c *Client) Bring(frames []byte) error {
	c.buf = append(c.buf[:0], frames...) // they are unmasked in place
	return c.handler.OnData(c.buf)
}

// Gone tells the engine that the connection is lost.
func (c *Client) Gone(err error) { c.handler.OnClose(err) }

// hijacker is a response whose connection is never used.
type hijacker struct{}

// nothing is what has been read before the hijack; it is never read from.
var nothing = bufio.NewReadWriter(bufio.NewReader(strings.NewReader("")), nil)

func (hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nothing, nil }
func (hijacker) Header() http.Header                          { return http.Header{} }
func (hijacker) Write(p []byte) (int, error)                  { return len(p), nil }
func (hijacker) WriteHeader(status int)                       { panic(http.StatusText(status)) }
