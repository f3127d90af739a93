package engineio

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"sync"

	"github.com/gobwas/ws"

	"github.com/lightpush/lightpush/connector/netpoll"
	"github.com/lightpush/lightpush/connector/wsframe"
)

// webSocket is one WebSocket connection: the transport of its session, or the candidate of an upgrade, or a
// connection that is only being closed. Which of them is decided by the fields of the session, under its mutex.
type webSocket struct {
	// fixed before the connection is read
	session *Session
	conn    netpoll.Conn
	form    wireForm

	gone bool // guarded by session.mu: OnClose was called

	decoder wsframe.Decoder // callbacks of the poller only
}

var _ netpoll.Handler = (*webSocket)(nil)

// closeFrame is the close frame without a status, which is what the protocol sends by default (section 2.8).
var closeFrame = wsframe.AppendClose(nil, 0, "")

// handshakeWebSocket opens a session on a WebSocket. The 101, the open packet and what OnOpen sends leave together.
func (c *call) handshakeWebSocket() {
	key, ok := c.checkKey()
	if !ok {
		return
	}
	// The connection is attached before the session is known, so that a failure leaves nothing to undo. It is paused
	// until OnOpen has returned.
	both := new(struct { // that live equally long: in one piece they take less memory
		session Session
		socket  webSocket
	})
	s, socket := &both.session, &both.socket
	extension := c.initSocket(socket)
	c.initSession(s, socket)
	if !c.takeOver(socket, s) {
		return
	}
	if err := c.open(s); err != nil {
		socket.abandon(err)
		return
	}
	s.start(switchingProtocols(key, extension))
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
	bufs, size := socket.appendFrames([][]byte{accept}, s.queue)
	s.srv.observer.Sent(len(s.queue), size)
	s.queue, s.queued = nil, 0
	if size <= joinLimit {
		bufs = [][]byte{slices.Concat(bufs...)} // a plain write costs less
	}
	err := socket.conn.Write(bufs...)
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

// initSocket makes the WebSocket for the request, and the value of the answer's header for extensions.
func (c *call) initSocket(socket *webSocket) (extension string) {
	socket.decoder = wsframe.New(c.srv.options.MaxPayload)
	socket.form.b64 = c.param("b64") != ""
	if c.srv.options.PerMessageDeflate {
		if extension = acceptDeflate(c.r.Header["Sec-Websocket-Extensions"]); extension != "" {
			socket.form.deflate = true
			socket.decoder.AllowDeflate()
		}
	}
	return extension
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

// writeSocketLocked sends messages on the WebSocket, or leaves them to batch unless it is nil.
func (s *Session) writeSocketLocked(batch *Batch, msgs []*Message) error {
	if len(msgs) == 1 {
		return s.writeFramesLocked(batch, msgs[0].frames(s.protocol, s.socket.form), 1, msgs[0].Len())
	}
	list := bufferLists.Get().(*bufferList)
	defer list.release()
	var size int
	list.bufs, size = s.socket.appendFrames(list.bufs, msgs)
	return s.writeFramesLocked(batch, list.bufs, len(msgs), size)
}

// writeFramesLocked writes the frames of n messages, counted with size bytes.
func (s *Session) writeFramesLocked(batch *Batch, bufs [][]byte, n, size int) error {
	conn := s.socket.conn
	if size > s.srv.options.SendBuffer-conn.Queued() {
		return s.overflowLocked()
	}
	var err error
	if batch == nil {
		err = conn.Write(bufs...)
	} else {
		err = batch.writes.Write(conn, bufs...)
	}
	switch {
	case err == nil:
		s.srv.observer.Sent(n, size)
		return nil
	case errors.Is(err, netpoll.ErrOverflow):
		return s.overflowLocked()
	default:
		return ErrClosed // OnClose of the socket is on its way
	}
}

// appendFrames appends the buffers of the messages for this WebSocket; size is what they are counted with.
func (socket *webSocket) appendFrames(bufs [][]byte, msgs []*Message) (_ [][]byte, size int) {
	for _, m := range msgs {
		bufs = append(bufs, m.frames(socket.session.protocol, socket.form)...)
		size += m.Len()
	}
	return bufs, size
}

// bufferList is room for the arguments of one Write.
type bufferList struct{ bufs [][]byte }

var bufferLists = sync.Pool{New: func() any { return new(bufferList) }}

func (l *bufferList) release() {
	clear(l.bufs)
	if l.bufs = l.bufs[:0]; cap(l.bufs) <= 1024 {
		bufferLists.Put(l)
	}
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
	if errors.Is(err, errShuttingDown) {
		status = "503 Service Unavailable\r\nRetry-After: 1"
	}
	_ = socket.conn.Write([]byte("HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	socket.conn.CloseAfterFlush(closeTimeout)
}

// OnData implements netpoll.Handler.
func (socket *webSocket) OnData(p []byte) error {
	err := socket.decoder.Feed(p, socket.onFrame)
	if err != nil && !errors.Is(err, errStop) {
		var violation *wsframe.Error
		if errors.As(err, &violation) {
			socket.session.srv.observer.FrameRefused(violation.Text)
		}
		socket.end(ReasonTransportError, wsframe.CloseCode(err))
	}
	return nil // the connection is closed behind its close frame, not by the poller
}

// OnClose implements netpoll.Handler.
func (socket *webSocket) OnClose(err error) {
	s := socket.session
	defer s.srv.tasks.done()
	s.mu.Lock()
	defer s.mu.Unlock()
	socket.gone = true
	switch {
	case s.upgrade != nil && s.upgrade.socket == socket:
		s.dropUpgradeLocked()
	case s.socket == socket && s.state == stateOpen && errors.Is(err, os.ErrDeadlineExceeded):
		_ = s.overflowLocked() // what was queued did not leave in time
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
		socket.session.srv.observer.Received(1, len(payload))
		_ = socket.conn.Write(wsframe.AppendPong(nil, payload))
	case ws.OpPong:
		socket.session.srv.observer.Received(1, len(payload))
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
