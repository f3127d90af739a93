package socketio

import (
	"hash/maphash"
	"sync"
)

// roomTable knows the members of every room of one namespace. It is split
// into shards so that joins of different rooms do not meet. Safe for
// concurrent use; no method calls out under a lock.
type roomTable struct {
	seed   maphash.Seed
	shards [16]roomShard
}

type roomShard struct {
	mu    sync.RWMutex
	rooms map[string]*memberSet
}

func newRoomTable() *roomTable { return &roomTable{seed: maphash.MakeSeed()} }

func (t *roomTable) shard(room string) *roomShard {
	return &t.shards[maphash.String(t.seed, room)%uint64(len(t.shards))]
}

// add makes s a member and returns the table's own copy of the room's name,
// so that a name is held once however many sockets are in the room.
func (t *roomTable) add(room string, s *Socket) (name string) {
	shard := t.shard(room)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	set, ok := shard.rooms[room]
	if !ok {
		set = &memberSet{name: room}
		if shard.rooms == nil {
			shard.rooms = map[string]*memberSet{}
		}
		shard.rooms[room] = set
	}
	set.add(s)
	return set.name
}

func (t *roomTable) remove(room string, s *Socket) {
	shard := t.shard(room)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	set, ok := shard.rooms[room]
	if !ok {
		return
	}
	set.remove(s)
	if len(set.members) == 0 {
		delete(shard.rooms, room)
	}
}

// appendMembers adds the members of room to list; the caller sends to them
// without any lock held.
func (t *roomTable) appendMembers(list []*Socket, room string) []*Socket {
	shard := t.shard(room)
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	if set, ok := shard.rooms[room]; ok {
		list = append(list, set.members...)
	}
	return list
}

func (t *roomTable) count(room string) int {
	shard := t.shard(room)
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	if set, ok := shard.rooms[room]; ok {
		return len(set.members)
	}
	return 0
}

// memberSet keeps its members in a slice for fast walking. Small rooms, which
// most are (one user's devices), are searched; larger ones have an index.
type memberSet struct {
	name    string
	members []*Socket
	index   map[*Socket]int // nil up to indexFrom members
}

const indexFrom = 32

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
