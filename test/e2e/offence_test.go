//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// offence is something a broken or hostile peer does.
type offence struct {
	name  string
	bytes func(conn net.Conn) error // writes them
	want  string                    // a status, or several such as "400,413,closed"; closed; served; "" for anything
}

const (
	// closed wants the server to end the connection.
	closed = "closed"
	// served wants it ended, or going on in good order: the next event is answered.
	served = "answer to the next event, or closed"
)

// TestOffences: bad input from outside. Whatever a peer sends, a well-behaved neighbour on the same process keeps its
// connection and gets its next push; the server neither panics nor keeps ghosts.
func TestOffences(t *testing.T) {
	forEachDeployment(t, func(t *testing.T, d *deployment) {
		good := joinNeighbour(t, d)
		check := func(layer string, o offence, judge func(*testing.T)) {
			t.Run(layer+": "+o.name, func(t *testing.T) {
				judge(t)
				good.wantNextPush(t)
			})
		}
		onHTTP := func(layer, addr string, offences []offence) {
			for _, o := range offences {
				check(layer, o, func(t *testing.T) { offendHTTP(t, addr, o) })
			}
		}
		connector, logic := d.host(0), strings.TrimPrefix(d.apis[0], "http://")
		onHTTP("connector", connector, httpOffences())
		onHTTP("connector", connector, engineOffences())
		onHTTP("logic", logic, httpOffences())
		onHTTP("logic", logic, restOffences(d.namespace))
		for _, eio := range []int{4, 3} {
			for _, o := range frameOffences() {
				check(fmt.Sprintf("websocket %d", eio), o, func(t *testing.T) { offendWebSocket(t, d, eio, o) })
			}
		}
		t.Run("vanish at every stage", func(t *testing.T) {
			vanish(t, d)
			good.wantNextPush(t)
		})
		eventually(t, 30*time.Second, "only the neighbour is online", func() error {
			var figures struct{ ClientCount int }
			err := d.api(t, 0).tryGet("/api/auth/report/online", &figures)
			if err == nil && figures.ClientCount != 1 {
				err = fmt.Errorf("%d clients", figures.ClientCount)
			}
			return err
		})
	})
}

const reactionTimeout = 15 * time.Second

// offendHTTP commits an offence on a fresh TCP connection and judges the answer.
func offendHTTP(t *testing.T, addr string, o offence) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, eventTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(reactionTimeout))
	written := make(chan struct{})
	go func() { // the server may answer, or close, before it has read everything; a failed write shows in the answer
		defer close(written)
		_ = o.bytes(conn)
	}()
	if o.want == "" {
		<-written
		return
	}
	var answer bytes.Buffer
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		answer.Write(buf[:n])
		status := statusOf(answer.Bytes())
		switch {
		case status != "" && strings.Contains(o.want, status):
			return
		case status != "" || answer.Len() > 1<<20:
			t.Fatalf("answered %s, want %s: %.300q", status, o.want, answer.Bytes())
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatalf("no reaction, want %s; got %.300q", o.want, answer.Bytes())
		case strings.Contains(o.want, closed):
			return
		default:
			t.Fatalf("%v, want %s; got %.300q", err, o.want, answer.Bytes())
		}
	}
}

// offendWebSocket commits an offence as a client that has joined the namespace.
func offendWebSocket(t *testing.T, d *deployment, eio int, o offence) {
	t.Helper()
	conn := dialJoined(t, d, eio)
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(reactionTimeout))
	const next = 999 // an ack id only the event after the offence has
	go func() {
		if o.bytes(conn) == nil && o.want == served {
			_ = conn.Emit(next, "leaveRoom", "nowhere")
		}
	}()
	for {
		p, err := conn.Next()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatalf("no reaction, want %s", o.want)
		case err != nil:
			return // closed
		case p.Type == wsclient.Ack && p.ID == next && o.want == served:
			return
		}
	}
}

// statusOf returns the status code of an HTTP answer, "" for anything else.
func statusOf(answer []byte) string {
	if bytes.HasPrefix(answer, []byte("HTTP/1.")) && len(answer) >= 12 {
		return string(answer[9:12])
	}
	return ""
}

func text(s string) func(net.Conn) error {
	return func(conn net.Conn) error { _, err := conn.Write([]byte(s)); return err }
}

