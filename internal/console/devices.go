package console

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

// Clients lists devices of a namespace. Without Q and User those that have
// connected last come first; a device whose whole id is Q comes first. Errors
// as Rooms.
func (b *Browser) Clients(ctx context.Context, q Query) (Page[Device], error) {
	ids, next, err := b.clientIDs(ctx, q)
	if err != nil {
		return Page[Device]{}, err
	}
	if q.Q != "" && q.Cursor == "" {
		ids = append([]string{q.Q}, ids...) // stays only when it exists
	}
	devices, err := b.store.Devices(ctx, q.Namespace, ids)
	if err != nil {
		return Page[Device]{}, err
	}
	fitting := devices[:0]
	for _, d := range devices {
		if d.ID == q.Q && (d.UserID == "" || (q.User != "" && d.UserID != q.User) || (q.Platform != "" && d.Platform != q.Platform)) {
			continue
		}
		if (q.Online && !d.Online) || (q.Offline && d.Online) {
			continue // it has left or come meanwhile
		}
		fitting = append(fitting, d)
	}
	return page(fitting, next), nil
}

func (b *Browser) clientIDs(ctx context.Context, q Query) (ids []string, next string, err error) {
	fits := func(id string) bool {
		return (q.Q == "" || id != q.Q) && contains(id, q.Q) && (q.Platform == "" || client.PlatformIn(id) == q.Platform)
	}
	w := Walk[string]{Phases: 1, Size: q.size(), Count: q.count(q.Q != "" || q.Platform != "" || q.Offline), Fits: fits}
	switch {
	case q.User != "":
		name := room.ForUser(q.User)
		w.Phases = len(client.Platforms)
		w.Step = func(ctx context.Context, phase int, scan uint64, count int) ([]string, uint64, error) {
			return b.store.Audience(ctx, q.Namespace, name, client.Platforms[phase], scan, count)
		}
		if q.Online {
			w.Phases = 1
			w.Step = func(ctx context.Context, _ int, scan uint64, count int) ([]string, uint64, error) {
				members, next, err := b.store.MembersStep(ctx, q.Namespace, name, scan, count)
				ids := make([]string, len(members))
				for i, m := range members {
					ids[i] = m.ID
				}
				return ids, next, err
			}
		}
	case q.Online:
		w.Step = func(ctx context.Context, _ int, scan uint64, count int) ([]string, uint64, error) {
			return b.store.OnlineStep(ctx, q.Namespace, q.Q, scan, count)
		}
	case q.Q != "":
		w.Step = func(ctx context.Context, _ int, scan uint64, count int) ([]string, uint64, error) {
			return b.store.SeenStep(ctx, q.Namespace, q.Q, scan, count)
		}
	default:
		return b.latest(ctx, q, fits)
	}
	if q.Offline {
		return b.offline(ctx, q, w)
	}
	return w.Run(ctx, q.Cursor)
}

// offline walks as w does and keeps the devices that are offline.
func (b *Browser) offline(ctx context.Context, q Query, w Walk[string]) (ids []string, next string, err error) {
	type listed struct {
		id    string
		since int64
	}
	found, next, err := Walk[listed]{
		Phases: w.Phases, Size: w.Size, Count: w.Count,
		Step: func(ctx context.Context, phase int, scan uint64, count int) ([]listed, uint64, error) {
			ids, next, err := w.Step(ctx, phase, scan, count)
			if err != nil {
				return nil, 0, err
			}
			since, err := b.store.OnlineSince(ctx, q.Namespace, ids)
			list := make([]listed, len(since))
			for i := range since {
				list[i] = listed{ids[i], since[i]}
			}
			return list, next, err
		},
		Fits: func(l listed) bool { return l.since == 0 && w.Fits(l.id) },
	}.Run(ctx, q.Cursor)
	for _, l := range found {
		ids = append(ids, l.id)
	}
	return ids, next, err
}

// latest walks devices by their last connect. The place of a cursor is a time
// and how many of those with that time have been looked at: what connects
// meanwhile moves to the front and shifts nothing.
func (b *Browser) latest(ctx context.Context, q Query, fits func(string) bool) (ids []string, next string, err error) {
	at, err := parseCursor(q.Cursor, 1)
	if err != nil {
		return nil, "", err
	}
	size, count := q.size(), q.count(q.Platform != "" || q.Offline)
	for started := time.Now(); ; {
		list, times, err := b.store.SeenBefore(ctx, q.Namespace, int64(at.scan), at.skip, count)
		if err != nil {
			return nil, "", err
		}
		var since []int64
		if q.Offline {
			if since, err = b.store.OnlineSince(ctx, q.Namespace, list); err != nil {
				return nil, "", err
			}
		}
		for i, id := range list {
			if len(ids) == size {
				return ids, at.text(1), nil
			}
			if uint64(times[i]) == at.scan {
				at.skip++
			} else {
				at = cursor{scan: uint64(times[i]), skip: 1}
			}
			if fits(id) && (since == nil || since[i] == 0) {
				ids = append(ids, id)
			}
		}
		switch {
		case len(list) < count:
			return ids, "", nil
		case len(ids) == size || time.Since(started) > walkTime:
			return ids, at.text(1), nil
		}
	}
}
