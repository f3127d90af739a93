// Package apnsgateway is a local stand-in for Apple's push gateway: HTTP/2
// over TLS with an authority of its own, a record of what it received, and
// faults on demand. Tests, the chaos ring and the benchmark use it.
//
// A Gateway owns its listener and the goroutines of net/http between Start
// and Close. It is safe for concurrent use. It imports nothing of the project.
package apnsgateway

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Request is one notification as it arrived.
type Request struct {
	Token      string // of the path
	Header     http.Header
	Body       []byte
	Connection int    // 1 for the first connection, 2 for the second …
	Client     string // common name of the client certificate, "" without
	Proto      string
	At         time.Time
	// Seq counts requests from 1; Try counts those with the same apns-id.
	Seq, Try int
}

// Fault is what goes wrong instead of an answer.
type Fault int

// Faults.
const (
	None    Fault = iota
	Hang          // no answer until the client gives up
	Reset         // RST_STREAM: this request fails, the connection lives
	GoAway        // GOAWAY with Reason as debug data, then the connection ends
	Drop          // the TCP connection ends
	Garbage       // bytes that are no HTTP/2 frame
)

// Answer is what a gateway does with one request. The zero value accepts it.
type Answer struct {
	Status  int    // 200
	Reason  string // body {"reason": …} of a status that is not 200
	Body    string // instead of that
	Header  http.Header
	Delay   time.Duration // before all else
	Fault   Fault
	Pending bool // the status at once, the body never
}

// Options of a Gateway; zero values take the defaults named.
type Options struct {
	Address    string // "127.0.0.1:0"
	MaxStreams int    // streams of one connection at once; 1,000 like Apple's
	// Respond decides on every request; nil accepts all. It must be quick:
	// use Answer.Delay to be slow.
	Respond func(Request) Answer
	// Forget keeps no record of requests, only their number.
	Forget bool
}

// Gateway is a running stand-in.
type Gateway struct {
	authority *Authority
	server    *http.Server
	listener  net.Listener
	address   string
	forget    bool
	ended     chan struct{} // closed when the server has ended
	stop      chan struct{} // closed by Close: ends hanging handlers

	received    atomic.Int64
	connections atomic.Int64
	open        atomic.Int64

	mu       sync.Mutex
	respond  func(Request) Answer
	requests []Request
	tries    map[string]int // apns-id → requests so far; empty with Forget
	arrived  *sync.Cond
}

type connKey struct{}

// connection is what the server knows of a connection.
type connection struct {
	net.Conn
	number int
}

// Start runs a gateway until Close.
func Start(o Options) (*Gateway, error) {
	authority, err := NewAuthority()
	if err != nil {
		return nil, err
	}
	return StartWith(authority, o)
}

// StartWith runs a gateway with an authority that clients trust already.
func StartWith(authority *Authority, o Options) (*Gateway, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = 1000
	}
	certificate, err := authority.Server("127.0.0.1", "localhost")
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		authority: authority, respond: o.Respond, forget: o.Forget,
		ended: make(chan struct{}), stop: make(chan struct{}), tries: map[string]int{},
	}
	g.arrived = sync.NewCond(&g.mu)
	if g.listener, err = net.Listen("tcp", o.Address); err != nil {
		return nil, fmt.Errorf("apns gateway: %w", err)
	}
	g.address = g.listener.Addr().String()
	g.server = &http.Server{
		Handler:           http.HandlerFunc(g.serve),
		ReadHeaderTimeout: 10 * time.Second,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: o.MaxStreams},
		ErrorLog:          stdlog.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &connection{Conn: c, number: int(g.connections.Add(1))})
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				g.open.Add(1)
			case http.StateClosed, http.StateHijacked:
				g.open.Add(-1)
			}
		},
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
			Certificates: []tls.Certificate{certificate},
			ClientAuth:   tls.RequestClientCert,
		},
	}
	go func() { // ends with Close
		defer close(g.ended)
		_ = g.server.ServeTLS(g.listener, "", "")
	}()
	return g, nil
}

// URL is the gateway's address for apns_host.
func (g *Gateway) URL() string { return "https://" + g.address }

// Authority is who clients must trust.
func (g *Gateway) Authority() *Authority { return g.authority }

// Respond replaces what decides on requests; nil accepts all.
func (g *Gateway) Respond(f func(Request) Answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.respond = f
}

// Received is the number of requests so far.
func (g *Gateway) Received() int { return int(g.received.Load()) }

