package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/lightpush/lightpush/internal/push"
)

// Missed implements session.Recovery: the messages a device has not got since
// an offset, in the order of their ids, or push.ErrUnreachable. What was
// committed before the call is among them.
func (s *Store) Missed(ctx context.Context, q push.MissedQuery) ([]push.Delivery, error) {
	id, at, ok := push.ParseOffset(q.Offset)
	if !ok {
		return nil, push.ErrUnreachable
	}
	view, err := s.recent.read(ctx, q.Namespace)
	switch {
	case errors.Is(err, errLogEntry): // of a newer version
		return nil, push.ErrUnreachable
	case err != nil:
		return nil, err
	}
	alive := int64(0)
	if q.Alive > 0 {
		alive = q.Alive - s.opt.RecoveryLag.Milliseconds() - logSlack
	}
	f := filter{client: q.ClientID, rooms: make(map[string]struct{}, len(q.Rooms))}
	for _, r := range q.Rooms {
		f.rooms[r] = struct{}{}
	}
	if id > 0 {
		ok = view.afterMessage(&f, id, alive)
	} else {
		ok = view.afterTime(&f, at, alive)
	}
	if !ok || len(f.ids) > q.MessagesMax {
		return nil, push.ErrUnreachable
	}
	slices.Sort(f.ids)
	return s.deliveries(ctx, q, f.ids)
}

// filter collects the ids of messages for one device.
type filter struct {
	client string
	rooms  map[string]struct{}
	ids    []int64
}

func (f *filter) add(m *logMessage) {
	if _, ok := f.rooms[m.room]; ok && (m.except == "" || m.except != f.client) {
		f.ids = append(f.ids, m.id)
	}
}

func (f *filter) addAll(batches []*logBatch) {
	for _, b := range batches {
		for i := range b.messages {
			f.add(&b.messages[i])
		}
	}
}

// afterMessage collects what comes after a message, and what may have come
// after it (see logBatch). When the message is so old that it is not in the
// log any more, the device has got nothing since, and was up to date when it
// was last alive; what was pushed from then on is what it missed. It reports
// false when that is not in the log either.
func (v *logView) afterMessage(f *filter, id, alive int64) bool {
	i, j, ok := v.find(id)
	if !ok {
		if len(v.batches) > 0 && id > v.batches[0].messages[0].id {
			return false // no message of this namespace
		}
		return v.from(f, alive)
	}
	b := v.batches[i]
	sure := b.prepared/1000 - v.overlap // ms: what was committed before has come before
	if v.since > sure && v.batches[0].at >= sure {
		return v.from(f, alive) // its neighbours are gone
	}
	f.addAll(v.uncertain(i, sure))
	for k := j + 1; k < len(b.messages); k++ {
		f.add(&b.messages[k])
	}
	f.addAll(v.batches[i+1:])
	return true
}

// uncertain are the batches before batch i that a node may have got behind it:
// those of other processes that were committed after its ids were given out,
// and the last one of each process before that, which may not have been
// complete. With the next one a process begins when all of the one before is
// done.
func (v *logView) uncertain(i int, sure int64) (list []*logBatch) {
	b := v.batches[i]
	from := v.firstAt(sure)
	last := map[uint64]int64{} // process → when it prepared its last batch before b's
	for _, other := range v.batches[from:] {
		if other.prepared <= b.prepared {
			last[other.origin] = max(last[other.origin], other.prepared)
		}
	}
	for _, other := range v.batches[min(from, i):i] {
		if other.origin != b.origin && (other.at >= b.prepared/1000 || other.prepared >= last[other.origin]) {
			list = append(list, other)
		}
	}
	return list
}

// firstAt is the index of the first batch that was committed at a time or
// later.
func (v *logView) firstAt(at int64) int {
	i, _ := slices.BinarySearchFunc(v.batches, at, func(b *logBatch, at int64) int {
		if b.at < at {
			return -1
		}
		return 1
	})
	return i
}

// afterTime collects what was committed since a device came, or since it was
// last alive.
func (v *logView) afterTime(f *filter, at, alive int64) bool {
	return at <= v.now+logSlack && v.from(f, max(at, alive))
}

// from collects what was committed since a time; false when the log does not
// reach back to it.
func (v *logView) from(f *filter, at int64) bool {
	if at <= 0 || at < v.since {
		return false
	}
	f.addAll(v.batches[v.firstAt(at):])
	return true
}

// find returns where a message stands, looking at the newest first.
func (v *logView) find(id int64) (batch, message int, ok bool) {
	for i := len(v.batches) - 1; i >= 0; i-- {
		list := v.batches[i].messages
		if id < list[0].id || id > list[len(list)-1].id {
			continue
		}
		for j := range list {
			if list[j].id == id {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// bodies are the payloads of messages that were recovered lately, shared by
// all clients that miss them.
type bodies struct {
	byID  map[int64]*body
	bytes int // at most bodiesMax
}

type body struct {
	delivery push.Delivery
	expireAt int64 // ms
}

const bodiesMax = 32 << 20

// deliveries loads the messages; those that have expired are left out.
func (s *Store) deliveries(ctx context.Context, q push.MissedQuery, ids []int64) ([]push.Delivery, error) {
	found := make([]*body, len(ids))
	s.recent.mu.Lock()
	for i, id := range ids {
		found[i] = s.recent.bodies.byID[id]
	}
	s.recent.mu.Unlock()
	var ops []*op
	for i, id := range ids {
		if found[i] == nil {
			args := []any{"HMGET", s.keys.message(strconv.FormatInt(id, 10))}
			for _, f := range push.StoredFields {
				args = append(args, f)
			}
			ops = append(ops, do(args...))
		}
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read missed messages: %w", err)
	}
	list := make([]push.Delivery, 0, len(ids))
	now, bytes := s.nowMillis(), 0
	for i, id := range ids {
		b := found[i]
		if b == nil {
			b = s.bodyOf(id, ops[0])
			ops = ops[1:]
		}
		if b == nil || b.expireAt <= now || b.delivery.Namespace != q.Namespace {
			continue
		}
		if bytes += len(b.delivery.Payload); bytes > q.BytesMax {
			return nil, push.ErrUnreachable
		}
		list = append(list, b.delivery)
	}
	return list, nil
}

// bodyOf reads a record and remembers its payload; nil when it is gone.
func (s *Store) bodyOf(id int64, o *op) *body {
	reply := o.list()
	fields := make([]*string, len(reply))
	for i, v := range reply {
		if text, ok := v.(string); ok {
			fields[i] = &text
		}
	}
	m, ok := push.FromStored(id, fields)
	if !ok {
		return nil
	}
	b := &body{expireAt: m.ExpireAt, delivery: push.Delivery{
		MessageID: m.ID, Namespace: m.Namespace, Room: m.Room, Except: m.ExceptID(), Payload: m.Event(s.opt.EventFull),
	}}
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	c := &s.recent.bodies
	if c.byID == nil || c.bytes > bodiesMax {
		*c = bodies{byID: map[int64]*body{}}
	}
	if _, known := c.byID[id]; !known {
		c.byID[id] = b
		c.bytes += len(b.delivery.Payload) + len(m.Room) + len(m.Namespace) + 200
	}
	return b
}
