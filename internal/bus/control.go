package bus

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Listener hears what concerns every process.
type Listener interface {
	// NamespaceChanged says that the stored configuration of key changed.
	NamespaceChanged(key string)
	// Reload says that notices may have been missed: everything that is
	// kept in memory must be loaded again.
	Reload()
}

// Control reads the control stream from its end at Start.
type Control struct {
	tail     tail
	listener Listener
}

// NewControl returns a Control that owns rdb, a client of its own: Close
// closes it. onError hears of failed reads, which are tried again; it may be
// nil.
func NewControl(rdb redis.UniversalClient, prefix string, listener Listener, onError func(error)) *Control {
	c := &Control{listener: listener}
	c.tail = tail{
		rdb: rdb, key: ControlKey(prefix),
		handle: c.entry, onGap: listener.Reload, onError: orIgnore(onError),
	}
	return c
}

// Start finds the end of the stream and reads from there. Load what the
// notices are about after Start, so that none falls in between.
func (c *Control) Start(ctx context.Context) error { return c.tail.start(ctx) }

// Close ends the reading and waits for the listener to return.
func (c *Control) Close() { c.tail.close() }

// Stats are the figures now. Safe for concurrent use.
func (c *Control) Stats() Stats { return c.tail.snapshot() }

func (c *Control) entry(field, value string) {
	if field == fieldNamespace {
		c.listener.NamespaceChanged(value)
		return
	}
	if c.revoked(field, value) {
		return
	}
	c.listener.Reload() // a newer version's notice: whatever it means is covered
}
