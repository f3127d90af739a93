package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/room"
)

var (
	nsRemove = newScript("ns_remove")
	unlock   = newScript("unlock")
)

const (
	// purgeClients is how many devices one step of a purge removes; each may
	// have a thousand rooms.
	purgeClients  = 100
	purgeMessages = 500
)

// Purges returns the namespaces something is being removed of, doomed ones
// included, which LoadNamespaces leaves out.
func (s *Store) Purges(ctx context.Context) ([]*namespace.Namespace, error) {
	all, err := s.allNamespaces(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(n *namespace.Namespace) bool { return n.Purge == namespace.PurgeNone }), nil
}

// Namespace returns the stored configuration of key, doomed or not; nil when
// there is none.
func (s *Store) Namespace(ctx context.Context, key string) (*namespace.Namespace, error) {
	n, _, err := s.readNamespace(ctx, key)
	return n, err
}

func (s *Store) readNamespace(ctx context.Context, key string) (n *namespace.Namespace, text string, err error) {
	get := do("HGET", s.keys.namespaces(), key)
	if err := s.run(ctx, get); err != nil {
		return nil, "", fmt.Errorf("read namespace %s: %w", key, err)
	}
	if get.absent() {
		return nil, "", nil
	}
	if n, err = s.decodeNamespace(get.text()); err != nil {
		return nil, "", fmt.Errorf("read namespace %s: %w", key, err)
	}
	return n, get.text(), nil
}

// RemoveNamespace removes the configuration of a doomed namespace; any other
// is left alone.
func (s *Store) RemoveNamespace(ctx context.Context, key string) error {
	for range updateTries {
		n, text, err := s.readNamespace(ctx, key)
		if err != nil || !n.Doomed() {
			return err
		}
		remove := nsRemove.call([]string{s.keys.namespaces()}, key, text)
		if err := s.run(ctx, remove); err != nil {
			return fmt.Errorf("remove namespace %s: %w", key, err)
		}
		if remove.integer() == 1 {
			if err := s.run(ctx, do(bus.NamespaceCommand(s.opt.Prefix, key)...)); err != nil {
				return fmt.Errorf("announce namespace %s: %w", key, err)
			}
			return nil
		}
	}
	return fmt.Errorf("remove namespace %s: %w", key, ErrConflict)
}

// Unlock gives back what Lock took, if it is still held.
func (s *Store) Unlock(ctx context.Context, name, by string) error {
	if err := s.run(ctx, unlock.call([]string{s.keys.lock(name)}, by)); err != nil {
		return fmt.Errorf("unlock %s: %w", name, err)
	}
	return nil
}

// Step is called between the bounded steps of long work; an error ends the
// work. One call at a time.
type Step = func(context.Context) error

