package socketio

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
)

// lane is the order of things for one client in one namespace. It outlives
// its sockets, so that leaving and joining again in one burst happens one
// after the other. Its goroutine exists only while there are tasks.
type lane struct {
	// fixed after creation
	conn *conn
	name string

	mu      sync.Mutex
	socket  *Socket // joined or joining; nil otherwise
	known   bool    // was joined, or refused, on this connection before
	tasks   []task  // bound by conn.waiting, which stops the reading
	running bool
}

// task is one step: a CONNECT, an event, or the end of a socket.
type task struct {
	kind   taskKind
	socket *Socket
	in     *incoming
	reason engineio.Reason
}

type taskKind uint8

const (
	taskConnect taskKind = iota
	taskEvent
	taskEnd
)

// join handles a CONNECT packet. A namespace that is joined or being joined
// never gets a second socket.
func (l *lane) join(in *incoming) error {
	sio4 := l.conn.decoder.sio4
	l.mu.Lock()
	if s := l.socket; s != nil {
		l.mu.Unlock()
		switch {
		case !s.connected():
			return nil // the answer is on its way
		case !sio4:
			return errAlreadyJoined
		case l.name != "/":
			return l.conn.send(encodeConnect(l.name, s.id, true))
		}
		return nil
	}
	l.mu.Unlock()

	// Only the reading goroutine joins, so nobody else can take the lane
	// between here and there.
	h := newHandshake(l.conn.session, in)
	ns, err := l.conn.server.lookup(l.name, h)
	if err != nil {
		l.refuse(nil, asConnectError(err))
		return nil
	}
	s := newSocket(l, ns, h)
	l.mu.Lock()
	l.socket = s
	l.mu.Unlock()
	if len(ns.middlewares) == 0 && ns.onConnect == nil {
		l.accept(s) // nothing to wait for
		return nil
	}
	l.push(task{kind: taskConnect, socket: s}, 0)
	return nil
}

// event queues an event for the handlers.
func (l *lane) event(in *incoming) error {
	l.mu.Lock()
	s, known := l.socket, l.known
	l.mu.Unlock()
	switch {
	case s == nil && known:
		return nil // in flight while the server left the namespace
	case s == nil:
		return errNotJoined
	case in.event == "":
		return nil
	}
	l.push(task{kind: taskEvent, socket: s, in: in}, in.size)
	return nil
}

func (l *lane) ack(in *incoming) error {
	l.mu.Lock()
	s, known := l.socket, l.known
	l.mu.Unlock()
	if s == nil {
		if known {
			return nil
		}
		return errNotJoined
	}
	if in.hasAckID {
		s.handleAck(in.ackID, in.args)
	}
	return nil
}

// leave handles a DISCONNECT packet.
func (l *lane) leave() error {
	l.mu.Lock()
	s, known := l.socket, l.known
	l.mu.Unlock()
	if s == nil {
		if known {
			return nil
		}
		return errNotJoined
	}
	s.end(ReasonClientNamespace)
	return nil
}

// end is called when the connection is gone.
func (l *lane) end(reason engineio.Reason) {
	l.mu.Lock()
	s := l.socket
	l.mu.Unlock()
	if s != nil {
		s.end(reason)
	}
}

// detach frees the lane for a new socket.
func (l *lane) detach(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.socket == s {
		l.socket = nil
		l.known = true
	}
}

func (l *lane) push(t task, size int) {
	if t.kind == taskEvent {
		l.conn.waiting(1, size)
	}
	l.mu.Lock()
	l.tasks = append(l.tasks, t)
	start := !l.running
	l.running = true
	l.mu.Unlock()
	if start {
		go l.run()
	}
}

// run works the tasks off and ends when there are none.
func (l *lane) run() {
	for {
		l.mu.Lock()
		if len(l.tasks) == 0 {
			l.tasks = nil // an idle lane owns no buffer
			l.running = false
			l.mu.Unlock()
			return
		}
		batch := l.tasks
		l.tasks = nil
		l.mu.Unlock()
		for i := range batch {
			l.do(batch[i])
			batch[i] = task{}
		}
	}
}

// do runs one task; a panic of the application costs its client the
// connection and nobody else anything.
func (l *lane) do(t task) {
	defer func() {
		if r := recover(); r != nil {
			l.conn.server.opts.OnPanic(r, debug.Stack())
			l.conn.session.Close(engineio.ReasonForcedServerClose)
		}
		if t.kind == taskEvent {
			l.conn.waiting(-1, -t.in.size)
		}
	}()
	switch t.kind {
	case taskConnect:
		l.admit(t.socket)
	case taskEvent:
		t.socket.handleEvent(t.in)
	case taskEnd:
		t.socket.handleEnd(t.reason)
	}
}

// admit runs the middlewares and connects the socket.
func (l *lane) admit(s *Socket) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if !s.setCancel(cancel) {
		return // gone already
	}
	for _, m := range s.ns.middlewares {
		if err := m(ctx, s); err != nil {
			l.refuse(s, asConnectError(err))
			return
		}
	}
	s.setCancel(nil)
	l.accept(s)
}

// accept makes s a member of its namespace, answers, and lets the connection
// handler run before anything else reaches the client.
func (l *lane) accept(s *Socket) {
	s.ns.add(s)
	if !s.admitted() {
		s.ns.remove(s) // gone meanwhile; its end task tells the application
		return
	}
	l.conn.markJoined(l.name)
	_ = l.conn.send(encodeConnect(l.name, s.id, l.conn.decoder.sio4))
	if s.ns.onConnect != nil {
		s.ns.onConnect(s)
	}
	s.release()
}

// refuse answers with an error and forgets the socket, which is nil when
// there is no such namespace.
func (l *lane) refuse(s *Socket, e *ConnectError) {
	if s != nil {
		s.quit() // nothing is told to the application
	}
	l.detach(s)
	sio4 := l.conn.decoder.sio4
	msgs := encodeConnectError(l.name, e, sio4)
	if sio4 && e.Leave {
		msgs = append(msgs, encodeDisconnect(l.name)...)
	}
	_ = l.conn.send(msgs)
	switch {
	case e.Close && sio4:
		l.conn.session.Close(engineio.ReasonForcedServerClose)
	case e.CloseAfter > 0:
		c := l.conn
		time.AfterFunc(e.CloseAfter, c.connectTimeout) // ends by itself; at most one per refusal
	}
}

func (c *conn) send(msgs []*engineio.Message) error { return c.session.Send(msgs...) }
