package harness

import (
	"context"
	"fmt"
	"time"

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
	if err := h.steady(ctx, t, l, f); err != nil {
		return fmt.Errorf("steady rate: %w", err)
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

// steady sends to single users at a rate.
func (h *harness) steady(ctx context.Context, t target, l loader, f *Figures) error {
	s := h.options.Sizes
	n := int(s.Rate * s.RateTime.Seconds())
	if _, err := l.do(ctx, load.Command{Op: load.OpExpect, Group: "room", Total: n}); err != nil {
		return err
	}
	m, err := newMeter(t)
	if err != nil {
		return err
	}
	sender, err := t.rate(ctx, s.Rate, n, 0, s.Room)
	if err != nil {
		return err
	}
	r, err := l.do(ctx, load.Command{Op: load.OpWait, Group: "room", Stall: 3 * time.Second})
	if err != nil {
		return err
	}
	u, err := m.stop()
	if err != nil {
		return err
	}
	list, err := t.takePauses(ctx)
	f.Rate = &Rate{
		PerSecond: s.Rate, Messages: n, Received: r.Received, Latency: r.Latency, Sender: sender,
		CPU: u.perServer(n), Helpers: u.perHelper(n), Load: cost(r, u.wall), Pauses: pauses(list),
	}
	h.logf("  %.0f/s to single users: p50 %.2f, p99 %.2f, p99.9 %.2f ms, %d of %d arrived", s.Rate,
		r.Latency.P50/1e3, r.Latency.P99/1e3, r.Latency.P999/1e3, r.Received, n)
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