// ConnectionsOf counts the connections to a namespace that any node, living or
// dead, still lists.
func (s *Store) ConnectionsOf(ctx context.Context, ns string, step Step) (n int, err error) {
	nodes, err := s.Nodes(ctx)
	if err != nil {
		return 0, err
	}
	for node := range nodes {
		for cursor := uint64(0); ; {
			members, next, err := s.Connections(ctx, node, cursor, scanCount)
			if err != nil {
				return n, err
			}
			for _, m := range members {
				if m.Namespace == ns {
					n++
				}
			}
			if cursor = next; cursor == 0 {
				break
			}
			if err := step(ctx); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// EvictClients takes every device of a namespace offline, with the reason
// client.ReasonClear, whether or not it is connected. A connection that lives
// can do nothing more to the store than end.
func (s *Store) EvictClients(ctx context.Context, ns string, step Step) error {
	err := s.scanHash(ctx, s.keys.namespace(ns).online, func(pairs []string) error {
		members := make([]client.Member, 0, len(pairs)/2)
		for i := 0; i+1 < len(pairs); i += 2 {
			m := client.Member{Namespace: ns, ClientID: pairs[i]}
			gen, user, _ := strings.Cut(pairs[i+1], "|")
			m.Gen, m.UserID = toInt(gen), user
			members = append(members, m)
		}
		if err := s.Expel(ctx, members, client.ReasonClear); err != nil {
			return err
		}
		return step(ctx)
	})
	if err != nil {
		return fmt.Errorf("evict clients of %s: %w", ns, err)
	}
	return nil
}

// PurgeRealtime removes what is left of who is online where in a namespace.
// Nobody may be connected.
func (s *Store) PurgeRealtime(ctx context.Context, ns string, step Step) error {
	if err := s.purgeRealtime(ctx, ns, step); err != nil {
		return fmt.Errorf("clear real-time data of %s: %w", ns, err)
	}
	return nil
}

func (s *Store) purgeRealtime(ctx context.Context, ns string, step Step) error {
	if err := s.rooms.flush(ctx); err != nil {
		return err
	}
	k := s.keys.namespace(ns)
	err := s.eachListedRoom(ctx, ns, step, func(name string) *op {
		r := s.keys.room(ns, name)
		return do("UNLINK", r.members, r.index, r.users)
	})
	if err != nil {
		return err
	}
	return s.run(ctx, do("UNLINK", k.online, k.users, k.rooms, k.geo, k.platforms))
}

// eachListedRoom runs a command for every room that is listed as having
// somebody online, user rooms included.
func (s *Store) eachListedRoom(ctx context.Context, ns string, step Step, command func(name string) *op) error {
	k := s.keys.namespace(ns)
	for _, list := range []struct {
		key  string
		room func(string) string
	}{
		{k.rooms, func(name string) string { return name }},
		{k.users, room.ForUser},
	} {
		err := s.scanHash(ctx, list.key, func(pairs []string) error {
			ops := make([]*op, 0, len(pairs)/2)
			for i := 0; i < len(pairs); i += 2 {
				ops = append(ops, command(list.room(pairs[i])))
			}
			if err := s.runChunks(ctx, ops); err != nil {
				return err
			}
			return step(ctx)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// PurgeData removes everything of a namespace but its configuration: devices,
// rooms, messages, figures. Nobody may be connected. What the lists of the
// namespace name goes first; a walk over all keys finds the rest: messages
// that the history no longer names, and what a process left that died between
// two steps. Every command is bounded; memory of big keys is freed by Redis in
// the background.
func (s *Store) PurgeData(ctx context.Context, ns string, step Step) error {
	for _, purge := range []func(context.Context, string, Step) error{
		s.purgeClients, s.purgeListedRooms, s.purgeHistory, s.purgeOtherMessages, s.purgeKeys,
	} {
		if err := purge(ctx, ns, step); err != nil {
			return fmt.Errorf("clear %s: %w", ns, err)
		}
	}
	return nil
}

// purgeClients removes the devices that were ever seen and the rooms they
// have joined; the list of devices shrinks behind what it names.
func (s *Store) purgeClients(ctx context.Context, ns string, step Step) error {
	k := s.keys.namespace(ns)
	for {
		page := do("ZRANGE", k.seen, 0, purgeClients-1)
		if err := s.run(ctx, page); err != nil {
			return err
		}
		ids := page.texts()
		if len(ids) == 0 {
			return nil
		}
		if err := s.purgeRoomsOf(ctx, ns, ids); err != nil {
			return err
		}
		ops := make([]*op, 0, len(ids)+1)
		unlist := []any{"ZREM", k.seen}
		for _, id := range ids {
			ops = append(ops, s.unlinkClient(ns, id))
			unlist = append(unlist, id)
		}
		if err := s.run(ctx, ops...); err != nil {
			return err
		}
		if err := s.run(ctx, do(unlist...)); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
}

func (s *Store) purgeRoomsOf(ctx context.Context, ns string, ids []string) error {
	keys := make([]string, 0, 2*len(ids))
	for _, id := range ids {
		keys = append(keys, s.keys.clientRooms(ns, id), s.keys.clientGone(ns, id))
	}
	lists, err := s.scanFields(ctx, keys)
	if err != nil {
		return err
	}
	seen := map[string]struct{}{}
	var ops []*op
	for _, list := range lists {
		for _, name := range list {
			if _, ok := seen[name]; !ok {
				seen[name] = struct{}{}
				ops = append(ops, s.unlinkRoom(ns, name))
			}
		}
	}
	return s.runChunks(ctx, ops)
}

func (s *Store) unlinkRoom(ns, name string) *op {
	r := s.keys.room(ns, name)
	args := []any{"UNLINK", r.members, r.index, r.users}
	for _, p := range client.Platforms {
		args = append(args, r.total(p))
	}
	return do(args...)
}

// unlinkClient removes all there is under the hash tag of a device.
func (s *Store) unlinkClient(ns, id string) *op {
	return do("UNLINK", s.keys.client(ns, id), s.keys.clientRooms(ns, id), s.keys.clientGone(ns, id),
		s.keys.mutes(ns, id), s.keys.inbox(ns, id))
}

func (s *Store) purgeListedRooms(ctx context.Context, ns string, step Step) error {
	if err := s.rooms.flush(ctx); err != nil {
		return err
	}
	return s.eachListedRoom(ctx, ns, step, func(name string) *op { return s.unlinkRoom(ns, name) })
}

// purgeHistory removes the messages the history names, oldest first.
func (s *Store) purgeHistory(ctx context.Context, ns string, step Step) error {
	key := s.keys.namespace(ns).history
	for {
		page := do("LRANGE", key, -purgeMessages, -1)
		if err := s.run(ctx, page); err != nil {
			return err
		}
		ids := page.texts()
		if len(ids) == 0 {
			return nil
		}
		ops := make([]*op, 0, len(ids))
		for _, id := range ids {
			ops = append(ops, s.unlinkMessage(id))
		}
		if err := s.run(ctx, ops...); err != nil {
			return err
		}
		if err := s.run(ctx, do("LTRIM", key, 0, -len(ids)-1)); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
}

func (s *Store) unlinkMessage(id string) *op {
	args := []any{"UNLINK", s.keys.message(id), s.keys.fates(id), s.keys.times(id)}
	for _, p := range client.Platforms {
		args = append(args, s.keys.acks(id, p))
	}
	return do(args...)
}

// purgeOtherMessages removes messages that have dropped out of the history
// but not expired yet.
func (s *Store) purgeOtherMessages(ctx context.Context, ns string, step Step) error {
	return s.scanKeys(ctx, glob(s.opt.Prefix)+"m:{*}", func(keys []string) error {
		ops := make([]*op, len(keys))
		for i, key := range keys {
			ops[i] = do("HGET", key, "namespace")
		}
		if err := s.runChunks(ctx, ops); err != nil {
			return err
		}
		var unlink []*op
		for i, o := range ops {
			if o.text() == ns {
				id := strings.TrimPrefix(keys[i], s.opt.Prefix+"m:{")
				unlink = append(unlink, s.unlinkMessage(strings.TrimSuffix(id, "}")))
			}
		}
		if err := s.runChunks(ctx, unlink); err != nil {
			return err
		}
		return step(ctx)
	})
}

// purgeKeys removes every key whose hash tag is of the namespace.
func (s *Store) purgeKeys(ctx context.Context, ns string, step Step) error {
	tag := glob(s.opt.Prefix) + "[crn]:{" + glob(escape(ns)) + "[|}]*"
	return s.scanKeys(ctx, tag, func(keys []string) error {
		ops := make([]*op, len(keys))
		for i, key := range keys {
			ops[i] = do("UNLINK", key)
		}
		if err := s.runChunks(ctx, ops); err != nil {
			return err
		}
		return step(ctx)
	})
}

// scanKeys calls visit with the keys that match pattern, page by page, over
// all servers; one call at a time. A key may come twice.
func (s *Store) scanKeys(ctx context.Context, pattern string, visit func(keys []string) error) error {
	var mu sync.Mutex
	scan := func(ctx context.Context, rdb redis.Cmdable) error {
		for cursor := uint64(0); ; {
			one, cancel := context.WithTimeout(ctx, s.timeout)
			keys, next, err := rdb.Scan(one, cursor, pattern, scanCount).Result()
			cancel()
			if err != nil {
				return fmt.Errorf("walk over keys: %w", err)
			}
			if len(keys) > 0 {
				mu.Lock()
				err = visit(keys)
				mu.Unlock()
			}
			if err != nil || next == 0 {
				return err
			}
			cursor = next
		}
	}
	if cluster, ok := s.rdb.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return scan(ctx, master) })
	}
	return scan(ctx, s.rdb)
}

// glob makes a text safe in a pattern of SCAN.
func glob(text string) string { return globber.Replace(text) }

var globber = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
