package simulator

import "sort"

// member is a stream a device hears, with what it has heard of it in its present life.
type member struct {
	stream      int32
	first, last int32 // least and greatest number that came; 0: none yet
}

// gap is a number that was skipped, and may still come.
type gap struct{ stream, seq int32 }

// maxGaps bounds what one device remembers; beyond it losses are counted without their names.
const maxGaps = 50_000

// ears is what a device has heard since it joined its rooms. It belongs to one goroutine.
type ears struct {
	members []member
	gaps    []gap
	since   int64 // position in the journal at the join: later pushes must come; -1: not known yet
	more    int64 // gaps beyond maxGaps
}

// verdict on one message.
type verdict uint8

const (
	inOrder verdict = iota
	reordered
	repeated
	stray // of a room the device is not in
)

// hear judges one message.
func (e *ears) hear(stream, seq int32) verdict {
	i := sort.Search(len(e.members), func(i int) bool { return e.members[i].stream >= stream })
	if i == len(e.members) || e.members[i].stream != stream {
		return stray
	}
	m := &e.members[i]
	switch {
	case m.last == 0:
		m.first, m.last = seq, seq
		return inOrder
	case seq == m.last+1:
		m.last = seq
		return inOrder
	case seq > m.last:
		e.skip(stream, m.last+1, seq-1)
		m.last = seq
		return inOrder
	case seq < m.first:
		e.skip(stream, seq+1, m.first-1)
		m.first = seq
		return reordered
	}
	for i, g := range e.gaps {
		if g.stream == stream && g.seq == seq {
			e.gaps[i] = e.gaps[len(e.gaps)-1]
			e.gaps = e.gaps[:len(e.gaps)-1]
			return reordered
		}
	}
	return repeated
}

func (e *ears) skip(stream, from, to int32) {
	for seq := from; seq <= to; seq++ {
		if len(e.gaps) >= maxGaps {
			e.more += int64(to - seq + 1)
			return
		}
		e.gaps = append(e.gaps, gap{stream, seq})
	}
}

// forget begins a new life.
func (e *ears) forget() {
	for i := range e.members {
		e.members[i].first, e.members[i].last = 0, 0
	}
	e.gaps, e.more, e.since = nil, 0, -1
}

// loss is one message a device must have had and has not.
type loss struct {
	Position int64  `json:"position"`   // in the order of the pushes
	ID       int64  `json:"message_id"` // the server's
	Room     string `json:"room"`
	Device   string `json:"device"` // its uuid
	Seq      int32  `json:"seq"`    // in its room
}

// missing calls found for every accepted push the device had to hear and did not: gaps, and with tail what is before the
// first and behind the last it heard. Of pushes that were under way when it joined none is missed.
func (e *ears) missing(entries []push, byStream [][]int32, tail bool, found func(at int64, stream, seq int32)) {
	if e.since < 0 {
		return
	}
	miss := func(stream, seq int32) {
		positions := byStream[stream]
		if int(seq) > len(positions) || seq < firstAfter(positions, e.since) {
			return
		}
		if at := int64(positions[seq-1]); entries[at-1].fate == accepted {
			found(at, stream, seq)
		}
	}
	for _, g := range e.gaps {
		miss(g.stream, g.seq)
	}
	if !tail {
		return
	}
	for _, m := range e.members {
		from, end := firstAfter(byStream[m.stream], e.since), int32(len(byStream[m.stream]))
		for seq := from; seq <= end; seq++ {
			if m.last > 0 && seq >= m.first && seq <= m.last {
				seq = m.last
				continue
			}
			miss(m.stream, seq)
		}
	}
}
