package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/inbox"
	"github.com/lightpush/lightpush/internal/push"
)

// ackChunk is how many client ids one command carries at most; Lua's stack
// allows several thousand.
const ackChunk = 1_000

// Targets implements push.ReceiptStore.
func (s *Store) Targets(ctx context.Context, ids []int64) ([]push.Target, error) {
	ops := make([]*op, len(ids))
	for i, id := range ids {
		ops[i] = do("HMGET", s.keys.message(strconv.FormatInt(id, 10)), "namespace", "room", "except", push.FieldExpireAt, "leaveMessage", "sendDate")
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read targets of messages: %w", err)
	}
	targets := make([]push.Target, len(ids))
	for i, o := range ops {
		v := o.list()
		if len(v) != 6 {
			return nil, fmt.Errorf("read targets of messages: unexpected reply %v", v)
		}
		targets[i] = push.Target{
			Namespace: toText(v[0]), Room: toText(v[1]), Except: toText(v[2]), ExpireAt: toInt(v[3]), Leave: toText(v[4]) == "true",
			SendDate: toInt(v[5]),
		}
	}
	return targets, nil
}

// Members implements push.ReceiptStore: a device belongs to a room from its
// join until it leaves on purpose.
func (s *Store) Members(ctx context.Context, acks []push.Ack, rooms []string) ([]bool, error) {
	type audience struct {
		place
		platform string
	}
	type question struct {
		op *op
		at []int // index in acks of each client id asked for
	}
	open := map[audience]*question{}
	var all []*question
	for i, a := range acks {
		key := audience{place{a.Namespace, rooms[i]}, platformOf(a.Platform)}
		q := open[key]
		if q == nil || len(q.at) == ackChunk {
			q = &question{op: do("SMISMEMBER", s.keys.room(a.Namespace, rooms[i]).total(key.platform))}
			open[key] = q
			all = append(all, q)
		}
		q.op.args = append(q.op.args, a.ClientID)
		q.at = append(q.at, i)
	}
	ops := make([]*op, len(all))
	for i, q := range all {
		ops[i] = q.op
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("check membership of acks: %w", err)
	}
	members := make([]bool, len(acks))
	for _, q := range all {
		reply := q.op.list()
		for j, i := range q.at {
			members[i] = j < len(reply) && toInt(reply[j]) == 1
		}
	}
	return members, nil
}

// Record implements push.ReceiptStore: one script per message.
func (s *Store) Record(ctx context.Context, batches []push.ReceiptBatch) error {
	ops, of := make([]*op, 0, len(batches)), make([]int, 0, len(batches))
	for i := range batches {
		b := &batches[i]
		delivered, acks := b.Delivered, b.Acks
		for { // at least once, for the deliveries
			n := min(len(acks), ackChunk)
			ops, of = append(ops, s.recordOp(b, delivered, acks[:n])), append(of, i)
			delivered, acks = 0, acks[n:]
			if len(acks) == 0 {
				break
			}
		}
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return fmt.Errorf("record receipts: %w", err)
	}
	for i, o := range ops { // an ack counts where it is new
		s.tallies.add(batches[of[i]].Namespace, 0, max(o.integer(), 0))
	}
	for _, b := range batches {
		s.tallies.add(b.Namespace, b.Delivered, 0)
	}
	return nil
}

// Offered implements push.ReceiptStore.
func (s *Store) Offered(ctx context.Context, acks []push.Ack) ([]bool, error) {
	ops := make([]*op, len(acks))
	for i, a := range acks {
		ops[i] = do("HEXISTS", s.keys.fates(strconv.FormatInt(a.MessageID, 10)), a.ClientID)
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("check offers of acks: %w", err)
	}
	offered := make([]bool, len(acks))
	for i, o := range ops {
		offered[i] = o.integer() == 1
	}
	return offered, nil
}

// Collect implements push.ReceiptStore. What was in an inbox becomes
// delivered; when that cannot be written any more, the ack beside the fate
// says the same.
func (s *Store) Collect(ctx context.Context, acks []push.Ack, expire []int64) error {
	type device struct{ namespace, clientID string }
	boxes := map[device]*op{} // a device that returns acks much at once
	var ops []*op
	for i, a := range acks {
		d := device{a.Namespace, a.ClientID}
		o := boxes[d]
		if o == nil || len(o.args) > ackChunk {
			o = do("ZREM", s.keys.inbox(a.Namespace, a.ClientID))
			boxes[d] = o
			ops = append(ops, o)
		}
		o.args = append(o.args, inbox.Key(a.MessageID, expire[i]))
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return fmt.Errorf("empty inboxes: %w", err)
	}
	var order []int64
	byMessage := map[int64][]push.Settled{}
	fate := push.Fate{State: push.StateDelivered, At: s.nowMillis()}
	for _, a := range acks {
		if boxes[device{a.Namespace, a.ClientID}].integer() == 0 {
			continue // most acks are of messages that never waited
		}
		id := a.MessageID
		if byMessage[id] == nil {
			order = append(order, id)
		}
		byMessage[id] = append(byMessage[id], push.Settled{ClientID: a.ClientID, Fate: fate})
	}
	ops = ops[:0]
	for _, id := range order {
		ops = append(ops, s.settleOps(id, push.Run{}, byMessage[id])...)
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return fmt.Errorf("note deliveries out of inboxes: %w", err)
	}
	return nil
}

// recordOp is the script call for a part of a batch: its deliveries, or none,
// and some of its acks.
func (s *Store) recordOp(b *push.ReceiptBatch, delivered int64, acks []push.Ack) *op {
	var byPlatform [len(client.Platforms)][]push.Ack
	seen := make(map[string]struct{}, len(acks))
	for _, a := range acks {
		if _, again := seen[a.ClientID]; again {
			continue // the first ack counts
		}
		seen[a.ClientID] = struct{}{}
		i := platformIndex(a.Platform)
		byPlatform[i] = append(byPlatform[i], a)
	}
	now, first, last := s.nowMillis(), int64(0), int64(0)
	behind := func(a push.Ack) int64 {
		if a.At == 0 {
			a.At = now
		}
		return a.At - b.Sent
	}
	for i, a := range acks {
		at := behind(a)
		if i == 0 {
			first, last = at, at
		}
		first, last = min(first, at), max(last, at)
	}
	args := make([]any, 0, 9+3*len(acks))
	args = append(args, delivered, b.Node, b.First, b.Last)
	for _, list := range byPlatform {
		args = append(args, len(list))
	}
	args = append(args, first, last)
	for _, list := range byPlatform {
		for _, a := range list {
			args = append(args, a.ClientID)
		}
	}
	for _, list := range byPlatform {
		for _, a := range list {
			args = append(args, timeAck+mark(a.ClientID), behind(a))
		}
	}
	text := strconv.FormatInt(b.MessageID, 10)
	keys := make([]string, 0, 2+len(client.Platforms))
	keys = append(keys, s.keys.message(text))
	for _, p := range client.Platforms {
		keys = append(keys, s.keys.acks(text, p))
	}
	return messageRecord.call(append(keys, s.keys.times(text)), args...)
}

func platformIndex(platform string) int {
	for i, p := range client.Platforms {
		if p == platform {
			return i
		}
	}
	return 0 // web, as platformOf
}
