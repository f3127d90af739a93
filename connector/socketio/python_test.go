package socketio_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

// pythonMaxPackets is how many packets of one payload python-engineio takes; with more it drops the connection.
const pythonMaxPackets = 16

// pythonPoll is a polling client that behaves like python-engineio 3.x, which python-socketio 4.x stands on: it posts
// octet-streams only, puts its own parameters first, and cuts text payloads by code points. Neither can be run here:
// no package of Debian has them any more.
type pythonPoll struct {
	base, query string
	pending     []string
}

func (c *pythonPoll) get() error {
	r, err := http.Get(c.base + c.query + "&t=1700000000.25")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return err
	case r.StatusCode != http.StatusOK:
		return errConnClosed
	case r.Header.Get("Content-Type") == "application/octet-stream":
		c.pending, err = splitOctets(body)
	default:
		c.pending, err = pythonText(string(body))
	}
	if err == nil && len(c.pending) > pythonMaxPackets {
		err = fmt.Errorf("%d packets in a payload", len(c.pending))
	}
	return err
}

// pythonText cuts by code points, as it does, so characters beyond the BMP break whatever follows them. It does not
// mind when the last packet ends early.
func pythonText(body string) (packets []string, err error) {
	for points := []rune(body); len(points) > 0; {
		head, _, ok := strings.Cut(string(points), ":")
		n, err := strconv.Atoi(head)
		if !ok || err != nil {
			return nil, fmt.Errorf("bad payload %q", body)
		}
		points = points[len(head)+1:]
		n = min(n, len(points))
		packets = append(packets, string(points[:n]))
		points = points[n:]
	}
	return packets, nil
}

func (c *pythonPoll) next() (string, error) {
	for len(c.pending) == 0 || c.pending[0] == "6" {
		if len(c.pending) > 0 {
			c.pending = c.pending[1:]
		} else if err := c.get(); err != nil {
			return "", err
		}
	}
	packet := c.pending[0]
	c.pending = c.pending[1:]
	if packet == "1" {
		return "", errConnClosed
	}
	return packet, nil
}

func (c *pythonPoll) send(packets ...string) {
	var body bytes.Buffer
	for _, p := range packets {
		kind := byte(0)
		if data, ok := binaryPacket(p); ok {
			kind, p = 1, string(data)
		}
		body.WriteByte(kind)
		for _, digit := range strconv.Itoa(len(p)) {
			body.WriteByte(byte(digit - '0'))
		}
		body.WriteByte(0xff)
		body.WriteString(p)
	}
	r, err := http.Post(c.base+c.query, "application/octet-stream", &body) // without t
	if err == nil {
		_ = r.Body.Close()
	}
}

// close says goodbye, which the client does not, for the server not to wait for another GET.
func (c *pythonPoll) close() {
	c.send("1")
	http.DefaultClient.CloseIdleConnections()
}

// dialPython opens a polling session and does what the client does at once: it pings, and joins its namespace when
// the server has put it into the main one.
func (s *testServer) dialPython(t *testing.T) *peer {
	t.Helper()
	c := &pythonPoll{base: s.http.URL + "/socket.io/", query: "?token=x&transport=polling&EIO=3"}
	p := &peer{client: c, t: t, v: 3}
	t.Cleanup(c.close)
	if err := c.get(); err != nil {
		t.Fatal(err)
	}
	open := p.read()
	_, rest, _ := strings.Cut(open, `"sid":"`)
	p.sid, _, _ = strings.Cut(rest, `"`)
	if !strings.Contains(open, `"upgrades":`) || url.QueryEscape(p.sid) != p.sid { // it needs the one, and does not escape the other
		t.Fatalf("open packet is %q", open)
	}
	c.query += "&sid=" + p.sid
	return p
}

func TestPython4(t *testing.T) {
	t.Run("102 python 4.x on polling", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		p := srv.dialPython(t)
		p.expect("40") // unasked, or it would never go on
		p.send("2")
		p.expect("3")
		p.send("40/admin")
		p.expect("40/admin,")
		p.send(`42/admin,1["echo","\u20ac\ud83d\ude00"]`) // it escapes
		p.expect(`43/admin,1["€😀"]`)
		p.send(`42/admin,2["echo","€"]`)
		p.expect(`43/admin,2["€"]`)
		p.send(`451-/admin,3["echo",{"_placeholder":true,"num":0}]`, "<04 01 02 ff>")
		p.expect(`461-/admin,3[{"_placeholder":true,"num":0}]`, "<04 01 02 ff>")
		p.send("41/admin") // no comma
		p.send(`420["echo","still here"]`)
		p.expect(`430["still here"]`)
	})

	t.Run("102 python 4.x and a burst of 50 events on polling", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		p := srv.dialPython(t)
		p.expect("40")
		p.send("40/admin")
		p.expect("40/admin,")
		for i := range 50 {
			if _, err := srv.Of("/admin").All().Emit("n", i, "é€"); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 50 { // next fails on a payload the client would not take
			p.expect(fmt.Sprintf(`42/admin,["n",%d,"é€"]`, i))
		}
		// Characters beyond the BMP break the client's cutting of text, but not that of octet-streams.
		srv.Of("/admin").All().Emit("n", "😀", socketio.Binary{1})
		p.expect(`451-/admin,["n","😀",{"_placeholder":true,"num":0}]`, "<04 01>")
	})

	// It upgrades before any other request, with no GET held, and takes nothing but 3probe for the next frame.
	t.Run("102 python 4.x upgrades first", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		p := srv.dialPython(t)
		w, err := dialWS(srv.http.Listener.Addr().String(), "token=x&transport=websocket&EIO=3&sid="+p.sid+"&t=1700000000.5")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.close)
		up := &peer{client: w, t: t, v: 3, sid: p.sid}
		up.send("2probe")
		up.expect("3probe")
		up.send("5", "2")
		up.expect("3")
		up.send("40/admin")
		up.expect("40/admin,")
		up.send(`451-/admin,3["echo",{"_placeholder":true,"num":0}]`, "<04 01 02>")
		up.expect(`461-/admin,3[{"_placeholder":true,"num":0}]`, "<04 01 02>")
	})

	t.Run("102 python 4.x on WebSocket, gone without a packet", func(t *testing.T) {
		reasons := make(chan engineio.Reason, 2)
		srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
			rootAndAdmin(s)
			s.Of("/admin").OnDisconnect(func(_ *socketio.Socket, reason engineio.Reason) { reasons <- reason })
		})
		w, err := dialWS(srv.http.Listener.Addr().String(), "token=x&transport=websocket&EIO=3&t=1700000000.5")
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{client: w, t: t, v: 3}
		if open := p.read(); open[0] != '0' || !utf8.ValidString(open) {
			t.Fatalf("open packet is %q", open)
		}
		p.expect("40")
		p.send("2", "40/admin")
		p.expect("3", "40/admin,")
		p.send(`42/admin,1["echo","x"]`)
		p.expect(`43/admin,1["x"]`)
		w.close()
		if reason := await(t, reasons); reason != engineio.ReasonTransportClose {
			t.Errorf("reason is %q", reason)
		}
	})
}
