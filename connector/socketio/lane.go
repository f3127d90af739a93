package socketio

import (
	"context"
	"sync"

	"github.com/lightpush/lightpush/connector/engineio"
)

// lane is the order of things for one client in one namespace. It outlives
// its sockets, so that leaving and joining again in one burst happens one
// after the other. Its goroutine exists only while there are tasks.
type lane struct {
	// fixed after creation
	conn *conn
	name string

	// A leaf lock, but for inbound.mu: Socket.mu may be held.
	mu      sync.Mutex
	socket  *Socket // joined or joining; nil otherwise
	known   bool    // was joined on this connection before, or refused by a middleware
	tasks   []task  // bound by conn.waiting, which stops the reading
	running bool
	idle    chan struct{} // closed when running ends; nil unless somebody waits
}

// task is one step: a CONNECT, an event, or the end of a socket.
type task struct {
	kind   taskKind
	socket *Socket
	in     *incoming // taskEvent
	size   int       // counted by conn.waiting; not for taskEnd
	reason engineio.Reason
}

type taskKind uint8

const (
	taskConnect taskKind = iota
	taskEvent
	taskEnd
)

func (l *lane) current() *Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.socket
}

// abandoned reports that nothing lives here any more.
func (l *lane) abandoned() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.socket == nil && !l.running
}

// connectAgain handles a CONNECT for a namespace that has, or had, a socket.
// One that is joined or being joined never gets a second.
func (l *lane) connectAgain() (handled bool, err error) {
	s := l.current()
	if s == nil {
		return false, nil
	}
	return s.connectAgain()
}

// join starts a socket. Only the reading goroutine joins, and connectAgain
// has made sure that the socket before has ended and its end is queued.
func (l *lane) join(s *Socket, size int) error {
	l.mu.Lock()
	l.socket = s
	l.mu.Unlock()
	if len(s.ns.middlewares) == 0 && s.ns.onConnect == nil && s.joining.handshake.Recovery.PID == "" {
		l.accept(s) // nothing to wait for
		return nil
	}
	if !l.conn.waiting(size) {
		return errInboundOverflow
	}
	l.push(task{kind: taskConnect, socket: s, size: size})
	return nil
}

// event queues an event for the handlers. Finding the socket and queueing is
// one step, so that an event never comes behind the end of its socket.
func (l *lane) event(in *incoming) error {
	if !in.empty && !l.conn.waiting(in.size) {
		return errInboundOverflow
	}
	l.mu.Lock()
	s, known := l.socket, l.known
	if s == nil || in.empty {
		l.mu.Unlock()
		if !in.empty {
			l.conn.handled(in.size)
		}
		return notJoinedUnless(s != nil || known)
	}
	start := l.pushLocked(task{kind: taskEvent, socket: s, in: in, size: in.size})
	l.mu.Unlock()
	if start {
		go l.run()
	}
	return nil
}

// notJoinedUnless: packets in flight while the server leaves a namespace are
// no fault of the client (quirk Q11 is not copied).
func notJoinedUnless(known bool) error {
	if known {
		return nil
	}
	return errNotJoined
}

func (l *lane) ack(in *incoming) error {
	l.mu.Lock()
	s, known := l.socket, l.known
	l.mu.Unlock()
	if s != nil && in.hasAckID {
		s.handleAck(in.ackID, in.args)
	}
	return notJoinedUnless(s != nil || known)
}

// leave handles a DISCONNECT packet.
func (l *lane) leave() error {
	l.mu.Lock()
	s, known := l.socket, l.known
	l.mu.Unlock()
	if s != nil {
		s.end(ReasonClientNamespace, false)
	}
	return notJoinedUnless(s != nil || known)
}

// end is called when the connection is gone. It reports that the caller must
// run the lane.
func (l *lane) end(reason engineio.Reason) (start bool) {
	if s := l.current(); s != nil {
		return s.quit(reason, false)
	}
	return false
}

// retire frees the lane of s for a new socket and queues the disconnect
// handler. It reports that the caller must run the lane.
func (l *lane) retire(s *Socket, reason engineio.Reason) (start bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.socket == s {
		l.socket = nil
	}
	l.known = true
	if s.ns.onDisconnect == nil && s.ns.server.recoveryStore == nil {
		return false
	}
	return l.pushLocked(task{kind: taskEnd, socket: s, reason: reason})
}

// free is retire for a socket of which the application hears nothing.
func (l *lane) free(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.socket == s {
		l.socket = nil
	}
	l.known = true
}

func (l *lane) push(t task) {
	l.mu.Lock()
	start := l.pushLocked(t)
	l.mu.Unlock()
	if start {
		go l.run()
	}
}

func (l *lane) pushLocked(t task) (start bool) {
	l.tasks = append(l.tasks, t)
	start = !l.running
	l.running = true
	return start
}

// growStack makes room on the stack of a new goroutine while there is nothing
// on it. Otherwise it grows on the way into a handler, twice, and each time all
// frames have to be found and adjusted: half of the time of an ackPush.
//
//go:noinline
func growStack(i uint8) byte {
	var room [handlerStack]byte
	return room[i]
}

// handlerStack is what handlers need: JSON, and an operation of a store.
const handlerStack = 6 << 10

// run works the tasks off and ends when there are none.
func (l *lane) run() {
	_ = growStack(0)
	for {
		l.mu.Lock()
		batch := l.tasks
		l.tasks = nil // an idle lane owns no buffer
		if len(batch) == 0 {
			l.running = false
			if l.idle != nil {
				close(l.idle)
				l.idle = nil
			}
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		for i := range batch {
			l.do(batch[i])
			batch[i] = task{}
		}
	}
}

// wait returns when nothing runs. Only OnClose waits, when nothing new comes.
func (l *lane) wait() {
	l.mu.Lock()
	if !l.running {
		l.mu.Unlock()
		return
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	idle := l.idle
	l.mu.Unlock()
	<-idle
}

// do runs one task.
func (l *lane) do(t task) {
	defer func() {
		if r := recover(); r != nil {
			l.conn.panicked(r)
		}
		if t.kind != taskEnd {
			l.conn.handled(t.size)
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
	if !s.admitting(cancel) {
		return // gone already
	}
	restored := s.ns.restore(s)
	middlewares := s.ns.middlewares
	if restored != nil && !l.conn.server.opts.Recovery.RunMiddlewares {
		middlewares = nil
	}
	for _, m := range middlewares {
		if err := m(ctx, s); err != nil {
			e := asConnectError(err)
			if s.refuse(l.conn.refusal(l.name, e)) {
				s.ns.giveBack(restored)
				l.conn.afterRefusal(e)
			}
			return
		}
	}
	l.accept(s)
}

// accept makes s a member of its namespace, answers, and lets the connection
// handler run before anything else reaches the client.
func (l *lane) accept(s *Socket) {
	s.ns.add(s)
	connected, evicted := s.welcome()
	switch {
	case !connected:
		s.ns.remove(s) // gone meanwhile; its end task tells the application
		return
	case evicted:
		s.end(ReasonServerNamespace, true)
		return
	}
	if s.ns.onConnect != nil {
		s.ns.onConnect(s)
	}
	s.release()
}
