package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

// MessageIDs implements report.Store. Group commits of several processes may
// reach the list in another order than they got their ids.
func (s *Store) MessageIDs(ctx context.Context, ns string) ([]int64, error) {
	get := do("LRANGE", s.keys.namespace(ns).history, 0, s.opt.HistoryMax-1)
	if err := s.run(ctx, get); err != nil {
		return nil, fmt.Errorf("read history of %s: %w", ns, err)
	}
	list := get.list()
	ids := make([]int64, len(list))
	for i, v := range list {
		ids[i] = toInt(v)
	}
	slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
	return ids, nil
}

// Alive implements report.Store.
func (s *Store) Alive(ctx context.Context, ids []int64) ([]bool, error) {
	ops := s.eachMessage("EXISTS", ids)
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("look for messages: %w", err)
	}
	alive := make([]bool, len(ids))
	for i, o := range ops {
		alive[i] = o.integer() == 1
	}
	return alive, nil
}

// Records implements report.Store.
func (s *Store) Records(ctx context.Context, ids []int64) ([]map[string]string, error) {
	ops := s.eachMessage("HGETALL", ids)
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	records := make([]map[string]string, len(ids))
	for i, o := range ops {
		records[i] = pairs(o.list())
	}
	return records, nil
}

func (s *Store) eachMessage(command string, ids []int64) []*op {
	ops := make([]*op, len(ids))
	for i, id := range ids {
		ops[i] = do(command, s.keys.message(strconv.FormatInt(id, 10)))
	}
	return ops
}

// pairs is the flat list of a hash as a map, nil when it is empty.
func pairs(list []any) map[string]string {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		m[toText(list[i])] = toText(list[i+1])
	}
	return m
}

// Acked implements report.Store.
func (s *Store) Acked(ctx context.Context, id int64, platform string, limit int) (clients []string, full bool, err error) {
	key := s.keys.acks(strconv.FormatInt(id, 10), platformOf(platform))
	card := do("SCARD", key)
	if err := s.run(ctx, card); err != nil {
		return nil, false, fmt.Errorf("read acks of message %d: %w", id, err)
	}
	if card.integer() >= int64(limit) {
		return nil, true, nil
	}
	members := do("SMEMBERS", key) // fewer than limit
	if err := s.run(ctx, members); err != nil {
		return nil, false, fmt.Errorf("read acks of message %d: %w", id, err)
	}
	clients = members.texts()
	slices.Sort(clients)
	return clients, false, nil
}

// Counters implements report.Store.
func (s *Store) Counters(ctx context.Context, ns string, now time.Time) (minute, hour, day int64, err error) {
	b := s.keys.namespace(ns).buckets(now)
	ops := []*op{do("GET", b[0].key), do("GET", b[1].key), do("GET", b[2].key)}
	if err := s.run(ctx, ops...); err != nil {
		return 0, 0, 0, fmt.Errorf("read counters of %s: %w", ns, err)
	}
	return ops[0].integer(), ops[1].integer(), ops[2].integer(), nil
}

// Online implements report.Store.
func (s *Store) Online(ctx context.Context, ns string) (room.Online, error) {
	k := s.keys.namespace(ns)
	if err := s.rooms.flush(ctx); err != nil {
		return room.Online{}, err
	}
	ops := []*op{do("HLEN", k.rooms), do("HLEN", k.users), do("HLEN", k.online), do("ZCARD", k.seen)}
	if err := s.run(ctx, ops...); err != nil {
		return room.Online{}, fmt.Errorf("read presence of %s: %w", ns, err)
	}
	return room.Online{
		Rooms: ops[0].integer(), Users: ops[1].integer(), Clients: ops[2].integer(), Total: ops[3].integer(),
	}, nil
}

// OnlineRooms implements report.Store; the list is sorted.
func (s *Store) OnlineRooms(ctx context.Context, ns string) ([]string, error) {
	if err := s.rooms.flush(ctx); err != nil {
		return nil, err
	}
	return s.fields(ctx, s.keys.namespace(ns).rooms)
}

// OnlineClients implements report.Store; the list is sorted.
func (s *Store) OnlineClients(ctx context.Context, ns string) ([]string, error) {
	return s.fields(ctx, s.keys.namespace(ns).online)
}

// OnlineUsers implements report.Store; the list is sorted.
func (s *Store) OnlineUsers(ctx context.Context, ns string) ([]string, error) {
	return s.fields(ctx, s.keys.namespace(ns).users)
}

// RoomClients implements report.Store; the list is sorted.
func (s *Store) RoomClients(ctx context.Context, ns, room string) ([]string, error) {
	return s.fields(ctx, s.keys.room(ns, room).members)
}

// RoomUsers implements report.Store; the list is sorted.
func (s *Store) RoomUsers(ctx context.Context, ns, room string) ([]string, error) {
	return s.fields(ctx, s.keys.room(ns, room).users)
}

// RoomCounts implements report.Store.
func (s *Store) RoomCounts(ctx context.Context, ns string, rooms []string) ([]room.Count, error) {
	const each = 2 + len(client.Platforms)
	ops := make([]*op, 0, each*len(rooms))
	for _, name := range rooms {
		k := s.keys.room(ns, name)
		ops = append(ops, do("HLEN", k.users),
			do("HMGET", k.index, "~"+client.Web, "~"+client.IOS, "~"+client.Android))
		for _, p := range client.Platforms {
			ops = append(ops, do("SCARD", k.total(p)))
		}
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read presence of rooms: %w", err)
	}
	counts := make([]room.Count, len(rooms))
	for i := range counts {
		o := ops[i*each : (i+1)*each]
		online := o[1].list()
		if len(online) != len(client.Platforms) {
			return nil, fmt.Errorf("read presence of rooms: unexpected reply %v", online)
		}
		counts[i] = room.Count{
			Users:  o[0].integer(),
			Online: room.PerPlatform{Web: toInt(online[0]), IOS: toInt(online[1]), Android: toInt(online[2])},
			Total:  room.PerPlatform{Web: o[2].integer(), IOS: o[3].integer(), Android: o[4].integer()},
		}
	}
	return counts, nil
}