// repeated writes a head and then body again and again until total bytes are out or the peer stops it.
func repeated(head, body string, total int) func(net.Conn) error {
	return func(conn net.Conn) error {
		if _, err := conn.Write([]byte(head)); err != nil {
			return err
		}
		block := []byte(strings.Repeat(body, 1+65536/len(body)))
		for sent := 0; sent < total; sent += len(block) {
			if _, err := conn.Write(block); err != nil {
				return err
			}
		}
		return nil
	}
}

// httpOffences are bytes before any route is known.
func httpOffences() []offence {
	const refused = "400,404,405,408,413,414,431,501,505,closed"
	return []offence{
		{"random bytes", text("\x00\xff\xfe\x80garbage\r\n\r\n\x01\x02"), refused},
		{"TLS hello", text("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\xaa", 500) + "\r\n\r\n"), refused},
		{"no version", text("GET /\r\n\r\n"), refused},
		{"version 9.9", text("GET / HTTP/9.9\r\nHost: x\r\n\r\n"), refused},
		{"header without colon", text("GET / HTTP/1.1\r\nHost x\r\nnonsense\r\n\r\n"), refused},
		{"header line of 4 MiB", repeated("GET / HTTP/1.1\r\nHost: x\r\nX-Big: ", "a", 4<<20), refused},
		{"endless header lines", repeated("GET / HTTP/1.1\r\nHost: x\r\n", "X-More: yes\r\n", 4<<20), refused},
		{"request line of 4 MiB", repeated("GET /", "a", 4<<20), refused},
		{"negative length", text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"), refused},
		{"two lengths", text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), refused},
		{"broken chunk", text("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), refused},
		{"unknown path", text("GET /no/such/thing HTTP/1.1\r\nHost: x\r\n\r\n"), "404"},
		{"path out of the tree", text("GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"), "301,307,400,404"},
		{"encoded path out of the tree", text("GET /push-admin/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"), "301,307,400,404"},
		{"unknown method", text("BREW /coffee HTTP/1.1\r\nHost: x\r\n\r\n"), "400,404,405,501"},
	}
}

// engineOffences are requests of the Socket.IO path that open nothing.
func engineOffences() []offence {
	get := func(query string) func(net.Conn) error {
		return text("GET /socket.io/?" + query + " HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	return []offence{
		{"unknown transport", get("EIO=4&transport=carrier-pigeon"), "400"},
		{"no transport", get("EIO=4"), "400"},
		{"unknown version, perhaps taken for 3", get("EIO=99&transport=polling"), "200,400"},
		{"unknown session", get("EIO=4&transport=polling&sid=nobody"), "400"},
		{"session of 60 KiB", get("EIO=4&transport=polling&sid=" + strings.Repeat("s", 60<<10)), "400,414,431"},
		{"post without session", text("POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40"), "400"},
		{"post of 100 GB to nobody", text("POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n40"), "400,413"},
		{"upgrade without key", text("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), "400,426,closed"},
		{"upgrade to an unknown session", text("GET /socket.io/?EIO=4&transport=websocket&sid=x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"), "400,closed"},
		{"upgrade outside the path", text("GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"), "400,404,closed"},
		{"half a request", text("GET /socket.io/?EIO=4&transport=webso"), ""},
	}
}

// restOffences are calls of the push route that must change nothing.
func restOffences(ns credential) []offence {
	basic := func(name, passwd string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+passwd)) + "\r\n"
	}
	post := func(auth, body string) string {
		return fmt.Sprintf("POST /api/auth/push HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			auth, len(body), body)
	}
	good := basic(ns.name, ns.passwd)
	return []offence{
		{"no credential", text(post("", `{}`)), "400"},
		{"wrong password", text(post(basic(ns.name, "wrong"), `{}`)), "401"},
		{"credential of a built-in name", text(post(basic("constructor", ""), `{}`)), "400"},
		{"credential not base64", text(post("Authorization: Basic %%%\r\n", `{}`)), "400"},
		{"not JSON", text(post(good, `{"room":`)), "400"},
		{"scalar", text(post(good, `null`)), "400"},
		{"room too long", text(post(good, `{"room":"`+strings.Repeat("r", 5000)+`","pushData":{"a":1}}`)), "400"},
		{"nested 200,000 deep", text(post(good, `{"room":"r","pushData":`+strings.Repeat(`[`, 200_000)+strings.Repeat(`]`, 200_000)+`}`)), "400"},
		{"body of 8 MiB", text(post(good, `{"room":"r","pushData":{"a":"`+strings.Repeat("x", 8<<20)+`"}}`)), "413"},
	}
}

// frameOffences are sent by a client that has joined the namespace.
func frameOffences() []offence {
	frame := func(head byte, payload string) string {
		return string(wsclient.AppendFrame(nil, head, []byte(payload)))
	}
	packet := func(s string) func(net.Conn) error { return text(frame(0x81, s)) }
	return []offence{
		{"random bytes", text("\xf7\x91garbage garbage garbage"), closed},
		{"HTTP request", text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), closed},
		{"unmasked frame", text("\x81\x012"), closed},
		{"reserved bit", text(frame(0xC1, "2")), closed},
		{"reserved opcode", text(frame(0x83, "2")), closed},
		{"length of 2^63-1", text("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), closed},
		{"length with the sign bit", text("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), closed},
		{"length of 64 MiB", text("\x81\xff\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00"), closed},
		{"endless fragments", repeated(frame(0x01, "4"), frame(0x00, strings.Repeat("x", 16<<10)), 32<<20), closed},
		{"long ping", text(frame(0x89, strings.Repeat("p", 200))), closed},
		{"fragmented ping", text(frame(0x09, "p")), closed},
		{"continuation of nothing", text(frame(0x80, "x")), closed},
		{"text inside a fragmented text", text(frame(0x01, "4") + frame(0x81, "2")), closed},
		{"text that is not UTF-8", packet("42/demo,[\"\xff\xfe\"]"), closed},
		{"close of one byte", text(frame(0x88, "x")), closed},
		{"close with code 1", text(frame(0x88, "\x00\x01")), closed},
		{"unknown engine packet", packet("9what"), closed},
		{"empty message", packet(""), served},
		{"JSON cut off", packet(`42/demo,["joinRoom",`), served},
		{"event that is no array", packet(`42/demo,{"joinRoom":1}`), served},
		{"event without a name", packet(`42/demo,[]`), served},
		{"event name of the wrong kind", packet(`42/demo,[{"a":1},2]`), served},
		{"reserved event names", text(frame(0x81, `42/demo,["connect"]`) + frame(0x81, `42/demo,["disconnecting"]`) + frame(0x81, `42/demo,["__proto__"]`)), served},
		{"ack id of 40 digits", packet(`42/demo,` + strings.Repeat("9", 40) + `["joinRoom",["x"]]`), served},
		{"ack for nothing", packet(`43/demo,77["x"]`), served},
		{"another namespace", packet(`42/other,["joinRoom",["x"]]`), served},
		{"connect again", text(strings.Repeat(frame(0x81, `40/demo,`), 50)), served},
		{"a hundred unknown namespaces", text(func() string {
			var all strings.Builder
			for i := range 100 {
				all.WriteString(frame(0x81, fmt.Sprintf(`40/none%d,{"uuid":"x"}`, i)))
			}
			return all.String()
		}()), served},
		{"text where a callback was expected", text(frame(0x81, `42/demo,["apns",{},"x"]`) + frame(0x81, `42/demo,["info",{},"x"]`) +
			frame(0x81, `42/demo,["discover",{},"x"]`) + frame(0x81, `42/demo,["joinRoom",["a"],"x"]`) + frame(0x81, `42/demo,["push",{},"x"]`)), served},
		{"arguments of the wrong kind", text(frame(0x81, `42/demo,1["joinRoom",{"a":1}]`) + frame(0x81, `42/demo,2["joinRoom"]`) +
			frame(0x81, `42/demo,3["leaveRoom",[[[]]]]`) + frame(0x81, `42/demo,["ackPush"]`) + frame(0x81, `42/demo,["ackPush",{"id":{}}]`) +
			frame(0x81, `42/demo,["ackPush",{"id":-1}]`) + frame(0x81, `42/demo,4["push",[]]`) + frame(0x81, `42/demo,5["info",7]`)), served},
		{"20,000 rooms at once", packet(`42/demo,1["joinRoom",["r` + strings.Join(numbers(20_000), `","r`) + `"]]`), served},
		{"a foreign user's room", packet(`42/demo,1["joinRoom",["user_victim"]]`), served},
		{"nested 100,000 deep", packet(`42/demo,["joinRoom",` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `]`), served},
		{"a million attachments announced", packet(`451000000-/demo,["push",{"_placeholder":true,"num":0}]`), served},
		{"attachment that was not announced", text(frame(0x82, "\x04binary")), served},
		{"attachment number out of range", text(frame(0x81, `451-/demo,["push",{"_placeholder":true,"num":99}]`) + frame(0x82, "binary")), served},
		{"a flood of pings", text(strings.Repeat(frame(0x89, "p"), 5000)), served},
		{"a flood of small events", text(strings.Repeat(frame(0x81, `42/demo,["nonsense"]`), 5000)), served},
	}
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	return all
}

// dialJoined connects an offender properly; what follows is not proper.
func dialJoined(t testing.TB, d *deployment, eio int) *wsclient.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), eventTimeout)
	defer cancel()
	conn, err := wsclient.Dial(ctx, wsclient.Config{Addr: d.host(0), EIO: eio, Namespace: d.namespace.name,
		Query: url.Values{"uuid": {"offender"}, "userid": {"mallory"}, "platform": {"web"}}})
	if err != nil {
		t.Fatalf("offender could not connect: %v", err)
	}
	return conn
}

// vanish resets connections at every stage of a handshake.
func vanish(t *testing.T, d *deployment) {
	query := "/socket.io/?EIO=4&transport=websocket&uuid=ghost&userid=ghost&platform=web"
	stages := []func() (net.Conn, error){
		func() (net.Conn, error) { return net.DialTimeout("tcp", d.host(0), eventTimeout) },
		func() (net.Conn, error) {
			conn, err := net.DialTimeout("tcp", d.host(0), eventTimeout)
			if err == nil {
				_, err = conn.Write([]byte("GET " + query + " HTTP/1.1\r\nHost: x\r\nUpgr"))
			}
			return conn, err
		},
		func() (net.Conn, error) {
			return wsclient.DialSocket(t.Context(), d.host(0), query, nil)
		},
		func() (net.Conn, error) {
			s, err := wsclient.DialSocket(t.Context(), d.host(0), query, nil)
			if err == nil {
				err = s.WriteText("40" + d.namespace.name + ",")
			}
			return s, err
		},
		func() (net.Conn, error) {
			conn := dialJoined(t, d, 4)
			return conn, conn.Emit(1, "joinRoom", []string{"gone"})
		},
	}
	for range 20 {
		for i, stage := range stages {
			conn, err := stage()
			if err != nil {
				t.Fatalf("stage %d: %v", i, err)
			}
			reset(conn)
		}
	}
}

// reset closes with RST, as a crashed peer's machine does.
func reset(conn net.Conn) {
	for {
		switch c := conn.(type) {
		case *wsclient.Conn:
			conn = c.Socket
		case *wsclient.Socket:
			conn = c.Conn
		case *net.TCPConn:
			_ = c.SetLinger(0)
			_ = c.Close()
			return
		}
	}
}

// neighbour is the well-behaved client. Its goroutine reads, and answers pings, until the connection ends.
type neighbour struct {
	conn   *wsclient.Conn
	d      *deployment
	pushes chan wsclient.Packet
	lost   error // why pushes was closed
}

func joinNeighbour(t *testing.T, d *deployment) *neighbour {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), eventTimeout)
	defer cancel()
	conn, err := wsclient.Dial(ctx, wsclient.Config{Addr: d.host(0), EIO: 4, Namespace: d.namespace.name,
		Query: url.Values{"uuid": {"neighbour"}, "userid": {"nelly"}, "platform": {"web"}}})
	if err != nil {
		t.Fatal(err)
	}
	n := &neighbour{conn: conn, d: d, pushes: make(chan wsclient.Packet, 16)}
	if err := conn.Emit(1, "joinRoom", []string{"quiet"}); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(eventTimeout))
	if err := untilReady(conn, 1); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Time{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.read()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return n
}

func (n *neighbour) read() {
	defer close(n.pushes)
	for {
		p, err := n.conn.Next()
		if err != nil {
			n.lost = err
			return
		}
		select {
		case n.pushes <- p:
		default:
			n.lost = errors.New("more pushes than the test made")
			return
		}
	}
}

// wantNextPush pushes to the neighbour's room and wants exactly that message next.
func (n *neighbour) wantNextPush(t *testing.T) {
	t.Helper()
	id := n.d.api(t, 0).push("quiet", map[string]any{"still": "there"})
	select {
	case p, ok := <-n.pushes:
		var event struct{ ID int64 }
		if !ok {
			t.Fatalf("the neighbour lost its connection: %v", n.lost)
		}
		if err := p.Arg(0, &event); err != nil || p.Name() != "push" || event.ID != id {
			t.Fatalf("the neighbour got %s in place of push %d", p.Data, id)
		}
	case <-time.After(eventTimeout):
		t.Fatalf("push %d did not reach the neighbour", id)
	}
}