// Connections is the number of connections so far.
func (g *Gateway) Connections() int { return int(g.connections.Load()) }

// Open is the number of connections now.
func (g *Gateway) Open() int { return int(g.open.Load()) }

// Requests are all requests so far, in the order they arrived.
func (g *Gateway) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Request(nil), g.requests...)
}

// Wait returns the requests once there are n of them, or an error when ctx
// ends before.
func (g *Gateway) Wait(ctx context.Context, n int) ([]Request, error) {
	defer context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.arrived.Broadcast()
	})()
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.requests) < n {
		if ctx.Err() != nil {
			return append([]Request(nil), g.requests...), fmt.Errorf("apns gateway: %d of %d requests: %w", len(g.requests), n, ctx.Err())
		}
		g.arrived.Wait()
	}
	return append([]Request(nil), g.requests...), nil
}

// Close ends the gateway and all its connections.
func (g *Gateway) Close() {
	close(g.stop)
	_ = g.server.Close()
	<-g.ended
}

const bodyMax = 64 << 10

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyMax))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	conn, _ := r.Context().Value(connKey{}).(*connection)
	req := Request{
		Token: strings.TrimPrefix(r.URL.Path, "/3/device/"), Header: r.Header, Body: body,
		Connection: conn.number, Proto: r.Proto, At: time.Now(), Seq: int(g.received.Add(1)),
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		req.Client = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	answer := g.record(&req)
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/3/device/") || r.ProtoMajor != 2 {
		answer = Answer{Status: http.StatusNotFound, Reason: "BadPath"}
	}
	g.answer(w, r, conn, req, answer)
}

func (g *Gateway) record(req *Request) (a Answer) {
	g.mu.Lock()
	req.Try = 1
	if !g.forget {
		if id := req.Header.Get("apns-id"); id != "" {
			g.tries[id]++
			req.Try = g.tries[id]
		}
		g.requests = append(g.requests, *req)
		g.arrived.Broadcast()
	}
	respond := g.respond
	g.mu.Unlock()
	if respond != nil {
		a = respond(*req)
	}
	return a
}

func (g *Gateway) answer(w http.ResponseWriter, r *http.Request, conn *connection, req Request, a Answer) {
	if a.Delay > 0 && !g.pause(r, a.Delay) {
		panic(http.ErrAbortHandler)
	}
	if a.Fault != None {
		g.fail(r, conn, a)
		panic(http.ErrAbortHandler) // RST_STREAM, if there still is a connection
	}
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	h.Set("apns-id", req.Header.Get("apns-id"))
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	text := a.Body
	if text == "" && a.Status != http.StatusOK && a.Reason != "" {
		text = ReasonBody(a.Status, a.Reason)
	}
	if a.Pending {
		h.Set("Content-Length", strconv.Itoa(len(text)+1))
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, text)
	if a.Pending {
		_ = http.NewResponseController(w).Flush()
		g.pause(r, time.Hour)
		panic(http.ErrAbortHandler)
	}
}

// pause waits unless the client gives up or the gateway ends.
func (g *Gateway) pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-g.stop:
	}
	return false
}

func (g *Gateway) fail(r *http.Request, conn *connection, a Answer) {
	switch a.Fault {
	case None, Reset:
	case Hang:
		g.pause(r, time.Hour)
	case GoAway:
		_, _ = conn.Write(goAway(ReasonBody(0, a.Reason)))
		_ = conn.Close()
	case Drop:
		if c, ok := conn.Conn.(*tls.Conn); ok {
			_ = c.NetConn().Close() // without a word of TLS
		}
		_ = conn.Close()
	case Garbage:
		_, _ = conn.Write([]byte(strings.Repeat("HTTP/1.1 200 What is this?\r\n", 4)))
		g.pause(r, time.Second)
		_ = conn.Close()
	}
}

// goAway is a GOAWAY frame that says no stream was processed (RFC 9113 6.8).
func goAway(debug string) []byte {
	n := 8 + len(debug)
	frame := []byte{byte(n >> 16), byte(n >> 8), byte(n), 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	return append(frame, debug...)
}

// ReasonBody is Apple's JSON of a refusal.
func ReasonBody(status int, reason string) string {
	body := map[string]any{"reason": reason}
	if status == http.StatusGone {
		body["timestamp"] = time.Now().Add(-time.Hour).UnixMilli()
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(errors.New("apns gateway: a map of texts always marshals"))
	}
	return string(text)
}
