package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/lightpush/lightpush/test/bench/app"
	"github.com/lightpush/lightpush/test/bench/load"
)

// service is what is measured of one server alone: a steady rate, acks, order.
func (h *harness) service(ctx context.Context, t target, l loader, f *Figures) error {
	s := h.options.Sizes
	if err := h.fill(ctx, t, l, "room", room, s.Room, 0); err != nil {
		return err
	}
	members, err := h.warm(ctx, t, l)
	if err != nil {
		return err
	}
	if f.Rate, err = h.steady(ctx, t, l, "room", s.toUsers(s.Room, s.RateTime), 1); err != nil {
		return fmt.Errorf("one to one: %w", err)
	}
	_, ids, err := h.deliver(ctx, t, l, batch{group: "room", room: room, members: members, rounds: s.AckMessages, each: 1})
	if err != nil {
		return err
	}
	if err := h.flood(ctx, t, l, f, ids); err != nil {
		return fmt.Errorf("ack flood: %w", err)
	}
	if f.Target == Floor {
		return nil
	}
	if err := h.disperse(ctx, t, l, "room", 0); err != nil {
		return err
	}
	return h.order(ctx, t, l, f)
}

// order is the two tests of order: a loop of messages to a smaller room, and
// many events of one client.
func (h *harness) order(ctx context.Context, t target, l loader, f *Figures) (err error) {
	s := h.options.Sizes
	const small = "thousand"
	if err := h.fill(ctx, t, l, small, small, s.LoopClients, s.Room*2); err != nil {
		return err
	}
	loop := batch{group: small, room: small, members: s.LoopClients, rounds: 1, each: s.Loop, how: inLoop}
	if f.Loop, _, err = h.deliver(ctx, t, l, loop); err != nil {
		return fmt.Errorf("loop: %w", err)
	}
	h.report(fmt.Sprintf("%d in one loop", s.Loop), f.Loop)
	if err := h.events(ctx, t, l, f); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

// steady sends at a steady rate; each message is for so many clients of a
// group.
func (h *harness) steady(ctx context.Context, t target, l loader, group string, p pace, members int) (*Rate, error) {
	if _, err := t.takePauses(ctx); err != nil {
		return nil, err
	}
	want := p.n * members
	if _, err := l.do(ctx, load.Command{Op: load.OpExpect, Group: group, Total: want}); err != nil {
		return nil, err
	}
	m, err := newMeter(t)
	if err != nil {
		return nil, err
	}
	sender, err := t.rate(ctx, p)
	if err != nil {
		return nil, err
	}
	r, err := l.do(ctx, load.Command{Op: load.OpWait, Group: group, Stall: stall})
	if err != nil {
		return nil, err
	}
	u, err := m.stop()
	if err != nil {
		return nil, err
	}
	list, err := t.takePauses(ctx)
	h.logf("  %.0f/s, %d clients each: %.1f µs CPU per delivery, p50 %.2f, p99 %.2f, p99.9 %.2f ms, %d of %d arrived, %d repeated, %d out of order", p.perSecond,
		members, u.perServer(r.Received), r.Latency.P50, r.Latency.P99, r.Latency.P999, r.Received, want, r.Repeated, r.Misordered)
	return &Rate{
		PerSecond: p.perSecond, Messages: p.n, Expected: want, Received: r.Received, Repeated: r.Repeated, Misordered: r.Misordered,
		Latency: r.Latency, Sender: sender,
		CPU: u.perServer(r.Received), Helpers: u.perHelper(r.Received), Load: cost(r, u.wall), Pauses: pauses(list),
	}, err
}

// toUsers is one message after the other to the users of the first so many
// clients in turn.
func (s Sizes) toUsers(users int, d time.Duration) pace {
	return pace{perSecond: s.Rate, n: int(s.Rate * d.Seconds()), room: app.UserRooms, rooms: users}
}

// smallRooms pushes to many small rooms in turn.
func (h *harness) smallRooms(ctx context.Context, t target, l loader, f *Figures) (err error) {
	const name = "small"
	s := h.options.Sizes
	if err := h.populate(ctx, t, l, name, s.Rooms*s.RoomSize, 0); err != nil {
		return err
	}
	r, err := l.do(ctx, load.Command{Op: load.OpJoin, Group: name, Room: name, Size: s.RoomSize})
	if err != nil {
		return err
	}
	if r.Never > 0 {
		h.logf("  %d of %d joinRoom were never answered", r.Never, s.Rooms*s.RoomSize)
	}
	p := pace{perSecond: s.Rate, n: int(s.Rate * s.RoomsTime.Seconds()), room: name, rooms: s.Rooms}
	f.Rooms, err = h.steady(ctx, t, l, name, p, s.RoomSize)
	return err
}

// flood has the whole room confirm messages at once.
func (h *harness) flood(ctx context.Context, t target, l loader, f *Figures, ids []int64) error {
	if err := t.resetCounters(ctx); err != nil {
		return err
	}
	m, err := newMeter(t)
	if err != nil {
		return err
	}
	began := time.Now()
	r, err := l.do(ctx, load.Command{Op: load.OpAck, Group: "room", IDs: ids})
	if err != nil {
		return err
	}
	recorded, last, progress := 0, began, began
	for recorded < r.Expected && time.Since(progress) < 3*time.Second {
		n, err := t.acked(ctx, ids)
		if err != nil {
			return err
		}
		if n > recorded {
			last, progress = time.Now(), time.Now()
		}
		if recorded = n; recorded < r.Expected {
			time.Sleep(10 * time.Millisecond)
		}
	}
	u, err := m.stop()
	if err != nil {
		return err
	}
	list, err := t.takePauses(ctx)
	f.Acks = &Acks{
		Sent: r.Expected, Recorded: recorded, PerSecond: float64(recorded) / last.Sub(began).Seconds(),
		CPU: u.perServer(recorded), Helpers: u.perHelper(recorded), Load: cost(r, u.wall), Pauses: pauses(list),
	}
	h.logf("  ack flood: %d of %d recorded, %.0f/s, %.1f µs CPU each", recorded, r.Expected, f.Acks.PerSecond, f.Acks.CPU)
	return err
}

// events has one client send many events at once.
func (h *harness) events(ctx context.Context, t target, l loader, f *Figures) error {
	s := h.options.Sizes
	if err := h.populate(ctx, t, l, "one", 1, s.Room*4); err != nil {
		return err
	}
	if err := t.resetCounters(ctx); err != nil {
		return err
	}
	event := "n"
	if f.Target == Lightpush {
		event = "rooms"
	}
	r, err := l.do(ctx, load.Command{Op: load.OpEvents, Group: "one", Count: s.Events, Event: event})
	if err != nil {
		return err
	}
	c, err := t.census(ctx)
	f.Events = &Events{Sent: s.Events, Answered: r.Received, InPlace: r.InPlace, Misordered: int(c.Misordered)}
	h.logf("  %d events at once: %d answered, %d in place, %d handled out of order", s.Events, r.Received, r.InPlace, c.Misordered)
	return err
}
