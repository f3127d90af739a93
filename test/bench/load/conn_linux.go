package load

import (
	"bytes"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/wire"
)

// phase of a client on its way to completion.
type phase uint8

const (
	connecting phase = iota
	upgrading        // the request is sent
	opening          // the 101 has come
	joining          // CONNECT is sent
	ready
	closed
)

// conn is one client. It belongs to the goroutine of the loop.
type conn struct {
	client *Client
	group  *group
	fd     int
	number int // of the client in the whole run: its identity
	v3     bool

	phase     phase
	connected bool // the CONNECT answer has come
	welcomed  bool // the event ok has come
	started   time.Duration
	received  int    // push events since the counters were set to zero
	lastID    int64  // of the last push event
	track     *track // nil where nothing is checked message by message

	in  []byte // an incomplete frame or response
	out []byte // what the socket has not taken yet
}

// onEvent reads what there is; the flags of epoll are not looked at, since
// they may be those of a descriptor that has been closed and used again.
func (c *conn) onEvent() {
	if c.phase == connecting {
		if !c.established() {
			return
		}
	}
	if len(c.out) > 0 && !c.flush() {
		return
	}
	for c.phase != closed {
		buf := c.client.buf
		n, errno := read(c.fd, buf)
		switch {
		case errno == syscall.EAGAIN || errno == syscall.EINTR:
			return
		case errno != 0:
			c.fail(fmt.Sprintf("read: %v", errno))
			return
		case n == 0:
			c.fail("closed by the server")
			return
		}
		g := c.group
		g.reads++
		g.bytes += int64(n)
		c.consume(buf[:n], c.client.now())
		if n < len(buf) { // drained: with edge triggering the next bytes raise a new event
			return
		}
	}
}

// established sends the upgrade request once the TCP connection stands.
func (c *conn) established() bool {
	if e, err := syscall.GetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || e != 0 {
		c.fail(fmt.Sprintf("connect: %v", syscall.Errno(e)))
		return false
	}
	c.phase = upgrading
	if !c.send(c.request()) {
		// Not connected yet: the event was an old one of this descriptor.
		if c.phase == upgrading && len(c.out) == 0 {
			c.phase = connecting
		}
		return false
	}
	return true
}

