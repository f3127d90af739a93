package netpoll

import (
	"runtime"
	"sync"
)

// Batch gathers the connections to which something was written with Batch.Write, so that several messages for one
// connection leave in one system call and the connections of a large room are served by all processors.
// The zero value is empty. A Batch belongs to one goroutine, which calls Flush soon, in any case: what was deferred
// leaves at the next Flush, or behind it with the next Write to the connection, and not before.
type Batch struct {
	conns   []Deferrer // owed a Flush; may name a connection twice
	buffers int
}

const (
	// batchBuffers bounds the references that a batch may leave in queues: 24 MiB.
	batchBuffers = 1 << 20
	// batchShard is the least number of connections for which a second goroutine is worth its start.
	batchShard = 512
	// prefetchBlock is how many connections are prefetched at a time; see Prefetch.
	prefetchBlock = 32
	// batchKeep is the number of connections for which a flushed batch keeps its memory.
	batchKeep = 1 << 16
)

// Write is Conn.Write, but what it queues may stay there until Flush.
func (b *Batch) Write(c Conn, bufs ...[]byte) error {
	if d, ok := c.(Deferrer); ok {
		return d.WriteDeferred(b, bufs...)
	}
	return c.Write(bufs...)
}

// add notes that c has deferred so many buffers; owing tells whether it has to be flushed.
func (b *Batch) add(c Deferrer, buffers int, owing bool) {
	b.buffers += buffers
	if owing {
		b.conns = append(b.conns, c)
	}
}

// Full reports that so much was deferred that Flush should be called now.
func (b *Batch) Full() bool { return b.buffers >= batchBuffers }

// Flush sends everything that was deferred, and empties the batch. Large batches are split among the processors; Flush
// returns when all are done. It does not block on any connection.
func (b *Batch) Flush() {
	conns := b.conns
	shards := min(runtime.GOMAXPROCS(0), len(conns)/batchShard)
	if shards > 1 {
		var others sync.WaitGroup
		for ; shards > 1; shards-- {
			n := len(conns) / shards
			part := conns[:n]
			conns = conns[n:]
			others.Go(func() { flushAll(part) })
		}
		defer others.Wait()
	}
	flushAll(conns)
	b.buffers = 0
	if cap(b.conns) > batchKeep {
		b.conns = nil
	}
	b.conns = b.conns[:0]
}

func flushAll(conns []Deferrer) {
	for len(conns) > 0 {
		block := conns[:min(len(conns), prefetchBlock)]
		conns = conns[len(block):]
		prefetch(block)
		for i, c := range block {
			c.Flush()
			block[i] = nil // a batch that waits for its next use keeps nobody
		}
	}
}
