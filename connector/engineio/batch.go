package engineio

import "github.com/lightpush/lightpush/connector/netpoll"

// Batch is the memory of one fan-out: what was sent with Session.SendDeferred leaves when it is flushed. The zero
// value is empty; after Flush it can be used again. A Batch belongs to one goroutine, which must call Flush as soon as
// it has nothing more to send, also when it fails:
//
//	var batch engineio.Batch
//	defer batch.Flush()
//	for _, m := range messages {
//		for _, s := range members {
//			_ = s.SendDeferred(&batch, m)
//		}
//	}
//
// It flushes itself when very much was deferred. Flush serves a large number of sessions on all processors.
type Batch struct{ writes netpoll.Batch }

// Flush sends what was deferred. It does not wait for any client.
func (b *Batch) Flush() { b.writes.Flush() }
