package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/lightpush/lightpush/internal/client"
)

var (
	clientForget = newScript("client_forget")
	nsForget     = newScript("ns_forget")
)

// clientGone are the rooms a forgotten device is still to be taken out of.
func (k keys) clientGone(ns, cid string) string { return k.client(ns, cid) + ":gone" }

// LegacyClients returns up to count devices of a namespace that last connected
// at a time (ms) or before, the longest gone first, behind the first skip.
func (s *Store) LegacyClients(ctx context.Context, ns string, before int64, skip, count int) ([]string, error) {
	find := do("ZRANGEBYSCORE", s.keys.namespace(ns).seen, "-inf", before, "LIMIT", skip, count)
	if err := s.run(ctx, find); err != nil {
		return nil, fmt.Errorf("find legacy clients of %s: %w", ns, err)
	}
	return find.texts(), nil
}

// ForgetClients removes those devices that are offline and were not seen
// (connected, or disconnected) after a time (ms): record, memberships, inbox.
// It returns them. A device that comes back meanwhile keeps what it has or
// starts anew; nothing of its new connection is touched. After an error it can
// be repeated.
func (s *Store) ForgetClients(ctx context.Context, ns string, ids []string, before int64) ([]string, error) {
	forgotten, err := s.forgetClients(ctx, ns, ids, before)
	if err != nil {
		return nil, fmt.Errorf("forget clients of %s: %w", ns, err)
	}
	return forgotten, nil
}

func (s *Store) forgetClients(ctx context.Context, ns string, ids []string, before int64) ([]string, error) {
	// What an earlier run did not finish.
	if err := s.leaveGone(ctx, ns, ids, nil); err != nil {
		return nil, err
	}
	ops := make([]*op, len(ids))
	for i, id := range ids {
		ops[i] = clientForget.call([]string{
			s.keys.client(ns, id), s.keys.clientRooms(ns, id), s.keys.clientGone(ns, id),
			s.keys.mutes(ns, id), s.keys.inbox(ns, id),
		}, before)
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, err
	}
	var forgotten []string
	gens := map[string]int64{}
	for i, o := range ops {
		if gen := o.text(); gen != "" {
			forgotten = append(forgotten, ids[i])
			gens[ids[i]] = toInt(gen)
		}
	}
	if err := s.leaveGone(ctx, ns, forgotten, gens); err != nil {
		return nil, err
	}
	unlist := make([]*op, len(forgotten))
	for i, id := range forgotten {
		unlist[i] = nsForget.call([]string{s.keys.namespace(ns).seen}, id, before)
	}
	return forgotten, s.runChunks(ctx, unlist)
}

// leaveGone ends the memberships of forgotten devices. gens are their last
// generations; the rooms' own entries tell those that are missing.
func (s *Store) leaveGone(ctx context.Context, ns string, ids []string, gens map[string]int64) error {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = s.keys.clientGone(ns, id)
	}
	rooms, err := s.scanPairs(ctx, keys)
	if err != nil {
		return err
	}
	type leaving struct {
		id, room string
		op       *op
	}
	var all []leaving
	var ops, done []*op
	for i, id := range ids {
		for name, gen := range rooms[i] {
			m := client.Member{Namespace: ns, ClientID: id, Gen: max(toInt(gen), gens[id])}
			for _, platform := range platformsOf(id) {
				m.Platform = platform
				l := leaving{id, name, s.leaveOp(m, name, leaveForget)}
				all, ops = append(all, l), append(ops, l.op)
			}
		}
		if len(rooms[i]) > 0 {
			done = append(done, do("UNLINK", keys[i]))
		}
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return err
	}
	for _, l := range all {
		if reply := l.op.integer(); reply > 0 && reply&leftEmpty != 0 {
			s.noteRoom(ns, l.room, -1)
		}
	}
	if err := s.rejoinReturned(ctx, ns, ids, rooms); err != nil {
		return err
	}
	return s.runChunks(ctx, done)
}

// rejoinReturned makes devices members again that came back, and joined a room
// anew, while they were being taken out of it.
func (s *Store) rejoinReturned(ctx context.Context, ns string, ids []string, left []map[string]string) error {
	keys := make([]string, 0, len(ids))
	var at []int
	for i, id := range ids {
		if len(left[i]) > 0 {
			keys, at = append(keys, s.keys.clientRooms(ns, id)), append(at, i)
		}
	}
	now, err := s.scanFields(ctx, keys)
	if err != nil {
		return err
	}
	var ops []*op
	for j, names := range now {
		id := ids[at[j]]
		platforms := platformsOf(id)
		for _, name := range names {
			if _, both := left[at[j]][name]; both {
				ops = append(ops, do("SADD", s.keys.room(ns, name).total(platforms[len(platforms)-1]), id))
			}
		}
	}
	return s.runChunks(ctx, ops)
}

// platformsOf are the platforms a client id may be of, most often one: user
// ids and uuids may look like one too (B27).
func platformsOf(id string) (platforms []string) {
	for _, p := range client.Platforms {
		if strings.Contains(id, "#"+p+"-") {
			platforms = append(platforms, p)
		}
	}
	if platforms == nil {
		platforms = client.Platforms[:]
	}
	return platforms
}

// scanPairs lists many hashes with their values, each page by page.
func (s *Store) scanPairs(ctx context.Context, keys []string) ([]map[string]string, error) {
	found := make([]map[string]string, len(keys))
	open := make(map[int]uint64, len(keys))
	for i := range keys {
		open[i] = 0
	}
	for len(open) > 0 {
		var at []int
		var ops []*op
		for i, cursor := range open {
			at = append(at, i)
			ops = append(ops, do("HSCAN", keys[i], cursor, "COUNT", scanCount))
		}
		if err := s.runChunks(ctx, ops); err != nil {
			return nil, err
		}
		for j, i := range at {
			page, next := ops[j].page()
			for k := 0; k+1 < len(page); k += 2 {
				if found[i] == nil {
					found[i] = map[string]string{}
				}
				found[i][page[k]] = page[k+1]
			}
			if open[i] = next; next == 0 {
				delete(open, i)
			}
		}
	}
	return found, nil
}
