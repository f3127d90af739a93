package netpoll

import "sync"

// outbox is what a connection has not sent yet. The buffers are those of the caller: they are shared, and never
// copied nor modified. It is guarded by the mutex of its connection.
type outbox struct {
	bufs    [][]byte // not empty ones
	first   int      // bufs before it are sent, and nil
	sent    int      // bytes of bufs[first] that are sent
	bytes   int      // unsent
	blocked bool     // the socket took no more: EPOLLOUT is awaited; otherwise everything is deferred
	batch   *Batch   // the last one that owes a Flush; only compared
}

const (
	// Deferred writes do not wait for their Flush when they have become this much: one system call takes no more
	// buffers, and for so many bytes its price does not matter.
	deferBuffers = 128
	deferBytes   = 64 << 10

	// outboxKeep is the number of buffers for which an outbox keeps its memory when it is used again.
	outboxKeep = 256
)

var outboxes = sync.Pool{New: func() any { return new(outbox) }}

// add appends the buffers, without the first skip bytes.
func (o *outbox) add(bufs [][]byte, size, skip int) {
	o.bytes += size - skip
	for _, b := range bufs {
		if skip >= len(b) { // also when b is empty
			skip -= len(b)
			continue
		}
		o.bufs = append(o.bufs, b[skip:])
		skip = 0
	}
}

// advance drops n bytes that were sent.
func (o *outbox) advance(n int) {
	o.bytes -= n
	for n > 0 {
		rest := len(o.bufs[o.first]) - o.sent
		if n < rest {
			o.sent += n
			return
		}
		n -= rest
		o.bufs[o.first] = nil
		o.first++
		o.sent = 0
	}
}

func (o *outbox) unsent() [][]byte { return o.bufs[o.first:] }

// release empties the outbox for its next use. The caller has removed it from its connection.
func (o *outbox) release() {
	clear(o.bufs)
	bufs := o.bufs[:0]
	if cap(bufs) > outboxKeep {
		bufs = nil
	}
	*o = outbox{bufs: bufs}
	outboxes.Put(o)
}

func sizeOf(bufs [][]byte) (size int) {
	for _, b := range bufs {
		size += len(b)
	}
	return size
}
