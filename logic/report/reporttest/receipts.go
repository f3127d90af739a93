package reporttest

import (
	"context"
	"maps"
	"slices"

	"github.com/lightpush/lightpush/internal/push"
)

// Receipts is what a Store knows of the devices of messages.
type Receipts struct {
	Audiences map[string]map[string][]string // room → platform → client ids
	Fates     map[int64]map[string]push.Fate // message → client id → fate
	Devices   map[string]push.Recipient      // by client id; those that are not here are offline
	// AtOnce gives every set in one step, whatever was asked for.
	AtOnce bool
}

type step struct {
	clients []string
	next    uint64
}

func (s *Store) walk(ctx context.Context, call string, set func() []string, cursor uint64, count int) ([]string, uint64, error) {
	p, err := read(ctx, s, call, func() step {
		all := set()
		if s.AtOnce {
			return step{slices.Clone(all), 0}
		}
		from := int(min(cursor, uint64(len(all))))
		end := min(from+count, len(all))
		if end == len(all) {
			return step{slices.Clone(all[from:]), 0}
		}
		return step{slices.Clone(all[from:end]), uint64(end)}
	})
	return p.clients, p.next, err
}

// Audience implements report.ReceiptStore.
func (s *Store) Audience(ctx context.Context, _, room, platform string, cursor uint64, count int) ([]string, uint64, error) {
	return s.walk(ctx, "Audience", func() []string { return s.Audiences[room][platform] }, cursor, count)
}

// InAudience implements report.ReceiptStore.
func (s *Store) InAudience(ctx context.Context, _, room, platform string, clients []string) ([]bool, error) {
	return read(ctx, s, "InAudience", func() []bool {
		in := make([]bool, len(clients))
		for i, c := range clients {
			in[i] = slices.Contains(s.Audiences[room][platform], c)
		}
		return in
	})
}

// AckedPage implements report.ReceiptStore.
func (s *Store) AckedPage(ctx context.Context, id int64, platform string, cursor uint64, count int) ([]string, uint64, error) {
	return s.walk(ctx, "AckedPage", func() []string { return s.Acks[id][platform] }, cursor, count)
}

// SettledPage implements report.ReceiptStore.
func (s *Store) SettledPage(ctx context.Context, id int64, cursor uint64, count int) ([]string, uint64, error) {
	return s.walk(ctx, "SettledPage", func() []string { return slices.Sorted(maps.Keys(s.Fates[id])) }, cursor, count)
}

type marks struct {
	acked []bool
	fates []push.Fate
}

// Marks implements report.ReceiptStore.
func (s *Store) Marks(ctx context.Context, id int64, platform string, clients []string) ([]bool, []push.Fate, error) {
	m, err := read(ctx, s, "Marks", func() marks {
		m := marks{make([]bool, len(clients)), make([]push.Fate, len(clients))}
		for i, c := range clients {
			m.acked[i], m.fates[i] = slices.Contains(s.Acks[id][platform], c), s.Fates[id][c]
		}
		return m
	})
	return m.acked, m.fates, err
}

// Recipients implements report.ReceiptStore.
func (s *Store) Recipients(ctx context.Context, _, _ string, clients []string) ([]push.Recipient, error) {
	return read(ctx, s, "Recipients", func() []push.Recipient {
		list := make([]push.Recipient, len(clients))
		for i, c := range clients {
			list[i] = s.Devices[c]
			list[i].ClientID = c
		}
		return list
	})
}
