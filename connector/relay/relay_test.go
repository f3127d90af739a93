package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// group are servers that know each other.
type group struct {
	t       *testing.T
	mu      sync.Mutex
	address map[string]string // by tag
	pins    map[string][]Pin  // by tag; what Lookup knows
	renewed map[string][]Pin  // what Renew finds
	failed  []string
	counts  map[string]int // "kind outcome"
	refused int
	members []*member
}

// member is one server of a group. own is its handler.
type member struct {
	tag   string
	relay *Relay
	http  *httptest.Server
}

func (g *group) Lookup(_ context.Context, tag string) Owner {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Owner{g.address[tag], g.pins[tag]}
}

func (g *group) Renew(ctx context.Context, tag string) Owner {
	g.mu.Lock()
	if pins := g.renewed[tag]; pins != nil {
		g.pins[tag] = pins
	}
	g.mu.Unlock()
	return g.Lookup(ctx, tag)
}

func (g *group) Failed(tag, _ string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = append(g.failed, tag)
}

func (g *group) count(what string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[what]
}

func newGroup(t *testing.T) *group {
	return &group{t: t, address: map[string]string{}, pins: map[string][]Pin{}, renewed: map[string][]Pin{}, counts: map[string]int{}}
}

func (g *group) add(own http.HandlerFunc, change func(*Options)) *member {
	g.t.Helper()
	m := &member{tag: Tag(testSecret, fmt.Sprint("node-", len(g.members)))}
	o := Options{
		Secret: testSecret, Tag: m.tag, Directory: g, Next: own,
		Observe: func(k Kind, out Outcome) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.counts[string(k)+" "+string(out)]++
		},
		Refused: func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.refused++
		},
	}
	if change != nil {
		change(&o)
	}
	var err error
	if m.relay, err = New(o); err != nil {
		g.t.Fatal(err)
	}
	m.http = httptest.NewServer(m.relay)
	g.members = append(g.members, m)
	g.mu.Lock()
	g.address[m.tag] = m.host()
	g.mu.Unlock()
	g.t.Cleanup(func() {
		m.relay.Close()
		m.http.CloseClientConnections()
		m.http.Close()
	})
	return m
}

func (m *member) host() string { return strings.TrimPrefix(m.http.URL, "http://") }

func (m *member) sid() string { return NewID(m.tag)() }

// unknown answers as an engine does that has no such session.
func unknown(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, "unknown")
}

// echo tells what the handler of a session sees.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Set-Cookie", "io=1")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "%s %s|%s|%v|%s|%s|%v|%s", r.Method, r.URL.RequestURI(), r.RemoteAddr, r.Header["X-Forwarded-For"],
		r.Header.Get("Origin"), r.Host, r.Header[Header], body)
}

