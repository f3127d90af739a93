package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lightpush/lightpush/test/bench/load"
)

const room = "everybody"

// deliveries measures messages to a room, of all targets in turn: a few of one
// server, a few of the next, and again, so that all see the same machine. While
// one works the others idle.
func (h *harness) deliveries(ctx context.Context) error {
	var all []*full
	defer func() {
		for _, r := range all {
			r.loader.stop()
			r.target.stop()
		}
	}()
	var errs []error
	for _, f := range h.result.Targets {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.logf("%s: room of %d", f.Target, h.options.Sizes.Room)
		r, err := h.full(ctx, f)
		if err != nil {
			errs = append(errs, h.failed(f, "room", err))
			continue
		}
		all = append(all, r)
	}
	s := h.options.Sizes
	play := func(what string, of []*full, b batch, cycles int, into func(f *Figures) **Delivery) {
		h.logf("%s", what)
		if err := h.inTurn(ctx, of, b, cycles, into); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	play("one message at a time", all, batch{rounds: s.Singles / s.Cycles, each: 1}, s.Cycles, func(f *Figures) **Delivery { return &f.Single })
	bursts := batch{rounds: 1, each: s.Burst, how: atOnce}
	play(fmt.Sprintf("bursts of %d", s.Burst), all, bursts, s.Bursts, func(f *Figures) **Delivery { return &f.Burst })
	bursts.how = joined
	floor := slices.DeleteFunc(slices.Clone(all), func(r *full) bool { return r.figures.Target != Floor })
	play("bursts in one write", floor, bursts, s.Bursts, func(f *Figures) **Delivery { return &f.Joined })
	return errors.Join(errs...)
}

// full is a server with a room of clients.
type full struct {
	target
	loader
	figures *Figures
	members int
}

func (h *harness) full(ctx context.Context, f *Figures) (_ *full, err error) {
	r := &full{figures: f}
	if r.loader, err = h.startLoad(); err != nil {
		return nil, err
	}
	if r.target, err = h.start(ctx, f.Target); err != nil {
		r.loader.stop()
		return nil, err
	}
	f.Version = r.version()
	if err = h.fill(ctx, r.target, r.loader, "room", room, h.options.Sizes.Room, 0); err == nil {
		r.members, err = h.warm(ctx, r.target, r.loader)
	}
	if err != nil {
		r.loader.stop()
		r.target.stop()
	}
	return r, err
}

// inTurn plays a batch with one target after the other, several times over.
func (h *harness) inTurn(ctx context.Context, all []*full, b batch, cycles int, into func(f *Figures) **Delivery) error {
	list := make([]*series, len(all))
	for i, r := range all {
		b.group, b.room, b.members = "room", room, r.members
		var err error
		if list[i], err = h.begin(ctx, r.target, r.loader, b, b.rounds*cycles); err != nil {
			return err
		}
	}
	for range cycles {
		for _, s := range list {
			for range b.rounds {
				if err := s.round(ctx); err != nil {
					return err
				}
			}
		}
	}
	var errs []error
	for i, s := range list {
		d, err := s.end(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		*into(all[i].figures) = d
		h.report(all[i].figures.Target, d)
	}
	return errors.Join(errs...)
}

// fill connects clients and has them join a room.
func (h *harness) fill(ctx context.Context, t target, l loader, group, room string, n, first int) error {
	if err := h.populate(ctx, t, l, group, n, first); err != nil {
		return err
	}
	r, err := l.do(ctx, load.Command{Op: load.OpJoin, Group: group, Room: room})
	if err == nil && r.Never > 0 {
		h.logf("  %d of %d joinRoom were never answered", r.Never, n)
	}
	return err
}

// warm sends a few messages and returns how many clients get them.
func (h *harness) warm(ctx context.Context, t target, l loader) (members int, err error) {
	for range 3 {
		if _, err = l.do(ctx, load.Command{Op: load.OpExpect, Group: "room", Messages: 1}); err != nil {
			return 0, err
		}
		if _, err = t.emit(ctx, room, 1, inLoop); err != nil {
			return 0, err
		}
		r, err := l.do(ctx, load.Command{Op: load.OpWait, Group: "room"})
		if err != nil {
			return 0, err
		}
		members = r.Received
	}
	if members == 0 {
		return 0, fmt.Errorf("a message to the room reaches nobody")
	}
	if members < h.options.Sizes.Room {
		h.logf("  only %d of %d clients of the room get messages", members, h.options.Sizes.Room)
	}
	_, err = t.takePauses(ctx)
	return members, err
}

func (h *harness) report(what string, d *Delivery) {
	h.logf("  %s: %.1f µs CPU per delivery, %.0f deliveries/s, p99 %.1f ms, %d of %d arrived, %d out of order", what,
		d.CPU, d.PerSecond, d.Latency.P99, d.Received, d.Expected, d.Misordered)
}
