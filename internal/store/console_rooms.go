package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/room"
)

// containing is a pattern of the SCAN commands for what contains a text, ASCII
// letters in either case; "" for everything.
func containing(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	b.WriteByte('*')
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z':
			b.Write([]byte{'[', c, c - 'a' + 'A', ']'})
		case 'A' <= c && c <= 'Z':
			b.Write([]byte{'[', c - 'A' + 'a', c, ']'})
		case strings.IndexByte(`*?[]\^-`, c) >= 0:
			b.Write([]byte{'\\', c})
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('*')
	return b.String()
}

// scanOp is one step of a walk over entries that contain q.
func scanOp(command, key, q string, cursor uint64, count int) *op {
	scan := do(command, key, cursor, "COUNT", max(count, 1))
	if pattern := containing(q); pattern != "" {
		scan.args = append(scan.args, "MATCH", pattern)
	}
	return scan
}

// RoomsStep implements console.BrowseStore.
func (s *Store) RoomsStep(ctx context.Context, ns, q string, cursor uint64, count int) (names []string, next uint64, err error) {
	if err := s.rooms.flush(ctx); err != nil {
		return nil, 0, err
	}
	scan := scanOp("HSCAN", s.keys.namespace(ns).rooms, q, cursor, count)
	if err := s.run(ctx, scan); err != nil {
		return nil, 0, fmt.Errorf("list rooms of %s: %w", ns, err)
	}
	page, next := scan.page()
	return evens(page), next, nil
}

func evens(list []string) []string {
	half := make([]string, 0, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		half = append(half, list[i])
	}
	return half
}

// UsersStep implements console.BrowseStore.
func (s *Store) UsersStep(ctx context.Context, ns, q string, cursor uint64, count int) (users []console.User, next uint64, err error) {
	scan := scanOp("HSCAN", s.keys.namespace(ns).users, q, cursor, count)
	if err := s.run(ctx, scan); err != nil {
		return nil, 0, fmt.Errorf("list users of %s: %w", ns, err)
	}
	page, next := scan.page()
	for i := 0; i+1 < len(page); i += 2 {
		users = append(users, console.User{ID: page[i], Devices: toInt(page[i+1])})
	}
	return users, next, nil
}

// MembersStep implements console.BrowseStore.
func (s *Store) MembersStep(ctx context.Context, ns, name string, cursor uint64, count int) (members []console.Member, next uint64, err error) {
	scan := scanOp("HSCAN", s.keys.room(ns, name).members, "", cursor, count)
	if err := s.run(ctx, scan); err != nil {
		return nil, 0, fmt.Errorf("list members of %s %s: %w", ns, name, err)
	}
	page, next := scan.page()
	for i := 0; i+1 < len(page); i += 2 {
		members = append(members, memberOf(page[i], page[i+1]))
	}
	return members, next, nil
}

// memberOf reads an entry of a room: generation|platform|node|user. A
// generation is the time of its connect, ms, or a little more.
func memberOf(id, text string) console.Member {
	parts := strings.SplitN(text, "|", 4)
	if len(parts) != 4 {
		return console.Member{ID: id, Platform: client.PlatformIn(id)}
	}
	return console.Member{ID: id, UserID: parts[3], Platform: parts[1], Node: parts[2], Online: true, Since: toInt(parts[0])}
}

// MembersOf implements console.BrowseStore: who of the devices is online in a
// room, in their order; for the others only the id is set.
func (s *Store) MembersOf(ctx context.Context, ns, name string, ids []string) ([]console.Member, error) {
	members := make([]console.Member, 0, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), ackChunk)
		get := do("HMGET", s.keys.room(ns, name).members)
		for _, id := range ids[:n] {
			get.args = append(get.args, id)
		}
		if err := s.run(ctx, get); err != nil {
			return nil, fmt.Errorf("read members of %s %s: %w", ns, name, err)
		}
		found := get.list()
		for i, id := range ids[:n] {
			m := console.Member{ID: id}
			if i < len(found) && found[i] != nil {
				m = memberOf(id, toText(found[i]))
			}
			members = append(members, m)
		}
		ids = ids[n:]
	}
	return members, nil
}

// Audiences counts the devices of a room by platform, online or not.
func (s *Store) Audiences(ctx context.Context, ns, name string) (room.PerPlatform, error) {
	k := s.keys.room(ns, name)
	ops := []*op{do("SCARD", k.total(client.Web)), do("SCARD", k.total(client.IOS)), do("SCARD", k.total(client.Android))}
	if err := s.run(ctx, ops...); err != nil {
		return room.PerPlatform{}, fmt.Errorf("count audience of %s %s: %w", ns, name, err)
	}
	return room.PerPlatform{Web: ops[0].integer(), IOS: ops[1].integer(), Android: ops[2].integer()}, nil
}
