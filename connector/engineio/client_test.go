package engineio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/lightpush/lightpush/connector/netpoll"
)

// patience bounds every wait of these tests; nothing is expected to take that long.
const patience = 10 * time.Second

// peer is the application's side of one session.
type peer struct {
	s      *Session
	got    chan string // text as it is, binary as <hex>
	closed chan Reason
	hook   func(p *peer, binary bool, data []byte) error
}

func render(binary bool, data []byte) string {
	if binary {
		return "<" + hex.EncodeToString(data) + ">"
	}
	return string(data)
}

func (p *peer) OnMessage(binary bool, data []byte) error {
	if p.hook != nil {
		if err := p.hook(p, binary, data); err != nil {
			return err
		}
	}
	p.got <- render(binary, data)
	return nil
}

func (p *peer) OnClose(reason Reason) { p.closed <- reason }

func (p *peer) wantMessages(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-p.got:
			if got != w {
				t.Fatalf("server received %q, want %q", got, w)
			}
		case <-time.After(patience):
			t.Fatalf("server did not receive %q", w)
		}
	}
}

func (p *peer) wantClosed(t *testing.T, want Reason) {
	t.Helper()
	select {
	case got := <-p.closed:
		if got != want {
			t.Fatalf("closed with %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("not closed, want %q", want)
	}
}

func (p *peer) wantAlive(t *testing.T) {
	t.Helper()
	if !p.s.isOpen() {
		t.Fatalf("session is closed: %q", <-p.closed)
	}
}

func (p *peer) send(t *testing.T, msgs ...*Message) {
	t.Helper()
	if err := p.s.Send(msgs...); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

func text(s string) *Message    { return TextMessage([]byte(s)) }
func binary(b ...byte) *Message { return BinaryMessage(b) }
func texts(list ...string) (m []*Message) {
	for _, s := range list {
		m = append(m, text(s))
	}
	return m
}

// echo sends every message back.
func echo(p *peer, binary bool, data []byte) error {
	if binary {
		return p.s.Send(BinaryMessage(data))
	}
	return p.s.Send(TextMessage(data))
}

// site is a server under test.
type site struct {
	t      *testing.T
	server *Server
	http   *httptest.Server
	client *http.Client
	peers  chan *peer
	onOpen func(p *peer)
	hook   func(p *peer, binary bool, data []byte) error
}

func (st *site) OnOpen(s *Session) Receiver {
	p := &peer{s: s, got: make(chan string, 4096), closed: make(chan Reason, 2), hook: st.hook}
	if st.onOpen != nil {
		st.onOpen(p)
	}
	st.peers <- p
	return p
}

type siteOption func(*site)

func newSite(t *testing.T, o Options, extra ...siteOption) *site {
	t.Helper()
	st := &site{t: t, peers: make(chan *peer, 20_000)}
	for _, set := range extra {
		set(st)
	}
	if o.Poller == nil && portable {
		sendBuffer := o.SendBuffer
		defaultTo(&sendBuffer, 4<<20)
		o.Poller = netpoll.NewGoroutines(netpoll.Options{MaxQueued: sendBuffer + frameSlack})
		t.Cleanup(func() { _ = o.Poller.Close() }) // after Shutdown
	}
	server, err := NewServer(o, st)
	if err != nil {
		t.Fatal(err)
	}
	st.server = server
	st.http = httptest.NewServer(server)
	st.client = &http.Client{
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
		Timeout:   patience,
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Shutdown(now) // does not wait for clients that the test left behind
		st.client.CloseIdleConnections()
		st.http.Close()
	})
	return st
}

func (st *site) peer() *peer {
	st.t.Helper()
	select {
	case p := <-st.peers:
		return p
	case <-time.After(patience):
		st.t.Fatal("no session was opened")
		return nil
	}
}

// answer is an HTTP answer read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (a answer) want(t *testing.T, status int, body string) answer {
	t.Helper()
	if a.err != nil {
		t.Fatalf("request failed: %v", a.err)
	}
	if a.status != status || a.body != body {
		t.Fatalf("answer is %d %q, want %d %q", a.status, a.body, status, body)
	}
	return a
}

func (a answer) wantCode(t *testing.T, status int, code Code) answer {
	t.Helper()
	if a.err != nil {
		t.Fatalf("request failed: %v", a.err)
	}
	var got struct {
		Code    *Code
		Message string
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Code == nil || got.Message == "" {
		t.Fatalf("answer %d %q is no error", a.status, a.body)
	}
	if a.status != status || *got.Code != code || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("answer is %d %s %q, want %d with code %d", a.status, a.header.Get("Content-Type"), a.body, status, code)
	}
	return a
}

func (st *site) do(method, query, body string, headers ...string) answer {
	return st.doContext(context.Background(), method, query, body, headers...)
}

func (st *site) doContext(ctx context.Context, method, query, body string, headers ...string) answer {
	r, err := http.NewRequestWithContext(ctx, method, st.http.URL+"/socket.io/?"+query, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := st.client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(content), err}
}

// poller is a polling client.
type poller struct {
	st    *site
	t     *testing.T
	sid   string
	query string // with sid
	v     Protocol
	*peer
	open answer
}

func (st *site) poll(v Protocol, extra string) *poller {
	st.t.Helper()
	query := fmt.Sprintf("EIO=%d&transport=polling%s", v, extra)
	a := st.do("GET", query, "")
	if a.err != nil || a.status != 200 {
		st.t.Fatalf("handshake: %+v", a)
	}
	p := &poller{st: st, t: st.t, v: v, open: a, peer: st.peer()}
	p.sid = p.s.ID()
	p.query = query + "&sid=" + p.sid
	return p
}

func (p *poller) get(headers ...string) answer { return p.st.do("GET", p.query, "", headers...) }

// hold starts a GET and waits until the server holds it.
func (p *poller) hold() <-chan answer {
	p.t.Helper()
	answers := p.start()
	p.waitHeld()
	return answers
}

func (p *poller) start() <-chan answer {
	answers := make(chan answer, 1)
	go func() { answers <- p.get() }()
	return answers
}

func (p *poller) waitHeld() {
	p.t.Helper()
	eventually(p.t, "GET is held", func() bool {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		return p.s.poll != nil
	})
}

func (p *poller) post(body string, headers ...string) answer {
	if len(headers) == 0 {
		headers = []string{"Content-Type", "text/plain;charset=UTF-8"}
	}
	return p.st.do("POST", p.query, body, headers...)
}

func (p *poller) postOK(body string, headers ...string) {
	p.t.Helper()
	p.post(body, headers...).want(p.t, 200, "ok")
}

// gone checks that the session is unknown.
func (p *poller) gone() {
	p.t.Helper()
	p.get().wantCode(p.t, 400, CodeUnknownSession)
}

func (p *poller) wantHeld(answers <-chan answer, body string) {
	p.t.Helper()
	select {
	case a := <-answers:
		a.want(p.t, 200, body)
	case <-time.After(patience):
		p.t.Fatalf("GET is still held, want %q", body)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// socket is a WebSocket client without any convenience of a library.
type socket struct {
	t  *testing.T
	nc net.Conn
	r  *bufio.Reader
	*peer

	deflate    bool // permessage-deflate was negotiated
	compressed int  // frames received that were compressed
}

const wsHeaders = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// dial sends an upgrade request with more bytes behind it, and returns the answer.
func (st *site) dial(query, headers string, more []byte) (*socket, *http.Response) {
	st.t.Helper()
	nc, err := net.Dial("tcp", st.http.Listener.Addr().String())
	if err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	request := "GET /socket.io/?" + query + " HTTP/1.1\r\nHost: test\r\n" + wsHeaders + headers + "\r\n"
	if _, err := nc.Write(append([]byte(request), more...)); err != nil {
		st.t.Fatal(err)
	}
	c := &socket{t: st.t, nc: nc, r: bufio.NewReader(nc)}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	return c, res
}

// refused sends an upgrade request and wants a refusal with this text.
func (st *site) refused(query, headers, message string) {
	st.t.Helper()
	c, res := st.dial(query, headers, nil)
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 400 || string(body) != message || !res.Close ||
		res.Header.Get("Content-Type") != "text/html" {
		st.t.Fatalf("upgrade answered %d %q %v, want a refusal with %q", res.StatusCode, body, res.Header, message)
	}
	c.wantEOF()
}

// attach opens a WebSocket and checks the 101.
func (st *site) attach(query string, more ...byte) *socket {
	st.t.Helper()
	c, res := st.dial(query, "", more)
	if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		res.Header.Get("Sec-WebSocket-Extensions") != "" {
		st.t.Fatalf("upgrade answered %d %v", res.StatusCode, res.Header)
	}
	return c
}

// connect opens a session on a WebSocket and reads the open packet.
func (st *site) connect(v Protocol, extra string) *socket {
	st.t.Helper()
	c := st.attach(fmt.Sprintf("EIO=%d&transport=websocket%s", v, extra))
	c.peer = st.peer()
	if open := c.read(); !strings.HasPrefix(open, `0{"sid":"`+c.s.ID()+`"`) {
		st.t.Fatalf("first frame is %q", open)
	}
	return c
}

// attach opens a WebSocket for a polling session.
func (p *poller) attach() *socket {
	p.t.Helper()
	c := p.st.attach(fmt.Sprintf("EIO=%d&transport=websocket&sid=%s", p.v, p.sid))
	c.peer = p.peer
	return c
}

func frame(op ws.OpCode, payload string) []byte {
	var b bytes.Buffer
	_ = ws.WriteFrame(&b, ws.MaskFrame(ws.NewFrame(op, true, []byte(payload))))
	return b.Bytes()
}

func (c *socket) write(frames ...[]byte) {
	c.t.Helper()
	if _, err := c.nc.Write(bytes.Join(frames, nil)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *socket) text(payloads ...string) {
	c.t.Helper()
	for _, p := range payloads {
		c.write(frame(ws.OpText, p))
	}
}

func (c *socket) binary(payload string) { c.t.Helper(); c.write(frame(ws.OpBinary, payload)) }

// read returns the next frame: text as it is, binary as <hex>, others as "close", "close 1009", "pong x", and "EOF".
func (c *socket) read() string {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	f, err := ws.ReadFrame(c.r)
	switch {
	case err == io.EOF:
		return "EOF"
	case err != nil:
		c.t.Fatalf("reading a frame: %v", err)
	case !f.Header.Fin || f.Header.Masked || f.Header.Rsv != 0 && !c.deflate:
		c.t.Fatalf("unexpected frame %+v", f.Header)
	case f.Header.Rsv != 0:
		c.compressed++
		f = inflated(c.t, f)
	}
	switch f.Header.OpCode {
	case ws.OpText, ws.OpBinary:
		return render(f.Header.OpCode == ws.OpBinary, f.Payload)
	case ws.OpClose:
		if len(f.Payload) == 0 {
			return "close"
		}
		code, _ := ws.ParseCloseFrameData(f.Payload)
		return fmt.Sprintf("close %d", code)
	case ws.OpPong:
		return "pong " + string(f.Payload)
	default:
		return fmt.Sprintf("op %d", f.Header.OpCode)
	}
}

func (c *socket) want(frames ...string) {
	c.t.Helper()
	for _, w := range frames {
		if got := c.read(); got != w {
			c.t.Fatalf("client received %q, want %q", got, w)
		}
	}
}

func (c *socket) wantEOF() {
	c.t.Helper()
	c.want("EOF")
}