func (g *group) do(m *member, method, query, body string, header ...string) (int, string, http.Header) {
	g.t.Helper()
	req, err := http.NewRequest(method, m.http.URL+"/push/socket.io/?"+query, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func TestForward(t *testing.T) {
	g := newGroup(t)
	a, b := g.add(unknown, nil), g.add(echo, nil)
	for _, method := range []string{"GET", "POST"} {
		query := "EIO=4&transport=polling&sid=" + b.sid() + "&t=a%20b&odd=%zz;x"
		body := ""
		if method == "POST" {
			body = strings.Repeat("42[\"x\"]\x1e", 10_000)
		}
		status, got, header := g.do(a, method, query, body, "X-Forwarded-For", "203.0.113.5", "Origin", "https://example.org")
		parts := strings.Split(got, "|")
		if status != http.StatusAccepted || len(parts) != 7 || parts[0] != method+" /push/socket.io/?"+query ||
			!strings.HasPrefix(parts[1], "127.0.0.1:") || parts[2] != "[203.0.113.5]" || parts[3] != "https://example.org" ||
			parts[4] != a.host() || parts[5] != "[]" || parts[6] != body || header.Get("Set-Cookie") != "io=1" {
			t.Errorf("%s: %d %.300s %v", method, status, got, header)
		}
	}
	if g.count("poll relayed") != 1 || g.count("post relayed") != 1 || len(g.failed) != 0 || a.relay.Active() != 0 {
		t.Errorf("counted %v, failed %v", g.counts, g.failed)
	}
}

// TestClientAddress: the owner sees the client that the first server saw.
func TestClientAddress(t *testing.T) {
	g := newGroup(t)
	a, b := g.add(unknown, nil), g.add(echo, nil)
	local, err := net.Dial("tcp", a.host())
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	fmt.Fprintf(local, "GET /?sid=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b.sid())
	answer, _ := io.ReadAll(local)
	if !strings.Contains(string(answer), "|"+local.LocalAddr().String()+"|") {
		t.Errorf("the owner sees %s, the client is %s", answer, local.LocalAddr())
	}
}

func TestOwn(t *testing.T) {
	g := newGroup(t)
	a, b := g.add(echo, nil), g.add(unknown, nil)
	for name, query := range map[string]string{
		"handshake": "EIO=4&transport=polling", "own": "sid=" + a.sid(), "short": "sid=" + b.tag, "none": "", "long": "sid=" + b.sid() + strings.Repeat("x", 60),
		"last counts": "sid=" + b.sid() + "&sid=" + a.sid(),
	} {
		if status, got, _ := g.do(a, "GET", query, ""); status != http.StatusAccepted || !strings.Contains(got, query) {
			t.Errorf("%s: %d %s", name, status, got)
		}
	}
	if status, _, _ := g.do(a, "PUT", "sid="+b.sid(), ""); status != http.StatusAccepted {
		t.Errorf("PUT was passed on: %d", status)
	}
	if len(g.counts) != 0 {
		t.Errorf("counted %v", g.counts)
	}
}

func TestUnknownAndDead(t *testing.T) {
	g := newGroup(t)
	a := g.add(unknown, nil)
	stranger := NewID(Tag(testSecret, "stranger"))()
	if status, got, _ := g.do(a, "GET", "sid="+stranger, ""); status != http.StatusBadRequest || got != "unknown" {
		t.Errorf("%d %s", status, got)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.address[stranger[:TagLength]] = l.Addr().String()
	_ = l.Close()
	for _, method := range []string{"GET", "POST"} {
		if status, got, _ := g.do(a, method, "sid="+stranger, "body"); status != http.StatusBadRequest || got != "unknown" {
			t.Errorf("%s: %d %s", method, status, got)
		}
	}
	if status, got, _ := g.do(a, "GET", "sid="+stranger, "", "Connection", "Upgrade", "Upgrade", "websocket"); status != http.StatusBadRequest || got != "unknown" {
		t.Errorf("upgrade: %d %s", status, got)
	}
	if g.count("poll unknown") != 1 || g.count("poll dead") != 1 || g.count("post dead") != 1 || g.count("upgrade dead") != 1 || len(g.failed) != 3 {
		t.Errorf("counted %v, failed %v", g.counts, g.failed)
	}
}

// TestSilentOwner: a frozen owner costs its time-out and no more.
func TestSilentOwner(t *testing.T) {
	g := newGroup(t)
	a := g.add(unknown, func(o *Options) { o.HoldTimeout, o.PostTimeout = 50*time.Millisecond, 50*time.Millisecond })
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tag := Tag(testSecret, "frozen")
	g.address[tag] = l.Addr().String()
	for _, method := range []string{"GET", "POST"} {
		if status, got, _ := g.do(a, method, "sid="+NewID(tag)(), "body"); status != http.StatusBadRequest || got != "unknown" {
			t.Errorf("%s: %d %s", method, status, got)
		}
	}
}

// TestOneHop: what was passed on is not passed on again, whatever the directory says.
func TestOneHop(t *testing.T) {
	g := newGroup(t)
	a, b := g.add(unknown, nil), g.add(unknown, nil)
	tag := Tag(testSecret, "elsewhere")
	g.address[tag] = b.host() // b does not own it and would look it up, too
	if status, got, _ := g.do(a, "GET", "sid="+NewID(tag)(), ""); status != http.StatusBadRequest || got != "unknown" {
		t.Errorf("%d %s", status, got)
	}
	if g.count("poll relayed") != 1 {
		t.Errorf("counted %v", g.counts)
	}
}

func TestForgedHeader(t *testing.T) {
	g := newGroup(t)
	a := g.add(echo, nil)
	for _, value := range []string{"", "1", "1.1.MS4yLjMuNDo1.00", sign([]byte("guessed"), request("GET", "/push/socket.io/?sid="+a.sid()), "1.2.3.4:5", time.Now())} {
		if status, _, _ := g.do(a, "GET", "sid="+a.sid(), "", Header, value); status != http.StatusForbidden {
			t.Errorf("%q: %d", value, status)
		}
	}
	r := request("GET", "/push/socket.io/?sid=x")
	good := sign(testSecret, r, "1.2.3.4:5", time.Now())
	if status, _, _ := g.do(a, "GET", "sid=x", "", Header, good, Header, good); status != http.StatusForbidden {
		t.Errorf("two headers: %d", status)
	}
	if status, got, _ := g.do(a, "GET", "sid=x", "", Header, good); status != http.StatusAccepted || !strings.Contains(got, "|1.2.3.4:5|") {
		t.Errorf("a true one: %d %s", status, got)
	}
	if g.refused != 5 {
		t.Errorf("%d refused", g.refused)
	}
}

// TestBusyAndGone: requests are bounded, and a client that leaves ends the request at the owner.
func TestBusyAndGone(t *testing.T) {
	g := newGroup(t)
	a := g.add(unknown, func(o *Options) { o.Max = 1 })
	held, ended := make(chan struct{}), make(chan struct{})
	b := g.add(func(_ http.ResponseWriter, r *http.Request) {
		close(held)
		<-r.Context().Done()
		close(ended)
	}, nil)
	ctx, leave := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "GET", a.http.URL+"/?sid="+b.sid(), nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-held
	if status, _, header := g.do(a, "POST", "sid="+b.sid(), ""); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("%d %v", status, header)
	}
	leave()
	<-done
	<-ended
	eventually(t, func() bool { return g.count("poll gone") == 1 && a.relay.Active() == 0 })
	if g.count("post busy") != 1 || len(g.failed) != 0 {
		t.Errorf("counted %v, failed %v", g.counts, g.failed)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// sockets is a handler of upgrades that sends back what comes, after a greeting that leaves with the 101.
func sockets(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("refuse") != "" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		w.WriteHeader(http.StatusUpgradeRequired)
		_, _ = io.WriteString(w, "no")
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Client: "+r.RemoteAddr+"\r\n\r\nhello ")
	if r.URL.Query().Get("bye") == "" {
		_, _ = io.Copy(conn, rw)
	}
}

func (g *group) upgrade(m *member, query, early string) (net.Conn, *bufio.Reader, *http.Response) {
	g.t.Helper()
	conn, err := net.Dial("tcp", m.host())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "GET /socket.io/?%s HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n%s", query, early)
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return conn, reader, res
}

func TestTunnel(t *testing.T) {
	g := newGroup(t)
	a, b := g.add(unknown, nil), g.add(sockets, nil)
	conn, reader, res := g.upgrade(a, "sid="+b.sid(), "early ")
	if res.StatusCode != 101 || res.Header.Get("X-Client") != conn.LocalAddr().String() {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	start := make([]byte, len("hello early "))
	if _, err := io.ReadFull(reader, start); err != nil || string(start) != "hello early " {
		t.Fatalf("%q, %v", start, err)
	}
	// Far more than may wait: the echo is read only behind the writing, so one side has to wait for the other.
	const size = 32 << 20
	sent := make([]byte, size)
	_, _ = rand.Read(sent)
	go func() { _, _ = conn.Write(sent) }()
	got := make([]byte, size)
	if n, err := io.ReadFull(reader, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes, %v", n, size, err)
	}
	if a.relay.Tunnels() != 1 || a.relay.Active() != 1 {
		t.Errorf("%d tunnels, %d active", a.relay.Tunnels(), a.relay.Active())
	}
	// The end of one side is the end of the other.
	_ = conn.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(reader); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
	eventually(t, func() bool { return a.relay.Active() == 0 && a.relay.Tunnels() == 0 })
	if g.count("upgrade relayed") != 1 {
		t.Errorf("counted %v", g.counts)
	}
}

// TestTunnelEnd: what the owner sent before its end still arrives.
func TestTunnelEnd(t *testing.T) {
	g := newGroup(t)
	a, b := g.add(unknown, nil), g.add(sockets, nil)
	_, reader, _ := g.upgrade(a, "bye=1&sid="+b.sid(), "")
	if all, err := io.ReadAll(reader); err != nil || string(all) != "hello " {
		t.Errorf("%q, %v", all, err)
	}
	eventually(t, func() bool { return a.relay.Active() == 0 })
}

func TestTunnelRefused(t *testing.T) {
	g := newGroup(t)
	a, b := g.add(unknown, nil), g.add(sockets, nil)
	_, _, res := g.upgrade(a, "refuse=1&sid="+b.sid(), "")
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusUpgradeRequired || string(body) != "no" || res.Header.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("%d %s %v", res.StatusCode, body, res.Header)
	}
	eventually(t, func() bool { return a.relay.Active() == 0 })
}

func TestDropAndClose(t *testing.T) {
	g := newGroup(t)
	a, b := g.add(unknown, nil), g.add(sockets, nil)
	var readers []*bufio.Reader
	for range 3 {
		_, reader, res := g.upgrade(a, "sid="+b.sid(), "")
		if res.StatusCode != 101 {
			t.Fatal(res.Status)
		}
		readers = append(readers, reader)
	}
	if n := a.relay.Drop(2); n != 2 {
		t.Errorf("dropped %d", n)
	}
	eventually(t, func() bool { return a.relay.Active() == 1 })
	a.relay.Close()
	for _, reader := range readers {
		if rest, _ := io.ReadAll(reader); string(rest) != "hello " && string(rest) != "" {
			t.Errorf("got %q", rest)
		}
	}
	eventually(t, func() bool { return a.relay.Active() == 0 })
	if status, got, _ := g.do(a, "GET", "sid="+b.sid(), ""); status != http.StatusBadRequest || got != "unknown" {
		t.Errorf("after Close: %d %s", status, got)
	}
}

func TestOptions(t *testing.T) {
	g := newGroup(t)
	good := Options{Secret: testSecret, Tag: "12345678", Directory: g, Next: http.NotFoundHandler()}
	for name, change := range map[string]func(*Options){
		"secret":    func(o *Options) { o.Secret = nil },
		"tag":       func(o *Options) { o.Tag = "1" },
		"directory": func(o *Options) { o.Directory = nil },
		"next":      func(o *Options) { o.Next = nil },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("without %s: no error", name)
		}
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Error("in vain")
}
