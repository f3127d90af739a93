package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lightpush/lightpush/internal/client"
)

// Client implements session.Clients. The muted rooms stand in the record as
// one text with commas, as light-push had them.
func (s *Store) Client(ctx context.Context, ns, clientID string) (client.Record, error) {
	all, mutes := do("HGETALL", s.keys.client(ns, clientID)), do("SMEMBERS", s.keys.mutes(ns, clientID))
	if err := s.run(ctx, all, mutes); err != nil {
		return nil, fmt.Errorf("read record of %s: %w", clientID, err)
	}
	record := client.Record(pairs(all.list()))
	if record["userid"] == "" {
		return client.Record{}, nil
	}
	for field := range record {
		if strings.HasPrefix(field, "~") { // the store's own
			delete(record, field)
		}
	}
	if rooms := mutes.texts(); len(rooms) > 0 {
		slices.Sort(rooms)
		record["no_send_apns"] = strings.Join(rooms, ",")
	}
	return record, nil
}

// UpdateClient implements session.Clients.
func (s *Store) UpdateClient(ctx context.Context, ns, clientID, owner string, u client.Update) error {
	update := s.updateOp(ns, clientID, owner, u.Fields)
	if err := s.run(ctx, update); err != nil {
		return fmt.Errorf("update record of %s: %w", clientID, err)
	}
	switch {
	case update.integer() == 0:
		return client.ErrUnknown
	case update.integer() < 0:
		return client.ErrForbidden
	case u.Position == nil:
		return nil
	}
	n := s.keys.namespace(ns)
	locate := nsLocate.call([]string{n.online, n.geo}, clientID, u.Position.Longitude, clampLatitude(u.Position.Latitude))
	if err := s.run(ctx, locate); err != nil {
		return fmt.Errorf("update position of %s: %w", clientID, err)
	}
	return nil
}

func (s *Store) updateOp(ns, clientID, owner string, fields map[string]string) *op {
	args := make([]any, 0, 2+2*len(fields))
	args = append(args, s.nowMillis(), owner)
	for field, value := range fields {
		args = append(args, field, value)
	}
	return clientUpdate.call([]string{s.keys.client(ns, clientID)}, args...)
}

// Mutes implements session.Clients.
func (s *Store) Mutes(ctx context.Context, ns, clientID string) ([]string, error) {
	get := do("SMEMBERS", s.keys.mutes(ns, clientID))
	if err := s.run(ctx, get); err != nil {
		return nil, fmt.Errorf("read muted rooms of %s: %w", clientID, err)
	}
	rooms := get.texts()
	slices.Sort(rooms)
	return rooms, nil
}

// ChangeMutes implements session.Clients.
func (s *Store) ChangeMutes(ctx context.Context, ns, clientID string, add, remove []string) error {
	change := s.muteOp(ns, clientID, add, remove)
	if err := s.run(ctx, change); err != nil {
		return fmt.Errorf("change muted rooms of %s: %w", clientID, err)
	}
	switch {
	case change.integer() == 0:
		return client.ErrUnknown
	case change.integer() < 0:
		return client.ErrMutesFull
	}
	return nil
}

func (s *Store) muteOp(ns, clientID string, add, remove []string) *op {
	args := make([]any, 0, 2+len(add)+len(remove))
	args = append(args, client.MutesMax, len(add))
	for _, room := range add {
		args = append(args, room)
	}
	for _, room := range remove {
		args = append(args, room)
	}
	return clientMute.call([]string{s.keys.client(ns, clientID), s.keys.mutes(ns, clientID)}, args...)
}

// MuteRoom changes what the devices have muted that belong to a room, online
// or not, in bounded steps. It can be repeated. A device that would mute too
// many rooms is left as it is.
func (s *Store) MuteRoom(ctx context.Context, ns, room string, add, remove []string) error {
	err := s.eachOf(ctx, ns, room, func(clientID string) *op { return s.muteOp(ns, clientID, add, remove) })
	if err != nil {
		return fmt.Errorf("mute rooms for %s of %s: %w", room, ns, err)
	}
	return nil
}

// SetRoomLeaveMessage sets the switch of offline delivery of the devices that
// belong to a room, in bounded steps. It can be repeated.
func (s *Store) SetRoomLeaveMessage(ctx context.Context, ns, room, value string) error {
	fields := map[string]string{"leaveMessage": value}
	err := s.eachOf(ctx, ns, room, func(clientID string) *op { return s.updateOp(ns, clientID, "", fields) })
	if err != nil {
		return fmt.Errorf("set leaveMessage for %s of %s: %w", room, ns, err)
	}
	return nil
}

// eachOf runs one command for every device that belongs to a room.
func (s *Store) eachOf(ctx context.Context, ns, room string, command func(clientID string) *op) error {
	key := s.keys.room(ns, room)
	for _, platform := range client.Platforms {
		err := s.scanSet(ctx, key.total(platform), func(ids []string) error {
			ops := make([]*op, len(ids))
			for i, id := range ids {
				ops[i] = command(id)
			}
			return s.runChunks(ctx, ops)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scanSet calls visit with the members of a set of any size, page by page; a
// member may come twice.
func (s *Store) scanSet(ctx context.Context, key string, visit func(members []string) error) error {
	cursor := uint64(0)
	for {
		scan := do("SSCAN", key, cursor, "COUNT", scanCount)
		if err := s.run(ctx, scan); err != nil {
			return fmt.Errorf("list %s: %w", key, err)
		}
		page, next := scan.page()
		for len(page) > 0 { // a small encoding comes whole, whatever COUNT says
			n := min(len(page), scanCount)
			if err := visit(page[:n]); err != nil {
				return err
			}
			page = page[n:]
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
