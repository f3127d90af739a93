package socketio

import (
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lightpush/lightpush/connector/engineio"
)

// conn is one engine session and the namespaces its client is in. It is the
// engine's Receiver: OnMessage calls never overlap.
type conn struct {
	// fixed after OnOpen
	server  *Server
	session *engineio.Session
	sio4    bool

	decoder decoder // only OnMessage

	// Lanes are made by the reading goroutine (OnOpen, OnMessage) only.
	// Lock order: conn.mu, then lane.mu.
	mu    sync.Mutex
	lanes []*lane // bound: MaxNamespaces

	timer  atomic.Pointer[engineio.Timer] // connect timeout; nil once it does not matter
	joined atomic.Bool                    // some namespace has been joined
	graced atomic.Bool                    // a refusal has set a time limit
	in     inbound
}

func newConn(s *Server, session *engineio.Session) *conn {
	c := &conn{server: s, session: session, sio4: session.Protocol() == engineio.V3}
	c.decoder.sio4 = c.sio4
	c.timer.Store(s.engine.AfterFunc(s.opts.ConnectTimeout, c.connectTimeout))
	return c
}

// OnMessage implements engineio.Receiver.
func (c *conn) OnMessage(binary bool, data []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.panicked(r)
		}
	}()
	in, err := c.decoder.decode(binary, data)
	switch {
	case err != nil:
		return c.violation(err)
	case in != nil:
		return c.violation(c.handle(in))
	case !binary:
		return c.violation(c.judgeHeader(c.decoder.partial))
	}
	return nil
}

func (c *conn) handle(in *incoming) error {
	if in.typ == packetConnect {
		return c.connect(in)
	}
	l := c.lane(in.namespace)
	if l == nil {
		return errNotJoined
	}
	c.decoder.keepUsual(l.name)
	switch in.typ {
	case packetDisconnect:
		return l.leave()
	case packetAck, packetBinaryAck:
		return l.ack(in)
	default:
		return l.event(in)
	}
}

// judgeHeader looks at a binary packet before its attachments are taken, so
// that nobody makes the server collect what it would not handle.
func (c *conn) judgeHeader(in *incoming) error {
	if c.lane(in.namespace) != nil {
		return nil
	}
	in.empty = true
	return errNotJoined
}

// violation decides what a broken rule costs. SIO4 servers have always
// ignored some things that SIO5 servers answer with a close (socket.io 2.x
// and 4.x); everything else closes the connection.
func (c *conn) violation(err error) error {
	if err != nil && c.sio4 {
		for _, harmless := range []error{errNotJoined, errUnknownType, errServerOnly} {
			if errors.Is(err, harmless) {
				return nil
			}
		}
	}
	return err
}

// joinRoot puts an SIO4 client into "/". Without middlewares that happens
// before OnOpen returns, so that the answer leaves together with the open
// packet.
func (c *conn) joinRoot() {
	_ = c.connect(&incoming{packet: packet{typ: packetConnect, namespace: "/"}})
}

// connect handles a CONNECT packet. Nothing is kept of a namespace that does
// not exist.
func (c *conn) connect(in *incoming) error {
	l := c.lane(in.namespace)
	if l != nil {
		if handled, err := l.connectAgain(); handled {
			return err
		}
	}
	h := c.server.newHandshake(c.session, in)
	ns, err := c.server.lookup(in.namespace, h)
	if err != nil {
		c.refuse(in.namespace, asConnectError(err))
		return nil
	}
	if l == nil {
		if l = c.newLane(in.namespace, ns); l == nil {
			c.refuse(in.namespace, errTooManyNamespaces)
			return nil
		}
	}
	c.decoder.keepUsual(l.name)
	return l.join(newSocket(l, ns, h), in.size)
}

// newLane returns nil when the client is in too many namespaces. Those it has
// left make room, the oldest first.
func (c *conn) newLane(name string, ns *Namespace) *lane {
	if name == ns.name {
		name = ns.name // hold the bytes once, not per client
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lanes) >= c.server.opts.MaxNamespaces {
		i := slices.IndexFunc(c.lanes, (*lane).abandoned)
		if i < 0 {
			return nil
		}
		c.lanes = slices.Delete(c.lanes, i, i+1)
	}
	l := &lane{conn: c, name: name}
	c.lanes = append(c.lanes, l)
	return l
}

func (c *conn) lane(name string) *lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		if l.name == name {
			return l
		}
	}
	return nil
}

func (c *conn) snapshot() []*lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lanes)
}

// OnClose implements engineio.Receiver. It returns when the disconnect
// handlers have, so that Server.Shutdown waits for them too. One lane works
// on this goroutine, which would have nothing else to do.
func (c *conn) OnClose(reason engineio.Reason) {
	c.stopTimer()
	lanes := c.snapshot()
	var mine *lane
	for _, l := range lanes {
		if !l.end(reason) {
			continue
		}
		if mine != nil {
			go mine.run()
		}
		mine = l
	}
	if mine != nil {
		mine.run()
	}
	for _, l := range lanes {
		l.wait()
	}
}

func (c *conn) connectTimeout() {
	if !c.joined.Load() {
		c.session.Close(engineio.ReasonForcedServerClose)
	}
}

func (c *conn) stopTimer() {
	if t := c.timer.Swap(nil); t != nil {
		t.Stop()
	}
}

// markJoined stops the connect timeout at the first join that counts.
func (c *conn) markJoined(ns string) {
	if ns == "/" && c.sio4 && c.server.opts.IgnoreRoot {
		return
	}
	if !c.joined.Swap(true) {
		c.stopTimer()
	}
}

// refuse answers a CONNECT for which there is no socket.
func (c *conn) refuse(name string, e *ConnectError) {
	_ = c.session.Send(c.refusal(name, e)...)
	c.afterRefusal(e)
}

func (c *conn) refusal(name string, e *ConnectError) []*engineio.Message {
	msgs := encodeConnectError(name, e, c.sio4)
	if c.sio4 && e.Leave {
		msgs = append(msgs, encodeDisconnect(name)...)
	}
	return msgs
}

func (c *conn) afterRefusal(e *ConnectError) {
	switch {
	case e.Close && c.sio4:
		c.session.Close(engineio.ReasonForcedServerClose)
	case e.CloseAfter > 0 && !c.graced.Swap(true):
		// One timer however many refusals; it ends by itself.
		c.server.engine.AfterFunc(e.CloseAfter, c.connectTimeout)
	}
}

// closeAll leaves every namespace, then closes the connection.
func (c *conn) closeAll() {
	for _, l := range c.snapshot() {
		if s := l.current(); s != nil {
			s.end(ReasonServerNamespace, true)
		}
	}
	c.session.Close(ReasonServerNamespace)
}

// panicked isolates a panic of the application: it costs its client the
// connection and nobody else anything.
func (c *conn) panicked(r any) {
	c.server.opts.OnPanic(r, debug.Stack())
	c.session.Close(engineio.ReasonReceiverPanic)
}
