package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/client"
)

// Beat implements node.Store.
func (s *Store) Beat(ctx context.Context, node string, ttl time.Duration) (known bool, err error) {
	if err := checkNode(node); err != nil {
		return false, err
	}
	add := do("ZADD", s.keys.nodes(), s.opt.Now().Add(ttl).UnixMilli(), node)
	mark := do("HDEL", s.keys.swept(), node)
	if err := s.run(ctx, append(s.advertiseOps(node), add, mark)...); err != nil {
		return false, fmt.Errorf("renew lease of node %s: %w", node, err)
	}
	return add.integer() == 0 && mark.integer() == 0, nil
}

// Drop implements node.Store. The lease goes last: until then another
// sweeper would find the node again.
func (s *Store) Drop(ctx context.Context, node string) error {
	err := s.run(ctx,
		do("UNLINK", s.keys.farewells(node)),
		do("UNLINK", s.keys.connections(node)),
		do("UNLINK", bus.StreamKey(s.opt.Prefix, node)),
		do("HDEL", s.keys.addresses(), node),
		s.leaveRing(node),
		do("HDEL", s.keys.swept(), node),
		do("ZREM", s.keys.nodes(), node),
		do("UNLINK", s.keys.lock(node)))
	if err != nil {
		return fmt.Errorf("drop node %s: %w", node, err)
	}
	return nil
}

// Expired implements node.Store.
func (s *Store) Expired(ctx context.Context) ([]string, error) {
	find := do("ZRANGEBYSCORE", s.keys.nodes(), "-inf", "("+strconv.FormatInt(s.nowMillis(), 10))
	if err := s.run(ctx, find); err != nil {
		return nil, fmt.Errorf("find expired nodes: %w", err)
	}
	return find.texts(), nil
}

// Nodes are the registered nodes and the end of their leases.
func (s *Store) Nodes(ctx context.Context) (map[string]time.Time, error) {
	all := do("ZRANGE", s.keys.nodes(), 0, -1, "WITHSCORES")
	if err := s.run(ctx, all); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	list := all.texts()
	nodes := make(map[string]time.Time, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		end, _ := strconv.ParseFloat(list[i+1], 64)
		nodes[list[i]] = time.UnixMilli(int64(end))
	}
	return nodes, nil
}

// Lock implements node.Store. The mark outlives the lock: when the sweeper
// dies and the node beats before there is another one, the lease alone would
// tell neither of them that some connections are gone.
func (s *Store) Lock(ctx context.Context, node, by string, ttl time.Duration) (ok bool, err error) {
	take := takeLock.call([]string{s.keys.lock(node)}, by, s.opt.Now().Add(ttl).UnixMilli())
	if err := s.run(ctx, take); err != nil {
		return false, fmt.Errorf("lock node %s: %w", node, err)
	}
	if take.integer() != 1 {
		return false, nil
	}
	if err := s.run(ctx, do("HSET", s.keys.swept(), node, by)); err != nil {
		return false, fmt.Errorf("mark node %s: %w", node, err)
	}
	return true, nil
}

// Connections implements node.Store. The cursor is a generation: the list is
// walked in the order of connecting, so that taking connections out while
// walking skips none, on any Redis. All connections of the last generation of
// a page are in the page. A listing that cannot be understood is skipped;
// Drop removes it with the rest.
func (s *Store) Connections(ctx context.Context, node string, cursor uint64, count int) ([]client.Member, uint64, error) {
	key := s.keys.connections(node)
	count = max(1, count)
	find := do("ZRANGEBYSCORE", key, "("+strconv.FormatUint(cursor, 10), "+inf", "WITHSCORES", "LIMIT", 0, count)
	if err := s.run(ctx, find); err != nil {
		return nil, 0, fmt.Errorf("list connections of node %s: %w", node, err)
	}
	page := find.texts()
	if len(page) < 2*count {
		return decodeMembers(node, page, 2), 0, nil
	}
	last := page[len(page)-1]
	for len(page) > 0 && page[len(page)-1] == last {
		page = page[:len(page)-2]
	}
	ties := do("ZRANGEBYSCORE", key, last, last)
	if err := s.run(ctx, ties); err != nil {
		return nil, 0, fmt.Errorf("list connections of node %s: %w", node, err)
	}
	next, err := strconv.ParseFloat(last, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("list connections of node %s: %w", node, err)
	}
	return append(decodeMembers(node, page, 2), decodeMembers(node, ties.texts(), 1)...), uint64(next), nil
}

func decodeMembers(node string, items []string, step int) []client.Member {
	members := make([]client.Member, 0, len(items)/step)
	for i := 0; i < len(items); i += step {
		if m, ok := decodeMember(node, items[i]); ok {
			members = append(members, m)
		}
	}
	return members
}

// Expel implements node.Store: each connection is released from all rooms its
// device has ever joined, which include those it is in.
func (s *Store) Expel(ctx context.Context, members []client.Member, reason string) error {
	rooms, err := s.roomsOf(ctx, members)
	if err != nil {
		return fmt.Errorf("expel %d connections: %w", len(members), err)
	}
	if err := s.announced(ctx, members); err != nil {
		return fmt.Errorf("expel %d connections: %w", len(members), err)
	}
	if err := s.readFarewells(ctx, members); err != nil {
		return fmt.Errorf("expel %d connections: %w", len(members), err)
	}
	sessions, err := s.sessionEnds(ctx, members)
	if err != nil {
		return fmt.Errorf("expel %d connections: %w", len(members), err)
	}
	// A step is some members with all their rooms: a connection must stay
	// listed until everything else of it is gone.
	for start := 0; start < len(members); {
		var ops, last []*op
		leaves, releases := make([][]*op, 0, 64), make([]*op, 0, 64)
		end := start
		for ; end < len(members) && len(ops) < pipelineMax; end++ {
			l := s.leaveOps(members[end], rooms[end], leaveKeep)
			release, unlist := s.releaseOps(members[end], l, reason, sessions[members[end].Node])
			leaves, releases = append(leaves, l), append(releases, release[0])
			ops = append(append(ops, release...), unlist.first...)
			last = append(last, unlist.then...)
		}
		err := s.run(ctx, ops...)
		if err == nil {
			err = s.run(ctx, last...)
		}
		if err != nil {
			return fmt.Errorf("expel %d connections: %w", len(members), err)
		}
		for i, l := range leaves {
			s.left(members[start+i], rooms[start+i], l)
			s.announceLeaves(members[start+i], rooms[start+i], l, releases[i].integer() == 1)
		}
		start = end
	}
	return nil
}

// roomsOf reads the rooms the devices have ever joined.
func (s *Store) roomsOf(ctx context.Context, members []client.Member) ([][]string, error) {
	keys := make([]string, len(members))
	for i, m := range members {
		keys[i] = s.keys.clientRooms(m.Namespace, m.ClientID)
	}
	return s.scanFields(ctx, keys)
}
