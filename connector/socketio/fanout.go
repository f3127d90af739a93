package socketio

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/lightpush/lightpush/connector/engineio"
)

// fanOutShard is the least number of sockets for which a second goroutine is
// worth its start.
const fanOutShard = 512

// Send sends an event prepared for this namespace to every target. It returns
// how many sockets it is on its way to. A large number of sockets is served
// on all processors, unless the batch of one goroutine gathers the event.
func (b Broadcast) Send(p *Prepared) int {
	list := b.collect()
	defer list.free()
	return b.fanOut(list.sockets, p)
}

func (b Broadcast) fanOut(sockets []*Socket, p *Prepared) int {
	shards := min(runtime.GOMAXPROCS(0), len(sockets)/fanOutShard)
	if shards < 2 || b.batch != nil {
		return b.sendAll(sockets, p)
	}
	var others sync.WaitGroup
	var sent atomic.Int64
	for ; shards > 1; shards-- {
		n := len(sockets) / shards
		part := sockets[:n]
		sockets = sockets[n:]
		others.Go(func() { sent.Add(int64(b.sendAll(part, p))) })
	}
	n := b.sendAll(sockets, p)
	others.Wait() // the next broadcast must not overtake this one
	return n + int(sent.Load())
}

// sendAll works through the sockets in blocks: what the next ones need is
// fetched from memory while nothing else has to wait for it.
func (b Broadcast) sendAll(sockets []*Socket, p *Prepared) (sent int) {
	for len(sockets) > 0 {
		block := sockets[:min(len(sockets), engineio.PrefetchBlock)]
		sockets = sockets[len(block):]
		prefetch(block)
		for _, s := range block {
			if b.volatile && s.deliverVolatile(p) || !b.volatile && s.deliver(p, b.batch) {
				sent++
			}
		}
	}
	return sent
}

func prefetch(sockets []*Socket) {
	var sessions [engineio.PrefetchBlock]*engineio.Session
	for i, s := range sockets {
		sessions[i] = s.session
	}
	engineio.Prefetch(sessions[:len(sockets)])
}
