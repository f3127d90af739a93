package socketio_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/lightpush/lightpush/connector/socketio"
)

// patience bounds every wait of the tests. It is only used up by failures.
const patience = 20 * time.Second

// testServer is a Socket.IO server on a real port.
type testServer struct {
	*socketio.Server
	http *httptest.Server
}

// serve starts a server; setup registers the handlers.
func serve(t testing.TB, o socketio.Options, setup func(*socketio.Server)) *testServer {
	t.Helper()
	if o.OnPanic == nil {
		o.OnPanic = func(r any, stack []byte) { t.Errorf("panic: %v\n%s", r, stack) }
	}
	s, err := socketio.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	setup(s)
	srv := &testServer{Server: s, http: httptest.NewServer(s)}
	t.Cleanup(func() {
		srv.shutdown(t)
		srv.http.Close()
	})
	return srv
}

func (s *testServer) shutdown(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// client speaks raw Engine.IO packets. Binary packets are written <01 02>.
type client interface {
	send(packets ...string) // several in one write, or one POST
	next() (packet string, err error)
	close()
}

var errConnClosed = errors.New("closed by the server")

// peer is a client with assertions.
type peer struct {
	client
	t   testing.TB
	v   int    // Engine.IO version
	sid string // Engine.IO session id
}

// dial connects; kind is ws3, ws4, poll3 or poll4. The open packet is read;
// an EIO3 client's implicit "40" is not.
func (s *testServer) dial(t testing.TB, kind string, query ...string) *peer {
	t.Helper()
	p := &peer{t: t, v: int(kind[len(kind)-1] - '0')}
	q := "EIO=" + strconv.Itoa(p.v) + strings.Join(append([]string{""}, query...), "&")
	var err error
	if strings.HasPrefix(kind, "ws") {
		p.client, err = dialWS(s.http.Listener.Addr().String(), q+"&transport=websocket")
	} else {
		p.client, err = dialPolling(s.http.URL, q+"&transport=polling", p.v)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	open := p.read()
	var opened struct{ SID string }
	if open[0] != '0' || json.Unmarshal([]byte(open[1:]), &opened) != nil || opened.SID == "" {
		t.Fatalf("open packet is %q", open)
	}
	p.sid = opened.SID
	if poll, ok := p.client.(*pollClient); ok {
		poll.url += "&sid=" + p.sid
	}
	return p
}

// join is dial, and being in a namespace.
func (s *testServer) join(t testing.TB, kind, nsp string, query ...string) *peer {
	t.Helper()
	p := s.dial(t, kind, query...)
	if p.v == 3 {
		p.expect("40")
	}
	if p.v == 4 || nsp != "/" {
		p.connect(nsp)
	}
	return p
}

// connect joins a namespace and returns the socket id.
func (p *peer) connect(nsp string) (id string) {
	p.t.Helper()
	prefix := "40"
	if nsp != "/" {
		prefix += nsp + ","
	}
	p.send(prefix)
	if p.v == 3 {
		p.expect(prefix)
		if nsp == "/" {
			return p.sid
		}
		return nsp + "#" + p.sid
	}
	got := p.read()
	var answer struct{ SID string }
	text, ok := strings.CutPrefix(got, prefix)
	if !ok || json.Unmarshal([]byte(text), &answer) != nil || answer.SID == "" {
		p.t.Fatalf("CONNECT answer is %q", got)
	}
	return answer.SID
}

func (p *peer) read() string {
	p.t.Helper()
	packet, err := p.next()
	if err != nil {
		p.t.Fatalf("waiting for a packet: %v", err)
	}
	return packet
}

// expect asserts the next packets; * stands for an id.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, w := range want {
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(w), `\*`, `[A-Za-z0-9_-]{15,}`) + "$"
		if got := p.read(); !regexp.MustCompile(pattern).MatchString(got) {
			p.t.Fatalf("got  %s\nwant %s", got, w)
		}
	}
}

// expectClosed asserts that the server closes without any other packet.
func (p *peer) expectClosed() {
	p.t.Helper()
	if packet, err := p.next(); !errors.Is(err, errConnClosed) {
		p.t.Fatalf("got %q, %v; want a close", packet, err)
	}
}

// fence asserts that nothing is in flight: it sends an event, which the server
// answers behind everything that came before.
func (p *peer) fence(nsp string) {
	p.t.Helper()
	if nsp == "/" {
		nsp = ""
	} else {
		nsp += ","
	}
	p.send("42" + nsp + `987["fence"]`)
	p.expect("43" + nsp + "987[]")
}

// wsClient is a raw WebSocket.
type wsClient struct {
	conn net.Conn
	r    io.Reader
	once sync.Once
}

func dialWS(addr, query string) (*wsClient, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, br, _, err := ws.Dial(ctx, "ws://"+addr+"/socket.io/?"+query)
	if err != nil {
		return nil, err
	}
	c := &wsClient{conn: conn, r: conn}
	if br != nil { // frames that came with the answer
		c.r = io.MultiReader(io.LimitReader(br, int64(br.Buffered())), conn)
	}
	return c, nil
}

