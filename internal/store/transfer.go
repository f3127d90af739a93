package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

const (
	// transferWait is how long a transfer waits for the nodes; what they
	// have not done by then they do later.
	transferWait = 5 * time.Second
	transferLock = 30 * time.Second // renewed with every step
	// transferTurn is how long a transfer waits for those before it.
	transferTurn = 10 * time.Second
	transferTTL  = time.Minute // of confirmations
)

// Transfer changes who is a member of t.Target, in bounded steps: connected
// devices by their nodes, which it waits for, the others here. Transfers of a
// namespace are done one after the other, whichever process they come to;
// room.ErrBusy when the turn does not come before ctx ends. It can be
// repeated. Done and Clients of t are ignored.
func (s *Store) Transfer(ctx context.Context, t room.Transfer) error {
	t.Done, t.Clients = rand.Text(), nil
	m := &move{store: s, Transfer: t}
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.unlock()
	err := m.findNodes(ctx)
	if err == nil {
		switch t.Type {
		case room.TransferJoin:
			err = m.join(ctx)
		case room.TransferLeave:
			err = m.leave(ctx)
		default:
			err = room.ErrTransferType
		}
	}
	if err != nil {
		return fmt.Errorf("transfer to %s of %s: %w", t.Target, t.Namespace, err)
	}
	m.wait(ctx)
	return nil
}

// move is one transfer under way.
type move struct {
	room.Transfer
	store *Store
	alive map[string]time.Time // nodes
	sent  int64                // entries a node will confirm
}

func (m *move) lockOp(end time.Time) *op {
	return takeLock.call([]string{m.store.keys.namespace(m.Namespace).base + ":transfer"}, m.Done, end.UnixMilli())
}

func (m *move) lock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, transferTurn)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		take := m.lockOp(m.store.opt.Now().Add(transferLock))
		err := m.store.run(ctx, take)
		switch {
		case ctx.Err() != nil:
			m.unlock() // it may have been taken all the same
			return room.ErrBusy
		case err != nil:
			return fmt.Errorf("lock transfers of %s: %w", m.Namespace, err)
		case take.integer() == 1:
			return nil
		}
		select {
		case <-ctx.Done():
			return room.ErrBusy
		case <-time.After(pause):
		}
	}
}

// unlock lets the lock end now.
func (m *move) unlock() {
	if err := m.store.run(context.Background(), m.lockOp(m.store.opt.Now().Add(-time.Second))); err != nil {
		m.store.opt.OnError(fmt.Errorf("unlock transfers of %s: %w", m.Namespace, err))
	}
}

func (m *move) findNodes(ctx context.Context) (err error) {
	m.alive, err = m.store.Nodes(ctx)
	return err
}

// join tells the nodes first, and walks the devices that belong to the sources
// second: one that goes offline in between was found by its node, or belongs
// to the target by the walk.
func (m *move) join(ctx context.Context) error {
	s := m.store
	index := make([]*op, len(m.Sources))
	for i, source := range m.Sources {
		index[i] = do("HKEYS", s.keys.room(m.Namespace, source).index)
	}
	if err := s.runChunks(ctx, index); err != nil {
		return err
	}
	nodes := map[string][]string{}
	for _, o := range index {
		for _, node := range o.texts() {
			if !strings.HasPrefix(node, "~") {
				nodes[node] = nil
			}
		}
	}
	if err := m.send(ctx, nodes); err != nil {
		return err
	}
	target := s.keys.room(m.Namespace, m.Target)
	return m.eachSource(ctx, func(platform string, ids []string) (bool, error) {
		ops := make([]*op, 0, len(ids)+2)
		add := []any{"SADD", target.total(platform)}
		for _, id := range ids {
			args := []any{m.Target}
			for _, source := range m.Sources {
				args = append(args, source)
			}
			ops = append(ops, clientAdopt.call([]string{s.keys.client(m.Namespace, id), s.keys.clientRooms(m.Namespace, id)}, args...))
			add = append(add, id)
		}
		return false, s.runChunks(ctx, append(ops, do(add...)))
	})
}

