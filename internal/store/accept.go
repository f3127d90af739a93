package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
)

// Accept implements push.Store in two round trips, whatever the number of
// messages: first the ids and the nodes that hold each room, then everything
// else (B55). The second is sent at most once, so that no counter counts
// double and no stream gets an entry twice; when its reply is lost the caller
// hears an error.
//
// With recovery the second looks at the nodes again, behind its writes: a
// client that came to another node in between either finds the message in the
// log, or is seen here, and its node gets the message in a third.
func (s *Store) Accept(ctx context.Context, batch []*push.Message) error {
	if len(batch) == 0 {
		return nil
	}
	nodes, prepared, err := s.prepare(ctx, batch)
	if err != nil {
		return fmt.Errorf("accept %d messages: %w: %w", len(batch), push.ErrNothingDone, err)
	}
	ops := make([]*op, 0, 4*len(batch)+8)
	now := s.nowMillis()
	for _, m := range batch {
		var to []string
		if !m.Lost() {
			to = nodes[place{m.Namespace, m.Room}]
		}
		ops = s.appendRecord(ops, m, now, to)
	}
	ops = s.appendFigures(ops, batch)
	ops = s.appendOffline(ops, batch)
	if s.recovers() { // before the deliveries: what a client has got is in the log
		ops = s.appendLogs(ops, batch, prepared)
	}
	for _, m := range batch {
		ops = s.appendDeliveries(ops, m, nodes[place{m.Namespace, m.Room}])
	}
	// Answers come last: who repeats a request rather pushes twice than hears
	// of a message that is not there.
	answers, checks := s.onceOps(batch), roomNodes{}
	if !s.opt.Cluster {
		ops, answers = append(ops, answers...), nil
	}
	behind := answers // of the writes, in order
	if s.recovers() {
		checks = s.indexOps(batch)
		behind = append(behind, checks.ops...)
	}
	for _, o := range slices.Concat(ops, behind) {
		o.once = true
	}
	// Every reply is checked by run; the nil of a stream that is gone is
	// fine: a dead node has nobody to deliver to.
	if s.opt.Cluster { // servers keep no order among each other
		if err = s.run(ctx, ops...); err == nil {
			err = s.run(ctx, behind...)
		}
	} else {
		err = s.run(ctx, append(ops, behind...)...)
	}
	if err == nil && s.recovers() {
		err = s.deliverLate(ctx, batch, nodes, checks)
	}
	if err != nil {
		return fmt.Errorf("accept %d messages: %w", len(batch), err)
	}
	return nil
}

// deliverLate sends the messages to nodes that came to hold their rooms while
// they were being accepted.
func (s *Store) deliverLate(ctx context.Context, batch []*push.Message, nodes map[place][]string, now roomNodes) error {
	var ops []*op
	for _, m := range batch {
		p := place{m.Namespace, m.Room}
		before := nodes[p]
		late := slices.DeleteFunc(now.of(p), func(node string) bool { return slices.Contains(before, node) })
		ops = s.appendDeliveries(ops, m, late)
	}
	for _, o := range ops {
		o.once = true
	}
	return s.run(ctx, ops...)
}

// roomNodes asks for the nodes that hold each room of a batch.
type roomNodes struct {
	ops    []*op
	places map[place]*op
}

func (s *Store) indexOps(batch []*push.Message) roomNodes {
	n := roomNodes{places: make(map[place]*op, len(batch))}
	for _, m := range batch {
		p := place{m.Namespace, m.Room}
		if _, ok := n.places[p]; ok || m.Lost() {
			continue
		}
		o := do("HKEYS", s.keys.roomIndex(m.Namespace, m.Room))
		n.places[p] = o
		n.ops = append(n.ops, o)
	}
	return n
}

func (n roomNodes) of(p place) (nodes []string) {
	o := n.places[p]
	if o == nil {
		return nil
	}
	for _, field := range o.texts() {
		if !strings.HasPrefix(field, "~") { // a count per platform
			nodes = append(nodes, field)
		}
	}
	return nodes
}

