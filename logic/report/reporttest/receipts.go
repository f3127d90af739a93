package reporttest

import (
	"context"
	"maps"
	"slices"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
)

// Receipts is what a Store knows of the devices of messages.
type Receipts struct {
	Audiences map[string]map[string][]string // room → platform → client ids
	Fates     map[int64]map[string]push.Fate // message → client id → fate
	Connected map[string]push.Recipient      // by client id; those that are not here are offline
	Times     map[int64]map[string]push.DeviceTimes
	// DeviceRecords are by client id.
	DeviceRecords map[string]console.Device
	Jobs          map[int64]queue.Status
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

// DeviceTimes implements report.ReceiptStore.
func (s *Store) DeviceTimes(ctx context.Context, id int64, _ push.Times, clients []string) ([]push.DeviceTimes, error) {
	return read(ctx, s, "DeviceTimes", func() []push.DeviceTimes {
		list := make([]push.DeviceTimes, len(clients))
		for i, c := range clients {
			list[i] = s.Times[id][c]
		}
		return list
	})
}

// Devices implements report.TraceStore.
func (s *Store) Devices(ctx context.Context, _ string, ids []string) ([]console.Device, error) {
	return read(ctx, s, "Devices", func() []console.Device {
		list := make([]console.Device, len(ids))
		for i, id := range ids {
			list[i] = s.DeviceRecords[id]
			list[i].ID = id
		}
		return list
	})
}

// OfflineJob implements report.TraceStore.
func (s *Store) OfflineJob(ctx context.Context, id int64) (queue.Status, error) {
	return read(ctx, s, "OfflineJob", func() queue.Status { return s.Jobs[id] })
}

// Recipients implements report.ReceiptStore.
func (s *Store) Recipients(ctx context.Context, _, _ string, clients []string) ([]push.Recipient, error) {
	return read(ctx, s, "Recipients", func() []push.Recipient {
		list := make([]push.Recipient, len(clients))
		for i, c := range clients {
			list[i] = s.Connected[c]
			list[i].ClientID = c
		}
		return list
	})
}

type markCounts struct {
	acked map[string]int64
	fates int64
}

// MarkCounts implements report.ReceiptStore.
func (s *Store) MarkCounts(ctx context.Context, id int64) (map[string]int64, int64, error) {
	m, err := read(ctx, s, "MarkCounts", func() markCounts {
		m := markCounts{map[string]int64{}, int64(len(s.Fates[id]))}
		for platform, list := range s.Acks[id] {
			m.acked[platform] = int64(len(list))
		}
		return m
	})
	return m.acked, m.fates, err
}

// OnlineSince implements report.ReceiptStore.
func (s *Store) OnlineSince(ctx context.Context, _ string, clients []string) ([]int64, error) {
	return read(ctx, s, "OnlineSince", func() []int64 {
		since := make([]int64, len(clients))
		for i, c := range clients {
			if d := s.Connected[c]; d.Node != "" {
				since[i] = d.Gen
			}
		}
		return since
	})
}
