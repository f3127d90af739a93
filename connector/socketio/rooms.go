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
	set, ok := shard.rooms[room]
	tidy := !ok || !set.untidy()
	if ok && tidy {
		list = append(list, set.members...)
	}
	shard.mu.RUnlock()
	if tidy {
		return list
	}
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if set, ok := shard.rooms[room]; ok {
		set.tidy()
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
