package socketio

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
)

// conn is one engine session and the namespaces its client is in. It is the
// engine's Receiver: OnMessage calls never overlap.
type conn struct {
	// fixed after OnOpen
	server  *Server
	session *engineio.Session
	timer   *time.Timer // connect timeout

	// only OnOpen, OnMessage and OnClose, which never overlap
	decoder decoder

	mu     sync.Mutex // guards lanes against Disconnect of other goroutines
	lanes  []*lane    // one per namespace ever asked for; bound: MaxNamespaces
	closed bool

	joined atomic.Bool // some namespace has been joined
	in     inbound
}

// OnMessage implements engineio.Receiver.
func (c *conn) OnMessage(binary bool, data []byte) error {
	in, err := c.decoder.decode(binary, data)
	if err != nil {
		return c.violation(err)
	}
	if in == nil {
		return nil
	}
	if in.typ == packetConnect {
		return c.connect(in)
	}
	l := c.lane(in.namespace)
	if l == nil {
		return c.violation(errNotJoined)
	}
	switch in.typ {
	case packetDisconnect:
		return c.violation(l.leave())
	case packetAck, packetBinaryAck:
		return c.violation(l.ack(in))
	default:
		return c.violation(l.event(in))
	}
}

// violation decides what a broken rule costs. SIO4 servers have always
// ignored some things that SIO5 servers answer with a close (socket.io 2.x
// and 4.x); everything else closes the connection.
func (c *conn) violation(err error) error {
	if err == nil {
		return nil
	}
	if c.decoder.sio4 {
		switch err {
		case errNotJoined, errUnknownType, errReservedEvent, errServerOnly:
			return nil
		}
	}
	return err
}

// joinRoot puts an SIO4 client into "/". Without middlewares that happens
// before OnOpen returns, so that the answer leaves together with the open
// packet.
func (c *conn) joinRoot() {
	in := &incoming{packet: packet{typ: packetConnect, namespace: "/"}}
	l := &lane{conn: c, name: "/"}
	c.lanes = append(c.lanes, l)
	l.join(in)
}

func (c *conn) connect(in *incoming) error {
	c.mu.Lock()
	l := c.find(in.namespace)
	if l == nil {
		if len(c.lanes) >= c.server.opts.MaxNamespaces {
			c.mu.Unlock()
			return errTooManyNamespaces
		}
		l = &lane{conn: c, name: in.namespace}
		c.lanes = append(c.lanes, l)
	}
	c.mu.Unlock()
	return l.join(in)
}

func (c *conn) lane(name string) *lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(name)
}

func (c *conn) find(name string) *lane {
	for _, l := range c.lanes {
		if l.name == name {
			return l
		}
	}
	return nil
}

// OnClose implements engineio.Receiver.
func (c *conn) OnClose(reason engineio.Reason) {
	c.timer.Stop()
	c.mu.Lock()
	c.closed = true
	lanes := c.lanes
	c.mu.Unlock()
	for _, l := range lanes {
		l.end(reason)
	}
}

func (c *conn) connectTimeout() {
	if !c.joined.Load() {
		c.session.Close(engineio.ReasonForcedServerClose)
	}
}

// markJoined stops the connect timeout at the first join that counts.
func (c *conn) markJoined(ns string) {
	if ns == "/" && c.server.opts.IgnoreRoot {
		return
	}
	if !c.joined.Swap(true) {
		c.timer.Stop()
	}
}

// closeAll leaves every namespace, then closes the connection.
func (c *conn) closeAll() {
	c.mu.Lock()
	lanes := append([]*lane(nil), c.lanes...)
	c.mu.Unlock()
	for _, l := range lanes {
		l.mu.Lock()
		s := l.socket
		l.mu.Unlock()
		if s != nil {
			s.Disconnect(false)
		}
	}
	c.session.Close(ReasonServerNamespace)
}

// inbound stops the reading of a connection whose events wait for handlers.
type inbound struct {
	mu     sync.Mutex
	events int
	bytes  int
	paused bool
}

func (c *conn) waiting(events, bytes int) {
	o := &c.server.opts
	c.in.mu.Lock()
	c.in.events += events
	c.in.bytes += bytes
	pause := !c.in.paused && (c.in.events >= o.InboundEvents || c.in.bytes >= o.InboundBytes)
	resume := c.in.paused && c.in.events <= o.InboundEvents/2 && c.in.bytes <= o.InboundBytes/2
	switch {
	case pause:
		c.in.paused = true
		c.session.Pause()
	case resume:
		c.in.paused = false
		c.session.Resume()
	}
	c.in.mu.Unlock()
}
