package simulator

type timerKind uint8

const (
	timerConnect timerKind = iota // the connect has taken too long
	timerReopen                   // come back
	timerBeat                     // heartbeat
	timerAck                      // acknowledge message arg, which is the one marked
	timerResume                   // read again
)

// timer belongs to one life of a client: a later life does not hear of it.
type timer struct {
	at   int64
	arg  int64
	mark mark
	c    *client
	life uint32
	kind timerKind
}

// timers is a binary heap by time.
type timers []timer

func (h *timers) push(t timer) {
	*h = append(*h, t)
	q := *h
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if q[up].at <= q[i].at {
			break
		}
		q[up], q[i] = q[i], q[up]
		i = up
	}
}

func (h *timers) pop() timer {
	q := *h
	top := q[0]
	last := len(q) - 1
	q[0] = q[last]
	q[last] = timer{}
	q = q[:last]
	for i := 0; ; {
		least := i
		for _, down := range []int{2*i + 1, 2*i + 2} {
			if down < last && q[down].at < q[least].at {
				least = down
			}
		}
		if least == i {
			break
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
	*h = q
	return top
}
