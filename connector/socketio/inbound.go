package socketio

import "sync"

// inbound bounds what waits for the handlers of one connection. It pauses the
// reading at the bounds of Options and resumes it at half of them. A paused
// polling client can still bring one POST now and then, so there is a hard
// bound too.
type inbound struct {
	mu     sync.Mutex
	events int
	bytes  int
	paused bool
}

// The hard bound, in multiples of the greatest packet or of the soft bound.
// What has been read already when the reading stops must never exceed it.
const (
	hardFactor = 4
	hardLeast  = 1 << 20
)

// overhead is about what an event costs beside its bytes.
const overhead = 256

func (o *Options) hardBytes() int {
	return hardFactor * max(o.InboundBytes, o.Engine.MaxPayload, hardLeast)
}

// waiting notes that a packet of size bytes waits. It reports whether that is
// acceptable; what is alone always is.
func (c *conn) waiting(size int) bool {
	o := &c.server.opts
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.in.bytes+c.in.events*overhead >= o.hardBytes() {
		return false
	}
	c.in.events++
	c.in.bytes += size
	if !c.in.paused && (c.in.events >= o.InboundEvents || c.in.bytes >= o.InboundBytes) {
		c.in.paused = true
		c.session.Pause() // Lock order: inbound.mu, then the session's
	}
	return true
}

// handled undoes waiting.
func (c *conn) handled(size int) {
	o := &c.server.opts
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.events--
	c.in.bytes -= size
	if c.in.paused && c.in.events <= o.InboundEvents/2 && c.in.bytes <= o.InboundBytes/2 {
		c.in.paused = false
		c.session.Resume()
	}
}
