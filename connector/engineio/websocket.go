package engineio

import (
	"errors"
	"net/http"

	"github.com/gobwas/ws"

	"github.com/lightpush/lightpush/connector/netpoll"
	"github.com/lightpush/lightpush/connector/wsframe"
)

// webSocket is one WebSocket connection: the transport of its session, or the candidate of an upgrade, or a
// connection that is only being closed. Which of them is decided by the fields of the session, under its mutex.
type webSocket struct {
	// fixed before the connection is read
	srv     *Server
	session *Session
	conn    netpoll.Conn
	b64     bool // cannot carry binary (section 2.1)

	decoder wsframe.Decoder // callbacks of the poller only

	gone bool // guarded by session.mu: OnClose was called
}

var _ netpoll.Handler = (*webSocket)(nil)

// closeFrame is the close frame without a status, which is what the protocol sends by default (section 2.8).
var closeFrame = wsframe.AppendClose(nil, 0, "")

// handshakeWebSocket opens a session on a WebSocket. The 101, the open packet and what OnOpen sends leave together.
func (c *call) handshakeWebSocket() {
	accept, ok := c.checkKey()
	if !ok {
		return
	}
	// The connection is attached before the session is known, so that a failure leaves nothing to undo. It is paused
	// until OnOpen has returned.
	socket := c.newSocket()
	s := c.newSession(socket)
	if !c.takeOver(socket, s) {
		return
	}
	if err := c.open(s); err != nil {
		socket.abandon(err)
		return
	}
	s.start(accept)
}

// start ends the opening of a WebSocket session.
func (s *Session) start(accept []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	socket := s.socket
	if s.state == stateClosed { // failed inside OnOpen
		socket.abandon(nil)
		return
	}
	s.state = stateOpen
	bufs, size := socket.frames(s.queue)
	s.srv.observer.Sent(len(s.queue), size)
	s.queue, s.queued = nil, 0
	err := socket.conn.Write(append([][]byte{accept}, bufs...)...)
	switch {
	case errors.Is(err, netpoll.ErrOverflow): // base64 is longer than what sendLocked has counted
		_ = s.overflowLocked()
	case socket.gone:
		s.failLocked(ReasonTransportClose, nil, 0)
	case s.ending:
		s.vanishLocked()
		socket.shutdown(0)
	default:
		s.startHeartbeatLocked()
		if s.paused == nil {
			socket.conn.Resume()
		}
	}
}

func (c *call) newSocket() *webSocket {
	return &webSocket{srv: c.srv, b64: c.param("b64") != "", decoder: wsframe.New(c.srv.options.MaxPayload)}
}

// takeOver hijacks the connection and attaches it, paused. It answers itself when it fails.
func (c *call) takeOver(socket *webSocket, s *Session) bool {
	nc, buffered, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		c.unavailable(err)
		return false
	}
	// Frames that came with the request are handled after the open packet (section 2.8).
	leftover := make([]byte, buffered.Reader.Buffered())
	_, _ = buffered.Reader.Read(leftover) // returns what is buffered, all of it
	socket.session = s
	c.srv.tasks.add(1)
	socket.conn, err = c.srv.poller.Attach(nc, leftover, socket)
	if err != nil {
		c.srv.tasks.done()
		_ = nc.Close()
		return false
	}
	return true
}

// writeSocketLocked sends messages on the WebSocket.
func (s *Session) writeSocketLocked(msgs []*Message) error {
	socket := s.socket
	bufs, size := socket.frames(msgs)
	if size > s.srv.options.SendBuffer-socket.conn.Queued() {
		return s.overflowLocked()
	}
	switch err := socket.conn.Write(bufs...); {
	case err == nil:
		s.srv.observer.Sent(len(msgs), size)
		return nil
	case errors.Is(err, netpoll.ErrOverflow):
		return s.overflowLocked()
	default:
		return ErrClosed // OnClose of the socket is on its way
	}
}

// frames returns the buffers of the messages for this WebSocket, and the size they are counted with.
func (socket *webSocket) frames(msgs []*Message) (bufs [][]byte, size int) {
	v := socket.session.protocol
	if len(msgs) == 1 { // nothing to allocate
		return msgs[0].frames(v, socket.b64), msgs[0].Len()
	}
	bufs = make([][]byte, 0, 2*len(msgs))
	for _, m := range msgs {
		bufs = append(bufs, m.frames(v, socket.b64)...)
		size += m.Len()
	}
	return bufs, size
}

// shutdown sends a close frame behind what is queued and closes the connection, also when the client does not answer:
// java never echoes the close frame.
func (socket *webSocket) shutdown(code ws.StatusCode) {
	frame := closeFrame
	if code != 0 {
		frame = wsframe.AppendClose(nil, code, "")
	}
	_ = socket.conn.Write(frame)
	socket.conn.CloseAfterFlush(closeTimeout)
}

// abandon answers a handshake that failed before the 101; see call.unavailable.
func (socket *webSocket) abandon(err error) {
	status := "500 Internal Server Error"
	if err == errShuttingDown {
		status = "503 Service Unavailable\r\nRetry-After: 1"
	}
	_ = socket.conn.Write([]byte("HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	socket.conn.CloseAfterFlush(closeTimeout)
}

// OnData implements netpoll.Handler.
func (socket *webSocket) OnData(p []byte) error {
	err := socket.decoder.Feed(p, socket.onFrame)
	if err != nil && err != errStop {
		socket.end(ReasonTransportError, wsframe.CloseCode(err))
	}
	return nil // the connection is closed behind its close frame, not by the poller
}

// OnClose implements netpoll.Handler.
func (socket *webSocket) OnClose(error) {
	defer socket.srv.tasks.done()
	s := socket.session
	s.mu.Lock()
	defer s.mu.Unlock()
	socket.gone = true
	switch {
	case s.upgrade != nil && s.upgrade.socket == socket:
		s.dropUpgradeLocked()
	case s.socket == socket && s.state == stateOpen:
		s.failLocked(ReasonTransportClose, nil, 0)
	}
}

// end closes the socket with a status (zero: none), and with it the session it carries.
func (socket *webSocket) end(reason Reason, code ws.StatusCode) {
	s := socket.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.socket == socket && s.state == stateOpen {
		s.failLocked(reason, nil, code)
		return
	}
	socket.shutdown(code)
	if s.upgrade != nil && s.upgrade.socket == socket {
		s.dropUpgradeLocked()
	}
}

func (socket *webSocket) onFrame(op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpText, ws.OpBinary:
		return socket.onMessage(op == ws.OpBinary, payload)
	case ws.OpPing:
		_ = socket.conn.Write(wsframe.AppendPong(nil, payload))
	case ws.OpClose:
		code, _ := ws.ParseCloseFrameData(payload)
		socket.end(ReasonTransportClose, code)
	}
	return nil
}

// onMessage handles one packet, according to what the socket is at this moment.
func (socket *webSocket) onMessage(binary bool, payload []byte) error {
	s := socket.session
	parse := parseText
	if binary {
		parse = parseBinary
	}
	p, err := parse(s.protocol, payload)

	s.in.Lock()
	defer s.in.Unlock()
	s.mu.Lock()
	switch {
	case s.upgrade != nil && s.upgrade.socket == socket:
		defer s.mu.Unlock()
		return s.probeLocked(p, err)
	case s.socket != socket:
		s.mu.Unlock()
		return errStop
	case err != nil:
		s.failLocked(ReasonParseError, nil, 0)
		s.mu.Unlock()
		return errStop
	default:
		return s.handleAndUnlock(p, true)
	}
}
