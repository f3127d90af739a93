package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/inbox"
	"github.com/lightpush/lightpush/internal/push"
)

// Place puts a message into the inboxes of devices, at most limit entries in
// each, and tells where each device is online. That is read in the same step:
// a device that connects at this moment either finds the entry or is seen.
func (s *Store) Place(ctx context.Context, m *push.Message, clients []string, limit int) ([]push.Placed, error) {
	placed := make([]push.Placed, 0, len(clients))
	for len(clients) > 0 {
		n := min(len(clients), perDevice)
		ops := make([]*op, n)
		for i, c := range clients[:n] {
			ops[i] = inboxAdd.call([]string{s.keys.client(m.Namespace, c), s.keys.inbox(m.Namespace, c)}, m.ID, m.ExpireAt, limit)
		}
		if err := s.run(ctx, ops...); err != nil {
			return nil, fmt.Errorf("put message %d into %d inboxes: %w", m.ID, n, err)
		}
		for i := range n {
			v := ops[i].list()
			if len(v) != 3 {
				return nil, fmt.Errorf("put message %d into the inbox of %s: unexpected reply %v", m.ID, clients[i], v)
			}
			dropped := toInt(v[0])
			placed = append(placed, push.Placed{
				Known: dropped != -1, OptOut: dropped == -2, Dropped: max(dropped, 0), Node: toText(v[1]), Gen: toInt(v[2]),
			})
		}
		clients = clients[n:]
	}
	return placed, nil
}

// Unplace takes a message out of the inboxes of devices.
func (s *Store) Unplace(ctx context.Context, m *push.Message, clients []string) error {
	ops := make([]*op, len(clients))
	for i, c := range clients {
		ops[i] = do("ZREM", s.keys.inbox(m.Namespace, c), inbox.Key(m.ID, m.ExpireAt))
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return fmt.Errorf("take message %d out of %d inboxes: %w", m.ID, len(clients), err)
	}
	return nil
}

// Inbox implements session.Inbox. Entries whose messages have expired are left
// out and removed on the way.
func (s *Store) Inbox(ctx context.Context, q inbox.Query) (inbox.Page, error) {
	page, err := s.inboxPage(ctx, q)
	if err != nil {
		return inbox.Page{}, fmt.Errorf("read inbox of %s: %w", q.ClientID, err)
	}
	return page, nil
}

func (s *Store) inboxPage(ctx context.Context, q inbox.Query) (page inbox.Page, err error) {
	key := s.keys.inbox(q.Namespace, q.ClientID)
	list := do("ZRANGEBYSCORE", key, "("+strconv.FormatInt(q.After, 10), "+inf", "LIMIT", 0, q.Count+1)
	dropped := do("HGET", s.keys.client(q.Namespace, q.ClientID), "~dropped")
	if err = s.runShared(ctx, list, dropped); err != nil {
		return page, err
	}
	entries := list.texts()
	page.Dropped, page.Last, page.More = dropped.integer(), q.After, len(entries) > q.Count
	entries = entries[:min(len(entries), q.Count)]
	if len(entries) == 0 {
		return page, nil
	}
	all := make([]int64, len(entries))
	for i, e := range entries {
		all[i], _ = inbox.ParseKey(e)
	}
	fits, err := s.inboxFits(ctx, all, q.Bytes)
	if err != nil {
		return page, err
	}
	letters, err := s.lettersOf(ctx, all[:fits])
	if err != nil {
		return page, err
	}
	page.Last, page.More = all[fits-1], page.More || fits < len(entries)
	gone := []any{"ZREM", key}
	now := s.nowMillis()
	for i, l := range letters {
		if _, end := inbox.ParseKey(entries[i]); !l.ok || l.namespace != q.Namespace || end <= now {
			gone = append(gone, entries[i])
			continue
		}
		page.Entries = append(page.Entries, l.entry)
	}
	if len(gone) > 2 {
		err = s.runShared(ctx, do(gone...))
	}
	return page, err
}

// inboxFits is how many messages, one at least, fit into a number of bytes.
func (s *Store) inboxFits(ctx context.Context, ids []int64, bytes int) (int, error) {
	const frame = 400 // the other fields, about
	known := s.letters.find(ids)
	sizes := make([]int, len(ids))
	var ops []*op
	var at []int
	for i, l := range known {
		if l == nil {
			ops = append(ops, do("HSTRLEN", s.keys.message(strconv.FormatInt(ids[i], 10)), "pushData"))
			at = append(at, i)
		}
	}
	if err := s.run(ctx, ops...); err != nil {
		return 0, err
	}
	for j, i := range at {
		sizes[i] = int(ops[j].integer()) + frame
	}
	sum := 0
	for i, l := range known {
		if l != nil {
			if err := l.wait(ctx); err != nil {
				return 0, err
			}
			sizes[i] = len(l.entry.Record)
		}
		if sum += sizes[i]; sum > bytes && i > 0 {
			return i, nil
		}
	}
	return len(ids), nil
}

// Told implements session.Inbox.
func (s *Store) Told(ctx context.Context, ns, clientID string, dropped int64) error {
	if err := s.runShared(ctx, inboxTold.call([]string{s.keys.client(ns, clientID)}, dropped)); err != nil {
		return fmt.Errorf("note what %s was told: %w", clientID, err)
	}
	return nil
}

// waitingOps ask whether a device has entries, or something to be told.
func (s *Store) waitingOps(m client.Member) []*op {
	return []*op{
		do("EXISTS", s.keys.inbox(m.Namespace, m.ClientID)),
		do("HEXISTS", s.keys.client(m.Namespace, m.ClientID), "~dropped"),
	}
}

// EnterInbox implements session.Inbox: the question is asked in the step that
// makes the device online, see Place.
func (s *Store) EnterInbox(ctx context.Context, m client.Member, rooms []string) (waiting bool, err error) {
	return s.enter(ctx, m, rooms, true)
}
