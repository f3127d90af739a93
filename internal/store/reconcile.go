package store

import (
	"context"
	"fmt"
	"time"

	"github.com/lightpush/lightpush/internal/room"
)

// settleTime is how long a wrong entry must stay the same before it is
// corrected: transitions that are on their way arrive long before.
const settleTime = time.Second

// ReconcileRooms corrects the list of rooms of a namespace after a process
// died between a room's transition and the note of it (see roomLists), and
// returns how many entries were wrong. Housekeeping calls it now and then; it
// walks in bounded steps and waits settleTime only when it suspects an entry.
func (s *Store) ReconcileRooms(ctx context.Context, ns string) (fixed int, err error) {
	if err := s.rooms.flush(ctx); err != nil {
		return 0, err
	}
	check := func(rooms []string) error {
		n, err := s.reconcile(ctx, ns, rooms)
		fixed += n
		return err
	}
	// What is listed, but empty.
	err = s.scanHash(ctx, s.keys.namespace(ns).rooms, func(pairs []string) error {
		rooms := make([]string, 0, len(pairs)/2)
		for i := 0; i < len(pairs); i += 2 {
			rooms = append(rooms, pairs[i])
		}
		return check(rooms)
	})
	if err != nil {
		return fixed, fmt.Errorf("reconcile rooms of %s: %w", ns, err)
	}
	// What is not listed although it has a member: each member is online.
	err = s.scanHash(ctx, s.keys.namespace(ns).online, func(pairs []string) error {
		rooms, err := s.roomsOfClients(ctx, ns, pairs)
		if err != nil {
			return err
		}
		return check(rooms)
	})
	if err != nil {
		return fixed, fmt.Errorf("reconcile rooms of %s: %w", ns, err)
	}
	return fixed, nil
}

// roomsOfClients are the rooms, user rooms excluded, that online clients
// (pairs of client id and anything) may be in.
func (s *Store) roomsOfClients(ctx context.Context, ns string, pairs []string) ([]string, error) {
	keys := make([]string, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		keys = append(keys, s.keys.clientRooms(ns, pairs[i]))
	}
	lists, err := s.scanFields(ctx, keys)
	if err != nil {
		return nil, err
	}
	seen := map[string]struct{}{}
	var rooms []string
	for _, list := range lists {
		for _, name := range list {
			if _, ok := seen[name]; !ok && !room.IsUser(name) {
				seen[name] = struct{}{}
				rooms = append(rooms, name)
			}
		}
	}
	return rooms, nil
}

// listing is how a room is listed and how it should be.
type listing struct {
	value string // in the list; "" when absent
	alive bool
}

func (l listing) wrong() bool {
	return l.alive != (l.value == "1") || (l.value != "" && l.value != "1")
}

func (s *Store) reconcile(ctx context.Context, ns string, rooms []string) (fixed int, err error) {
	before, err := s.listings(ctx, ns, rooms)
	if err != nil {
		return 0, err
	}
	var suspects []string
	var seen []listing
	for i, l := range before {
		if l.wrong() {
			suspects = append(suspects, rooms[i])
			seen = append(seen, l)
		}
	}
	if len(suspects) == 0 {
		return 0, nil
	}
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	after, err := s.listings(ctx, ns, suspects)
	if err != nil {
		return 0, err
	}
	var ops []*op
	for i, l := range after {
		if l == seen[i] {
			correct := 0
			if l.alive {
				correct = 1
			}
			ops = append(ops, roomsCorrect.call([]string{s.keys.namespace(ns).rooms}, suspects[i], l.value, correct))
		}
	}
	err = s.runChunks(ctx, ops)
	for _, o := range ops {
		if o.cmd != nil {
			fixed += int(o.integer())
		}
	}
	return fixed, err
}

func (s *Store) listings(ctx context.Context, ns string, rooms []string) ([]listing, error) {
	list := s.keys.namespace(ns).rooms
	ops := make([]*op, 0, 2*len(rooms))
	for _, name := range rooms {
		ops = append(ops, do("HGET", list, name), do("EXISTS", s.keys.room(ns, name).members))
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, err
	}
	found := make([]listing, len(rooms))
	for i := range found {
		found[i] = listing{value: ops[2*i].text(), alive: ops[2*i+1].integer() == 1}
	}
	return found, nil
}

func (s *Store) settle(ctx context.Context) error {
	timer := time.NewTimer(s.settleTime)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
