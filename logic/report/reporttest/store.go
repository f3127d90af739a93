// Package reporttest has a report.Store in memory, for tests of what reads
// reports. It is imported by tests only.
package reporttest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/logic/report"
)

var _ report.Store = (*Store)(nil)

// Store is filled by its fields before it is used, and by Update after.
type Store struct {
	mu sync.Mutex

	History  map[string][]int64          // namespace → ids, newest first
	Messages map[int64]map[string]string // the ones that still exist
	Acks     map[int64]map[string][]string
	Counts   map[string][3]int64 // minute, hour, day
	Spaces   map[string]*Space
	Receipts
	// Fail is the error of every call; calls wait for their context's end
	// while Hang is true.
	Fail error
	Hang bool
	// Calls counts the calls by name.
	Calls map[string]int
}

// Space is the presence in one namespace.
type Space struct {
	Online  room.Online
	Rooms   []string
	Clients []string
	Users   []string
	Room    map[string]Room
}

// Room is the presence in one room.
type Room struct {
	Count   room.Count
	Clients []string
	Users   []string
}

// New returns an empty Store.
func New() *Store {
	return &Store{
		History: map[string][]int64{}, Messages: map[int64]map[string]string{}, Acks: map[int64]map[string][]string{},
		Counts: map[string][3]int64{}, Spaces: map[string]*Space{}, Calls: map[string]int{},
	}
}

// Update changes the store while it is in use.
func (s *Store) Update(change func(*Store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// begin counts a call and fails or hangs as told; on nil the lock is held.
func (s *Store) begin(ctx context.Context, call string) error {
	s.mu.Lock()
	s.Calls[call]++
	if s.Hang {
		s.mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	}
	if err := s.Fail; err != nil {
		s.mu.Unlock()
		return err
	}
	if err := ctx.Err(); err != nil {
		s.mu.Unlock()
		return err
	}
	return nil
}

func read[T any](ctx context.Context, s *Store, call string, value func() T) (T, error) {
	if err := s.begin(ctx, call); err != nil {
		var zero T
		return zero, err
	}
	defer s.mu.Unlock()
	return value(), nil
}

func (s *Store) space(ns string) *Space {
	if space, ok := s.Spaces[ns]; ok {
		return space
	}
	return &Space{}
}

// MessageIDs implements report.Store.
func (s *Store) MessageIDs(ctx context.Context, ns string) ([]int64, error) {
	return read(ctx, s, "MessageIDs", func() []int64 { return slices.Clone(s.History[ns]) })
}

// Alive implements report.Store.
func (s *Store) Alive(ctx context.Context, ids []int64) ([]bool, error) {
	return read(ctx, s, "Alive", func() []bool {
		alive := make([]bool, len(ids))
		for i, id := range ids {
			_, alive[i] = s.Messages[id]
		}
		return alive
	})
}

// Records implements report.Store.
func (s *Store) Records(ctx context.Context, ids []int64) ([]map[string]string, error) {
	return read(ctx, s, "Records", func() []map[string]string {
		records := make([]map[string]string, len(ids))
		for i, id := range ids {
			records[i] = s.Messages[id]
		}
		return records
	})
}

// Acked implements report.Store.
func (s *Store) Acked(ctx context.Context, id int64, platform string, limit int) (clients []string, full bool, err error) {
	clients, err = read(ctx, s, "Acked", func() []string { return slices.Clone(s.Acks[id][platform]) })
	if len(clients) >= limit {
		return nil, true, err
	}
	return clients, false, err
}

// Counters implements report.Store.
func (s *Store) Counters(ctx context.Context, ns string, _ time.Time) (minute, hour, day int64, err error) {
	counts, err := read(ctx, s, "Counters", func() [3]int64 { return s.Counts[ns] })
	return counts[0], counts[1], counts[2], err
}

// Online implements report.Store.
func (s *Store) Online(ctx context.Context, ns string) (room.Online, error) {
	return read(ctx, s, "Online", func() room.Online { return s.space(ns).Online })
}

// OnlineRooms implements report.Store.
func (s *Store) OnlineRooms(ctx context.Context, ns string) ([]string, error) {
	return read(ctx, s, "OnlineRooms", func() []string { return slices.Clone(s.space(ns).Rooms) })
}

// OnlineClients implements report.Store.
func (s *Store) OnlineClients(ctx context.Context, ns string) ([]string, error) {
	return read(ctx, s, "OnlineClients", func() []string { return slices.Clone(s.space(ns).Clients) })
}

// OnlineUsers implements report.Store.
func (s *Store) OnlineUsers(ctx context.Context, ns string) ([]string, error) {
	return read(ctx, s, "OnlineUsers", func() []string { return slices.Clone(s.space(ns).Users) })
}

// RoomCounts implements report.Store.
func (s *Store) RoomCounts(ctx context.Context, ns string, rooms []string) ([]room.Count, error) {
	return read(ctx, s, "RoomCounts", func() []room.Count {
		counts := make([]room.Count, len(rooms))
		for i, name := range rooms {
			counts[i] = s.space(ns).Room[name].Count
		}
		return counts
	})
}

// RoomClients implements report.Store.
func (s *Store) RoomClients(ctx context.Context, ns, name string) ([]string, error) {
	return read(ctx, s, "RoomClients", func() []string { return slices.Clone(s.space(ns).Room[name].Clients) })
}

// RoomUsers implements report.Store.
func (s *Store) RoomUsers(ctx context.Context, ns, name string) ([]string, error) {
	return read(ctx, s, "RoomUsers", func() []string { return slices.Clone(s.space(ns).Room[name].Users) })
}
