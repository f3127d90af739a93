package netpoll

// Prefetch has the processor load what a write to each of the connections needs, and returns how many there are of
// this package's reactor. A fan-out calls it with the next few connections before it writes to the first: their
// memory is then fetched at the same time, and not one cache miss after the other between the system calls. It takes no
// lock and reads only what never changes.
func Prefetch(conns []Conn) int { return prefetch(conns) }

func prefetch[C any](conns []C) (n int) {
	for _, c := range conns {
		if c, ok := any(c).(*epollConn); ok && c.loop != nil { // always; that it is used is what keeps the read
			n++
		}
	}
	return n
}
