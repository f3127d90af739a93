package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/push"
)

// Accept implements push.Store in two round trips, whatever the number of
// messages: first the ids and the nodes that hold each room, then everything
// else (B55). The second is sent at most once, so that no counter counts
// double and no stream gets an entry twice; when its reply is lost the caller
// hears an error.
func (s *Store) Accept(ctx context.Context, batch []*push.Message) error {
	if len(batch) == 0 {
		return nil
	}
	nodes, err := s.prepare(ctx, batch)
	if err != nil {
		return fmt.Errorf("accept %d messages: %w", len(batch), err)
	}
	ops := make([]*op, 0, 4*len(batch)+8)
	for _, m := range batch {
		ops = s.appendMessage(ops, m, nodes[place{m.Namespace, m.Room}])
	}
	ops = s.appendFigures(ops, batch)
	for _, o := range ops {
		o.once = true
	}
	// Every reply is checked by run; the nil of a stream that is gone is
	// fine: a dead node has nobody to deliver to.
	if err := s.run(ctx, ops...); err != nil {
		return fmt.Errorf("accept %d messages: %w", len(batch), err)
	}
	return nil
}

// place is a room of a namespace.
type place struct{ namespace, room string }

// prepare sets the ids and finds the nodes of every room.
func (s *Store) prepare(ctx context.Context, batch []*push.Message) (map[place][]string, error) {
	next := do("INCRBY", s.keys.messageID(), len(batch))
	ops := []*op{next}
	index := make(map[place]*op, len(batch))
	for _, m := range batch {
		p := place{m.Namespace, m.Room}
		if _, ok := index[p]; ok || m.Lost() {
			continue
		}
		o := do("HKEYS", s.keys.room(m.Namespace, m.Room).index)
		index[p] = o
		ops = append(ops, o)
	}
	if err := s.run(ctx, ops...); err != nil {
		return nil, err
	}
	first := next.integer() - int64(len(batch)) + 1
	for i, m := range batch {
		m.ID = first + int64(i)
	}
	nodes := make(map[place][]string, len(index))
	for p, o := range index {
		for _, field := range o.texts() {
			if !strings.HasPrefix(field, "~") { // a count per platform
				nodes[p] = append(nodes[p], field)
			}
		}
	}
	return nodes, nil
}

// appendMessage appends the record of m and its stream entries.
func (s *Store) appendMessage(ops []*op, m *push.Message, nodes []string) []*op {
	key := s.keys.message(strconv.FormatInt(m.ID, 10))
	fields := m.Fields()
	set := make([]any, 0, 2+len(fields))
	set = append(set, "HSET", key)
	for _, f := range fields {
		set = append(set, f)
	}
	ops = append(ops, do(set...), do("PEXPIREAT", key, m.ExpireAt))
	if m.Lost() || len(nodes) == 0 {
		return ops
	}
	entry := bus.EncodeDelivery(&push.Delivery{
		MessageID: m.ID, Namespace: m.Namespace, Room: m.Room, Except: m.ExceptID(),
		Payload: m.Event(s.opt.EventFull),
	})
	for _, node := range nodes {
		ops = append(ops, do(bus.DeliveryCommand(bus.StreamKey(s.opt.Prefix, node), s.opt.StreamMaxLen, entry)...))
	}
	return ops
}

// appendFigures appends the history and the counters, once per namespace.
func (s *Store) appendFigures(ops []*op, batch []*push.Message) []*op {
	now := s.opt.Now()
	byNamespace := map[string][]any{} // namespace → LPUSH with the ids in order
	var order []string
	for _, m := range batch {
		push, ok := byNamespace[m.Namespace]
		if !ok {
			order = append(order, m.Namespace)
			push = []any{"LPUSH", s.keys.namespace(m.Namespace).history}
		}
		byNamespace[m.Namespace] = append(push, m.ID)
	}
	for _, ns := range order {
		k := s.keys.namespace(ns)
		push := byNamespace[ns]
		ops = append(ops, do(push...), do("LTRIM", k.history, 0, s.opt.HistoryMax-1))
		for _, b := range k.buckets(now) {
			ops = append(ops, do("INCRBY", b.key, len(push)-2), do("PEXPIREAT", b.key, b.expires))
		}
	}
	return ops
}
