package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/inbox"
	"github.com/lightpush/lightpush/internal/push"
)

// OnlineStep implements console.BrowseStore.
func (s *Store) OnlineStep(ctx context.Context, ns, q string, cursor uint64, count int) (ids []string, next uint64, err error) {
	scan := scanOp("HSCAN", s.keys.namespace(ns).online, q, cursor, count)
	if err := s.run(ctx, scan); err != nil {
		return nil, 0, fmt.Errorf("list devices online of %s: %w", ns, err)
	}
	page, next := scan.page()
	return evens(page), next, nil
}

// SeenStep implements console.BrowseStore.
func (s *Store) SeenStep(ctx context.Context, ns, q string, cursor uint64, count int) (ids []string, next uint64, err error) {
	scan := scanOp("ZSCAN", s.keys.namespace(ns).seen, q, cursor, count)
	if err := s.run(ctx, scan); err != nil {
		return nil, 0, fmt.Errorf("list devices of %s: %w", ns, err)
	}
	page, next := scan.page()
	return evens(page), next, nil
}

// SeenBefore implements console.BrowseStore.
func (s *Store) SeenBefore(ctx context.Context, ns string, until int64, skip, count int) (ids []string, times []int64, err error) {
	top := any("+inf")
	if until > 0 {
		top = until
	}
	list := do("ZREVRANGEBYSCORE", s.keys.namespace(ns).seen, top, "-inf", "WITHSCORES", "LIMIT", skip, count)
	if err := s.run(ctx, list); err != nil {
		return nil, nil, fmt.Errorf("list devices of %s: %w", ns, err)
	}
	page := list.texts()
	for i := 0; i+1 < len(page); i += 2 {
		at, _ := strconv.ParseFloat(page[i+1], 64)
		ids, times = append(ids, page[i]), append(times, int64(at))
	}
	return ids, times, nil
}

// Devices implements console.BrowseStore.
func (s *Store) Devices(ctx context.Context, ns string, ids []string) ([]console.Device, error) {
	ops := make([]*op, len(ids))
	for i, id := range ids {
		ops[i] = do("HMGET", s.keys.client(ns, id), "userid", "~on", "~node", "last_connect_time", "last_disconnect_time")
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read %d devices of %s: %w", len(ids), ns, err)
	}
	list := make([]console.Device, len(ids))
	for i, id := range ids {
		list[i] = console.Device{ID: id, Platform: client.PlatformIn(id)}
		if v := ops[i].list(); len(v) == 5 {
			d := &list[i]
			d.UserID, d.Since, d.Node = toText(v[0]), toInt(v[1]), toText(v[2])
			d.Online, d.LastConnect, d.LastDisconnect = d.Node != "", toInt(v[3]), toInt(v[4])
		}
	}
	return list, nil
}

// DeviceRooms implements console.BrowseStore: rooms the device has joined and
// not left, at most limit of them, sorted.
func (s *Store) DeviceRooms(ctx context.Context, ns, id string, limit int) ([]string, error) {
	var rooms []string
	for cursor := uint64(0); ; {
		scan := do("HSCAN", s.keys.clientRooms(ns, id), cursor, "COUNT", scanCount)
		if err := s.run(ctx, scan); err != nil {
			return nil, fmt.Errorf("list rooms of %s: %w", id, err)
		}
		page, next := scan.page()
		rooms = append(rooms, evens(page)...)
		if cursor = next; cursor == 0 || len(rooms) >= 2*limit {
			break
		}
	}
	slices.Sort(rooms)
	rooms = slices.Compact(rooms)
	return rooms[:min(len(rooms), limit)], nil
}

// DeviceInbox implements console.BrowseStore.
func (s *Store) DeviceInbox(ctx context.Context, ns, id string, limit int) ([]console.Waiting, error) {
	list := do("ZREVRANGE", s.keys.inbox(ns, id), 0, limit-1)
	if err := s.run(ctx, list); err != nil {
		return nil, fmt.Errorf("read inbox of %s: %w", id, err)
	}
	entries := list.texts()
	ops := make([]*op, len(entries))
	for i, e := range entries {
		message, _ := inbox.ParseKey(e)
		ops[i] = do("HMGET", s.keys.message(strconv.FormatInt(message, 10)), "namespace", "room", "sendDate", push.FieldExpireAt)
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read inbox of %s: %w", id, err)
	}
	waiting := []console.Waiting{}
	now := s.nowMillis()
	for i, o := range ops {
		v := o.list()
		if len(v) != 4 || toText(v[0]) != ns || toInt(v[3]) <= now {
			continue
		}
		message, _ := inbox.ParseKey(entries[i])
		waiting = append(waiting, console.Waiting{
			ID: strconv.FormatInt(message, 10), Room: toText(v[1]), SendDate: toInt(v[2]), ExpireAt: toInt(v[3]),
		})
	}
	return waiting, nil
}

// recentFields are the fields of a message that tell what became of it for a
// device.
var recentFields = [...]string{
	"namespace", "room", "except", "sendDate", "leaveMessage", push.FieldDone, "result", push.FieldExpireAt, push.FieldAcks,
}

// DeviceMarks reads, for some messages, their records as far as it matters and
// what became of them for one device. The record is nil for one that is gone
// or of another namespace.
func (s *Store) DeviceMarks(ctx context.Context, ns, id string, messages []int64) (records []map[string]string, marks []push.Mark, err error) {
	const each = 4
	ops := make([]*op, 0, each*len(messages))
	platform := client.PlatformIn(id)
	for _, m := range messages {
		text := strconv.FormatInt(m, 10)
		get := do("HMGET", s.keys.message(text))
		for _, f := range recentFields {
			get.args = append(get.args, f)
		}
		ops = append(ops, get, do("SISMEMBER", s.keys.acks(text, platform), id), do("HGET", s.keys.fates(text), id))
		times, _ := s.timesOp(m, []string{id})
		ops = append(ops, times)
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, nil, fmt.Errorf("read messages of %s: %w", id, err)
	}
	name := mark(id)
	for i := range messages {
		o := ops[i*each : (i+1)*each]
		var record map[string]string
		if v := o[0].list(); len(v) == len(recentFields) && toText(v[0]) == ns {
			record = map[string]string{}
			for j, f := range recentFields {
				if v[j] != nil {
					record[f] = toText(v[j])
				}
			}
		}
		kept := push.Mark{Acked: o[1].integer() == 1, Fate: push.DecodeFate(o[2].text())}
		if times := o[3].list(); len(times) == 2 {
			kept.Times = deviceTimes(push.TimesOf(record), name, times[0], times[1])
		}
		records, marks = append(records, record), append(marks, kept)
	}
	return records, marks, nil
}

// KickDevice ends the connection of a device, wherever it is. A device that is
// offline is no error; client.ErrUnknown for one that never was.
func (s *Store) KickDevice(ctx context.Context, ns, id string) error {
	get := do("HMGET", s.keys.client(ns, id), "userid", "~on", "~node")
	if err := s.run(ctx, get); err != nil {
		return fmt.Errorf("kick %s: %w", id, err)
	}
	v := get.list()
	switch {
	case len(v) != 3 || toText(v[0]) == "":
		return client.ErrUnknown
	case toText(v[2]) == "":
		return nil
	}
	// The connection that is online, and none that comes after it.
	return s.sender.Kick(ctx, toText(v[2]), client.Kick{Namespace: ns, ClientID: id, Gen: toInt(v[1]) + 1})
}