// place is a room of a namespace.
type place struct{ namespace, room string }

// prepare sets the ids and finds the nodes of every room. at is the time of
// the server before the ids were given out, µs.
func (s *Store) prepare(ctx context.Context, batch []*push.Message) (nodes map[place][]string, at int64, err error) {
	next, clock := do("INCRBY", s.keys.messageID(), len(batch)), do("TIME")
	index := s.indexOps(batch)
	ops := make([]*op, 0, 2+len(index.ops))
	if s.recovers() {
		ops = append(ops, clock)
	}
	ops = append(append(ops, next), index.ops...)
	if err := s.run(ctx, ops...); err != nil {
		return nil, 0, err
	}
	first := next.integer() - int64(len(batch)) + 1
	for i, m := range batch {
		m.ID = first + int64(i)
	}
	nodes = make(map[place][]string, len(index.places))
	for p := range index.places {
		nodes[p] = index.of(p)
	}
	if s.recovers() {
		at = microsOf(clock)
	}
	return nodes, at, nil
}

// microsOf is the reply of TIME.
func microsOf(o *op) int64 {
	time := o.list()
	if len(time) != 2 {
		return 0
	}
	return toInt(time[0])*1_000_000 + toInt(time[1])
}

// appendRecord appends the record of m, which leaves now for nodes.
func (s *Store) appendRecord(ops []*op, m *push.Message, now int64, nodes []string) []*op {
	key := s.keys.message(strconv.FormatInt(m.ID, 10))
	set := append(make([]any, 0, 34), "HSET", key)
	set = append(m.AppendFields(set), push.FieldStored, push.Stored{At: now, Nodes: len(nodes), Names: nodes}.Encode(m.SendDate))
	return append(ops, do(set...), do("PEXPIREAT", key, m.ExpireAt))
}

// appendDeliveries appends the stream entries of m for nodes; none for a lost
// message.
func (s *Store) appendDeliveries(ops []*op, m *push.Message, nodes []string) []*op {
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

// appendOffline appends the offline deliveries of the messages that ask for
// one; they become due when online devices have had their time to ack.
func (s *Store) appendOffline(ops []*op, batch []*push.Message) []*op {
	var jobs []queue.Job
	for _, m := range batch {
		if m.LeaveMessage != nil && *m.LeaveMessage {
			jobs = append(jobs, queue.Job{ID: strconv.FormatInt(m.ID, 10)})
		}
	}
	return append(ops, s.enqueueOps(queue.Offline, jobs, s.opt.OfflineDelay)...)
}

// appendFigures appends the history and the counters, once per namespace.
func (s *Store) appendFigures(ops []*op, batch []*push.Message) []*op {
	now := s.opt.Now()
	byNamespace := map[string][]any{} // namespace → LPUSH with the ids in order
	var order []string
	var keep []int64 // of the history of each
	for _, m := range batch {
		push, ok := byNamespace[m.Namespace]
		if !ok {
			order, keep = append(order, m.Namespace), append(keep, s.historyOf(m))
			push = []any{"LPUSH", s.keys.namespace(m.Namespace).history}
		}
		byNamespace[m.Namespace] = append(push, m.ID)
	}
	for i, ns := range order {
		k := s.keys.namespace(ns)
		push := byNamespace[ns]
		ops = append(ops, do(push...), do("LTRIM", k.history, 0, keep[i]-1))
		for _, b := range k.buckets(now) {
			ops = append(ops, do("INCRBY", b.key, len(push)-2), do("PEXPIREAT", b.key, b.expires))
		}
	}
	return ops
}

// historyOf is how many messages the history of m's namespace keeps.
func (s *Store) historyOf(m *push.Message) int64 {
	if m.HistoryMax > 0 {
		return min(int64(m.HistoryMax), s.opt.HistoryMax)
	}
	return s.opt.HistoryMax
}
