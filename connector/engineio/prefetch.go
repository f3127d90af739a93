package engineio

import "github.com/lightpush/lightpush/connector/netpoll"

// PrefetchBlock is the number of sessions that Prefetch takes at most: enough for the processor to have as many reads
// under way as it can, and few enough for all of it to stay in the nearest cache.
const PrefetchBlock = 32

// Prefetch has the processor load what the next Send to each of the sessions needs; see netpoll.Prefetch. It returns
// how many of them it could help.
//
// Every step reads one field of all sessions, so that these reads, which depend on nothing but the step before, run at
// the same time.
func Prefetch(sessions []*Session) int {
	var sockets [PrefetchBlock]*webSocket
	var conns [PrefetchBlock]netpoll.Conn
	n := 0
	for _, s := range sessions[:min(len(sessions), PrefetchBlock)] {
		if socket := s.near.Load(); socket != nil && s.srv != nil { // srv: the other end of what Send reads
			sockets[n] = socket
			n++
		}
	}
	for i, socket := range sockets[:n] {
		conns[i] = socket.conn
	}
	return netpoll.Prefetch(conns[:n])
}