// leave takes the devices that belong to the sources out of the audience of
// the target. Those that are connected and in the target are left to their
// nodes: only these know what the connection is doing.
func (m *move) leave(ctx context.Context) error {
	s := m.store
	target := s.keys.room(m.Namespace, m.Target)
	return m.eachSource(ctx, func(platform string, ids []string) (bool, error) {
		remove, ask := do("SREM", target.total(platform)), do("HMGET", target.members)
		for _, id := range ids {
			remove.args, ask.args = append(remove.args, id), append(ask.args, id)
		}
		if err := s.run(ctx, remove, ask); err != nil {
			return false, err
		}
		nodes := map[string][]string{}
		var ops []*op
		for i, v := range ask.list() {
			member := toText(v)
			if member == "" {
				ops = append(ops, clientDisown.call([]string{
					s.keys.client(m.Namespace, ids[i]), s.keys.clientRooms(m.Namespace, ids[i])}, m.Target))
			} else if parts := strings.SplitN(member, "|", 4); len(parts) == 4 {
				nodes[parts[2]] = append(nodes[parts[2]], ids[i])
			}
		}
		if err := s.runChunks(ctx, ops); err != nil {
			return false, err
		}
		return remove.integer() > 0, m.send(ctx, nodes)
	})
}

// eachSource calls visit with the devices that belong to the sources, some at
// a time. visit reports whether it has taken any out of the target: when that
// is a source too, the walk may have missed others for it, and is repeated.
func (m *move) eachSource(ctx context.Context, visit func(platform string, ids []string) (removed bool, err error)) error {
	for _, source := range m.Sources {
		for _, platform := range client.Platforms {
			for again := true; again; {
				again = false
				key := m.store.keys.room(m.Namespace, source).total(platform)
				err := m.store.scanSet(ctx, key, func(ids []string) error {
					if err := m.store.run(ctx, m.lockOp(m.store.opt.Now().Add(transferLock))); err != nil {
						return err
					}
					removed, err := visit(platform, ids)
					again = again || removed && source == m.Target
					return err
				})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// send puts the transfer into the streams of nodes, each with its own clients.
func (m *move) send(ctx context.Context, nodes map[string][]string) error {
	s := m.store
	names := make([]string, 0, len(nodes))
	ops := make([]*op, 0, len(nodes))
	for node, clients := range nodes {
		t := m.Transfer
		t.Clients = clients
		names = append(names, node)
		o := do(bus.TransferCommand(bus.StreamKey(s.opt.Prefix, node), s.opt.StreamMaxLen, bus.EncodeTransfer(&t))...)
		o.once = true
		ops = append(ops, o)
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return err
	}
	for i, o := range ops {
		if end, ok := m.alive[names[i]]; ok && end.After(s.opt.Now()) && !o.absent() {
			m.sent++
		}
	}
	return nil
}

// wait returns when the nodes have confirmed, or it takes too long: what is in
// their streams will be done.
func (m *move) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, transferWait)
	defer cancel()
	for pause := time.Millisecond; m.sent > 0; pause = min(2*pause, 50*time.Millisecond) {
		done := do("GET", m.store.transferKey(m.Done))
		err := m.store.run(ctx, done)
		if done.integer() >= m.sent || (err != nil && ctx.Err() == nil) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (s *Store) transferKey(token string) string {
	return s.opt.Prefix + "transfer:{" + escape(token) + "}"
}

// TransferDone implements session.Clients.
func (s *Store) TransferDone(ctx context.Context, token string) error {
	key := s.transferKey(token)
	err := s.run(ctx, &op{args: []any{"INCR", key}, once: true}, do("PEXPIRE", key, transferTTL.Milliseconds()))
	if err != nil {
		return fmt.Errorf("confirm transfer: %w", err)
	}
	return nil
}