func (c *wsClient) send(packets ...string) {
	var out bytes.Buffer
	for _, p := range packets {
		if data, ok := binaryPacket(p); ok {
			_ = wsutil.WriteClientBinary(&out, data)
		} else {
			_ = wsutil.WriteClientText(&out, []byte(p))
		}
	}
	_, _ = c.conn.Write(out.Bytes())
}

func (c *wsClient) next() (string, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		frame, err := ws.ReadFrame(c.r)
		switch {
		case errors.Is(err, io.EOF):
			return "", errConnClosed
		case err != nil:
			return "", err
		}
		switch frame.Header.OpCode {
		case ws.OpClose:
			if len(frame.Payload) > 0 {
				return "", fmt.Errorf("closed with status %x", frame.Payload)
			}
			c.close()
			return "", errConnClosed
		case ws.OpBinary:
			return fmt.Sprintf("<% x>", frame.Payload), nil
		case ws.OpText:
			return string(frame.Payload), nil
		}
	}
}

func (c *wsClient) close() { c.once.Do(func() { _ = c.conn.Close() }) }

// pollClient is a raw long-polling client without any state but its URL.
type pollClient struct {
	v       int
	http    *http.Client
	url     string
	pending []string
	last    error // of the last POST
	once    sync.Once
}

func dialPolling(base, query string, v int) (*pollClient, error) {
	c := &pollClient{
		v:    v,
		url:  base + "/socket.io/?" + query,
		http: &http.Client{Timeout: patience, Transport: &http.Transport{}},
	}
	return c, c.get()
}

func (c *pollClient) get() error {
	r, err := c.http.Get(c.url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return err
	case r.StatusCode == http.StatusBadRequest:
		return errConnClosed
	case r.StatusCode != http.StatusOK:
		return fmt.Errorf("GET answered %s %q", r.Status, body)
	case c.v == 4:
		c.pending = strings.Split(string(body), "\x1e")
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream"):
		c.pending, err = splitOctets(body)
	default:
		c.pending, err = splitLengths(string(body))
	}
	return err
}

func (c *pollClient) next() (string, error) {
	for len(c.pending) == 0 {
		if err := c.get(); err != nil {
			return "", err
		}
		if c.pending[0] == "6" {
			c.pending = c.pending[1:]
		}
	}
	packet := c.pending[0]
	c.pending = c.pending[1:]
	if packet == "1" {
		return "", errConnClosed
	}
	return packet, nil
}

func (c *pollClient) send(packets ...string) {
	var body strings.Builder
	for i, p := range packets {
		if data, ok := binaryPacket(p); ok {
			p = "b" + b64(data)
			if c.v == 3 {
				p = "b4" + b64(data[1:])
			}
		}
		switch {
		case c.v == 3:
			fmt.Fprintf(&body, "%d:%s", len(utf16.Encode([]rune(p))), p)
		case i > 0:
			body.WriteString("\x1e" + p)
		default:
			body.WriteString(p)
		}
	}
	r, err := c.http.Post(c.url, "text/plain;charset=UTF-8", strings.NewReader(body.String()))
	if c.last = err; err == nil {
		_ = r.Body.Close()
	}
}

func (c *pollClient) close() {
	c.once.Do(func() {
		c.send("1")
		c.http.CloseIdleConnections()
	})
}

// splitLengths cuts an EIO3 text payload.
func splitLengths(body string) (packets []string, err error) {
	units := utf16.Encode([]rune(body))
	for len(units) > 0 {
		text := string(utf16.Decode(units))
		head, _, ok := strings.Cut(text, ":")
		n, err := strconv.Atoi(head)
		if !ok || err != nil || len(units) < len(head)+1+n {
			return nil, fmt.Errorf("bad payload %q", body)
		}
		units = units[len(head)+1:]
		packets = append(packets, string(utf16.Decode(units[:n])))
		units = units[n:]
	}
	return packets, nil
}

// splitOctets cuts an EIO3 octet-stream payload.
func splitOctets(body []byte) (packets []string, err error) {
	for len(body) > 0 {
		kind, n := body[0], 0
		end := bytes.IndexByte(body, 0xff)
		if end < 0 {
			return nil, fmt.Errorf("bad payload % x", body)
		}
		for _, digit := range body[1:end] {
			n = n*10 + int(digit)
		}
		data := body[end+1 : end+1+n]
		if kind == 1 {
			packets = append(packets, fmt.Sprintf("<% x>", data))
		} else {
			packets = append(packets, string(data))
		}
		body = body[end+1+n:]
	}
	return packets, nil
}

// binaryPacket reads <01 02>.
func binaryPacket(p string) (data []byte, ok bool) {
	if !strings.HasPrefix(p, "<") {
		return nil, false
	}
	data = []byte{}
	for _, digits := range strings.Fields(strings.Trim(p, "<>")) {
		b, err := strconv.ParseUint(digits, 16, 8)
		if err != nil {
			panic(p)
		}
		data = append(data, byte(b))
	}
	return data, true
}

// await returns what a channel delivers, within patience.
func await[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// eventually polls a condition that no event announces.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
