package socketio

import (
	"cmp"
	"slices"
)

// memberSet keeps its members in a slice for fast walking. Small rooms, which
// most are (one user's devices), are searched; larger ones have an index.
//
// The order of large rooms is that of engineio.Session.Order, nearly: a
// broadcast sorts before it walks when many have come or gone since. The
// sockets of the kernel, and all that is kept of a client here, then follow
// one another in memory.
type memberSet struct {
	name    string
	members []*Socket
	index   map[*Socket]int // nil up to indexFrom members
	changes int             // since the members were sorted
}

const (
	indexFrom = 32
	// Rooms of fewer members are not sorted, nor are those of which fewer
	// than the n-th part has changed, so that sorting costs a change no more
	// than a microsecond or two.
	tidyFrom  = 256
	tidyShare = 8
)

func (m *memberSet) untidy() bool {
	return len(m.members) >= tidyFrom && m.changes > len(m.members)/tidyShare
}

// tidy sorts the members.
func (m *memberSet) tidy() {
	slices.SortFunc(m.members, func(a, b *Socket) int { return cmp.Compare(a.session.Order(), b.session.Order()) })
	for i, s := range m.members {
		m.index[s] = i
	}
	m.changes = 0
}

func (m *memberSet) find(s *Socket) (at int, ok bool) {
	if m.index != nil {
		at, ok = m.index[s]
		return at, ok
	}
	for i, member := range m.members {
		if member == s {
			return i, true
		}
	}
	return 0, false
}

func (m *memberSet) add(s *Socket) {
	if _, ok := m.find(s); ok {
		return
	}
	m.members = append(m.members, s)
	m.changes++
	switch {
	case m.index != nil:
		m.index[s] = len(m.members) - 1
	case len(m.members) > indexFrom:
		m.index = make(map[*Socket]int, 2*indexFrom)
		for i, member := range m.members {
			m.index[member] = i
		}
	}
}

func (m *memberSet) remove(s *Socket) {
	at, ok := m.find(s)
	if !ok {
		return
	}
	m.changes++
	last := len(m.members) - 1
	m.members[at] = m.members[last]
	m.members[last] = nil
	m.members = m.members[:last]
	if m.index != nil {
		delete(m.index, s)
		if at < last {
			m.index[m.members[at]] = at
		}
	}
	if c := cap(m.members); c > 4*indexFrom && last < c/4 {
		m.members = append(make([]*Socket, 0, 2*last), m.members...)
	}
	if last <= indexFrom/2 {
		m.index = nil
	}
}
