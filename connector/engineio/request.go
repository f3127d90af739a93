package engineio

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lightpush/lightpush/connector/query"
)

const (
	transportPolling   = "polling"
	transportWebSocket = "websocket"
)

// Request is what a session keeps of its handshake request, as little as possible: tens of thousands are held.
type Request struct {
	RawQuery   string      // without the question mark
	Header     http.Header // those of Options.KeepHeaders; nil when there are none
	RemoteAddr string
	Path       string
	Secure     bool // the request came over TLS
	Host       string
}

// Query parses RawQuery, skipping what is malformed. Where a parameter is repeated the last value is the valid one.
func (r *Request) Query() url.Values {
	values, _ := url.ParseQuery(r.RawQuery) // what could be parsed counts, as in http.Request
	return values
}

// call is one request with its Engine.IO parameters (section 2.1).
type call struct {
	srv *Server
	w   http.ResponseWriter
	r   *http.Request

	protocol  Protocol
	transport string
	sid       string
	upgrade   bool // the request asks for a WebSocket
	foreign   bool // the Origin was rejected
}

func (srv *Server) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{srv: srv, w: w, r: r, protocol: V3}
	if c.param("EIO") == "4" {
		c.protocol = V4
	}
	c.transport = c.param("transport")
	c.sid = c.param("sid")
	c.upgrade = r.Method == http.MethodGet && headerHasToken(r.Header, "Connection", "upgrade") &&
		headerHasToken(r.Header, "Upgrade", "websocket")
	return c
}

// param returns the last value of a query parameter, "" without one.
func (c *call) param(name string) string {
	value, _ := query.Last(c.r.URL.RawQuery, name)
	return value
}

// kept is the part of the request that the session retains.
func (c *call) kept() *Request {
	// Copies, because the originals share memory with the whole request.
	kept := &Request{
		RawQuery:   strings.Clone(c.r.URL.RawQuery),
		RemoteAddr: c.r.RemoteAddr,
		Path:       strings.Clone(c.r.URL.Path),
		Secure:     c.r.TLS != nil,
		Host:       strings.Clone(c.r.Host),
	}
	for _, name := range c.srv.keep {
		if values := c.r.Header[name]; len(values) > 0 {
			if kept.Header == nil {
				kept.Header = make(http.Header)
			}
			kept.Header[name] = cloneStrings(values)
		}
	}
	return kept
}

func cloneStrings(list []string) []string {
	own := make([]string, len(list))
	for i, s := range list {
		own[i] = strings.Clone(s)
	}
	return own
}

// headerHasToken looks for a token in a comma separated header, ignoring case.
func headerHasToken(h http.Header, name, token string) bool {
	for _, line := range h[name] {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}