func (c *conn) request() []byte {
	eio := "4"
	if c.v3 {
		eio = "3"
	}
	n := strconv.Itoa(c.number)
	return []byte("GET /socket.io/?EIO=" + eio + "&transport=websocket&uuid=device-" + n + "&userid=" + n + "&platform=web HTTP/1.1\r\n" +
		"Host: " + c.client.host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: bGlnaHRwdXNoIGJlbmNoIQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
}

// send writes frames; what the socket does not take waits. It reports whether
// everything was taken.
func (c *conn) send(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	if len(c.out) > 0 {
		c.out = append(c.out, p...)
		return false
	}
	n, errno := write(c.fd, p)
	switch {
	case errno == syscall.ENOTCONN:
		return false
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
		n = 0
	case errno != 0:
		c.fail(fmt.Sprintf("write: %v", errno))
		return false
	}
	if n < len(p) {
		c.out = append([]byte(nil), p[n:]...)
		c.client.unsent++
		return false
	}
	return true
}

func (c *conn) flush() bool {
	p := c.out
	c.out = nil
	c.client.unsent--
	return c.send(p)
}

// consume takes bytes of the stream.
func (c *conn) consume(p []byte, now time.Duration) {
	if len(c.in) > 0 {
		p = append(c.in, p...)
		c.in = nil
	}
	if c.phase == upgrading {
		end := bytes.Index(p, []byte("\r\n\r\n"))
		if end < 0 {
			c.in = append([]byte(nil), p...)
			return
		}
		if !bytes.HasPrefix(p, []byte("HTTP/1.1 101 ")) {
			status, _, _ := bytes.Cut(p, []byte("\r\n"))
			c.refuse(string(status))
			return
		}
		c.phase, p = opening, p[end+4:]
		c.group.last = now
	}
	for c.phase != closed {
		opcode, payload, n, err := wire.NextFrame(p)
		if err != nil {
			c.fail(err.Error())
			return
		}
		if n == 0 {
			break
		}
		c.group.frames++
		c.onFrame(opcode, payload, now)
		p = p[n:]
	}
	if len(p) > 0 && c.phase != closed {
		c.in = append([]byte(nil), p...)
	}
}

func (c *conn) onFrame(opcode byte, payload []byte, now time.Duration) {
	switch opcode {
	case wire.OpText:
		c.onPacket(wire.Parse(payload), now)
	case wire.OpPing:
		c.send(wire.AppendFrame(nil, wire.OpPong, mask, payload))
	case wire.OpClose:
		c.fail("close frame")
	}
}

func (c *conn) onPacket(m wire.Packet, now time.Duration) {
	switch m.Kind { // no progress: a stall must show in spite of heartbeats
	case wire.Ping:
		c.send(c.client.pongFrame)
		return
	case wire.Other, wire.Pong, wire.Noop: // a pong answers a ping of Engine.IO 3
		return
	}
	c.group.last = now
	switch m.Kind {
	case wire.Event:
		if t := c.track; t != nil && t.pid != "" {
			if at := offset(m.Data); at != "" {
				t.offset = at
			}
		}
		switch string(wire.EventName(m.Data)) {
		case "push":
			c.onPush(m.Data, now)
		case "ok":
			c.welcomed = true
			c.complete(now)
		}
	case wire.Ack:
		g := c.group
		if m.ID == int64(g.acks) {
			g.inPlace++
		}
		g.acks++
	case wire.Open:
		c.phase = joining
		c.send(c.connectFrame())
	case wire.Connect:
		if m.Namespace != nil { // else the implicit one of protocol 4
			c.connected = true
			c.session(m.Data)
			c.complete(now)
		}
	case wire.ConnectError:
		c.refuse("CONNECT_ERROR " + string(m.Data))
	case wire.Close, wire.Disconnect:
		c.fail("disconnected by the server")
	}
}

// complete ends the handshake when both its parts have come.
func (c *conn) complete(now time.Duration) {
	if c.phase != joining || !c.connected || !c.welcomed {
		return
	}
	c.phase = ready
	c.client.underway--
	c.group.open++
	c.group.completed++
	c.group.connect.Record(now - c.started)
	if c.track != nil && c.track.returning {
		c.track.returning = false
		c.send(c.group.joinFrame)
	}
}

// onPush counts one message.
func (c *conn) onPush(data []byte, now time.Duration) {
	g := c.group
	n, numbered := integer(data, `"n":`)
	fresh := true
	if t := c.track; t != nil {
		if fresh = !numbered || t.note(n); !fresh {
			g.repeated++
		}
		g.arrived(now)
	}
	if id, ok := integer(data, `"id":`); ok && fresh {
		if id <= c.lastID {
			g.misordered++
		} else {
			c.lastID = id
		}
	}
	if numbered && n == int64(c.received) {
		g.inPlace++
	}
	if t, ok := integer(data, `"t":`); ok {
		g.latency.Record(now - time.Duration(t))
		if g.firstSent == 0 || time.Duration(t) < g.firstSent {
			g.firstSent = time.Duration(t)
		}
	}
	if g.lastPush > 0 {
		g.silence = max(g.silence, now-g.lastPush)
	}
	g.lastPush = now
	c.received++
	g.received++
}

// refuse ends a client the server does not want; fail one whose connection has
// ended.
func (c *conn) refuse(reason string) { c.end(true, reason) }
func (c *conn) fail(reason string)   { c.end(false, reason) }

func (c *conn) end(refused bool, reason string) {
	switch c.phase {
	case closed:
		return
	case ready:
		c.group.lost++
		if c.track != nil {
			c.track.cut = true
		}
		if c.group.reason == "" {
			c.group.reason = reason
		}
	default:
		c.client.underway--
		c.group.failed(refused, reason)
	}
	c.close(true)
}

// close forgets the connection.
func (c *conn) close(reset bool) {
	if c.phase == ready {
		c.group.open--
	}
	if len(c.out) > 0 {
		c.client.unsent--
	}
	c.phase, c.in, c.out = closed, nil, nil
	c.client.table[c.fd] = nil
	closeSocket(c.fd, reset)
}
