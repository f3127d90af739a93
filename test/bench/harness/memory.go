package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lightpush/lightpush/test/bench/load"
	"github.com/lightpush/lightpush/test/bench/procfs"
)

// idle is one server with clients that do nothing.
type idle struct {
	target
	loader
	figures *Figures
	memory  *Memory
	vanish  *Vanish // instead of memory
	watch   *watcher
	moment  float64 // of watch, at which the clients vanished
}

// end stops everything of it, once.
func (i *idle) end() {
	if i.watch == nil {
		return
	}
	seen := i.watch.stop()
	i.watch = nil
	if i.vanish != nil {
		const before = 30
		i.vanish.Timeline = seen.since(i.moment, before).thin()
	} else {
		i.memory.Timeline = seen.thin()
	}
	i.loader.stop()
	i.target.stop()
}

// memories measures idle clients. All servers wait at the same time, since
// what they wait for is a garbage collection that comes every two minutes.
// Further instances, with the clients that will stay, wait with them for the
// base line of vanishing.
func (h *harness) memories(ctx context.Context) error {
	var all []*idle
	defer func() {
		for _, i := range all {
			i.end()
		}
	}()
	var errs []error
	add := func(f *Figures, clients int, vanish bool) {
		i, err := h.idle(ctx, f, clients, vanish)
		if err != nil {
			errs = append(errs, h.failed(f, "idle clients", err))
			return
		}
		all = append(all, i)
	}
	s := h.options.Sizes
	for _, f := range h.result.Targets {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.logf("%s: memory of %d idle clients", f.Target, s.Idle)
		add(f, s.Idle, false)
	}
	for _, name := range []string{Lightpush, Engine} {
		if f := h.result.Of(name); f != nil && s.Vanish > 0 {
			h.logf("%s: %d clients that will stay", f.Target, s.Stay)
			add(f, s.Stay, true)
		}
	}
	if err := h.settle(ctx, all); err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, i := range all {
		errs = append(errs, h.readIdle(ctx, i))
	}
	errs = append(errs, h.vanishing(ctx, slices.DeleteFunc(slices.Clone(all), func(i *idle) bool { return i.vanish == nil })))
	return errors.Join(errs...)
}

// idle starts a target and connects its clients.
func (h *harness) idle(ctx context.Context, f *Figures, clients int, vanish bool) (_ *idle, err error) {
	i := &idle{figures: f}
	if i.target, err = h.start(ctx, f.Target); err != nil {
		return nil, err
	}
	if i.loader, err = h.startLoad(); err != nil {
		i.target.stop()
		return nil, err
	}
	f.Version = i.version()
	fail := func(err error) (*idle, error) {
		i.loader.stop()
		i.target.stop()
		return nil, err
	}
	// A server that has just started is still busy with it.
	if err := pause(ctx, time.Second); err != nil {
		return fail(err)
	}
	pid := i.server().pid()
	before, err := procfs.RSS(pid)
	if err != nil {
		return fail(err)
	}
	watch := watchMemory(pid, 500*time.Millisecond)
	err = h.populate(ctx, i.target, i.loader, "idle", clients, 0)
	connected := int64(0)
	if err == nil {
		connected, err = procfs.RSS(pid)
	}
	if err != nil {
		watch.stop()
		return fail(err)
	}
	if i.watch = watch; vanish {
		i.vanish = &Vanish{Stayed: clients, Vanished: h.options.Sizes.Vanish}
		f.Vanish = i.vanish
	} else {
		i.memory = &Memory{Clients: clients, Before: before, Connected: connected}
		f.Memory = i.memory
	}
	return i, nil
}

// settle waits until memory has stopped to change everywhere, and for the
// forced collection of the Go servers.
func (h *harness) settle(ctx context.Context, all []*idle) error {
	limit := h.options.Sizes.Settle
	h.logf("waiting %.0f s for memory to settle", limit.Seconds())
	for waited := time.Duration(0); waited < limit; {
		step := min(20*time.Second, limit-waited)
		if err := pause(ctx, step); err != nil {
			return err
		}
		waited += step
		text := ""
		for _, i := range all {
			rss, err := procfs.RSS(i.server().pid())
			if err != nil {
				return errors.Join(err, i.server().ended())
			}
			text += fmt.Sprintf(" %s %.0f", i.figures.Target, float64(rss)/1e6)
		}
		h.logf("  after %.0f s, MB:%s", waited.Seconds(), text)
	}
	return nil
}

func (h *harness) readIdle(ctx context.Context, i *idle) error {
	rss, err := procfs.RSS(i.server().pid())
	if err != nil {
		return err
	}
	c, err := i.census(ctx)
	if err != nil {
		return err
	}
	if i.vanish != nil {
		i.vanish.BaselineRSS, i.vanish.Baseline, i.vanish.BaseGoroutines = rss, c, c.Goroutines
		return nil
	}
	m := i.memory
	m.Settled, m.Entries = rss, c.Entries
	list, err := i.target.takePauses(ctx)
	m.Pauses = pauses(list)
	alive, aliveErr := i.do(ctx, load.Command{Op: load.OpStats, Group: "idle"})
	if aliveErr == nil && alive.Open < m.Clients {
		h.logf("  %s: only %d of %d idle clients are still connected (%s)", i.figures.Target, alive.Open, m.Clients, alive.Reason)
	}
	h.logf("  %s: %.2f KB per client (%.1f MB before, %.1f MB connected, %.1f MB settled), %d goroutines", i.figures.Target,
		m.PerClient()/1024, float64(m.Before)/1e6, float64(m.Connected)/1e6, float64(m.Settled)/1e6, c.Goroutines)
	// Nothing more is needed of it, and the others should have the machine.
	i.end()
	return errors.Join(err, aliveErr)
}

// vanishing connects many more clients, has them end at once, and waits for
// everything to be as before.
func (h *harness) vanishing(ctx context.Context, all []*idle) error {
	s := h.options.Sizes
	for _, i := range all {
		h.logf("%s: %d more clients come, and vanish at once", i.figures.Target, s.Vanish)
		if err := h.populate(ctx, i.target, i.loader, "vanish", s.Vanish, s.Stay*2); err != nil {
			return fmt.Errorf("%s: %w", i.figures.Target, err)
		}
		if err := pause(ctx, 2*time.Second); err != nil {
			return err
		}
		rss, err := procfs.RSS(i.server().pid())
		if err != nil {
			return err
		}
		i.vanish.FullRSS, i.vanish.Seconds, i.vanish.GoneSeconds = rss, -1, -1
		i.vanish.began, i.moment = time.Now(), i.watch.now()
		if _, err := i.do(ctx, load.Command{Op: load.OpClose, Group: "vanish"}); err != nil {
			return err
		}
		if err := h.watch(ctx, []*idle{i}, 5*time.Second); err != nil { // the close itself, before the next target comes
			return err
		}
	}
	errs := []error{h.watch(ctx, all, s.VanishWait)}
	for _, i := range all {
		errs = append(errs, h.readVanish(ctx, i))
	}
	return errors.Join(errs...)
}

// watch looks at targets until the time is up, or the memory of each is within
// 20 % of its base line and nothing of its vanished clients is left. To ask a
// server for its figures makes garbage in it, so one that is done is left alone.
func (h *harness) watch(ctx context.Context, all []*idle, limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		waiting := false
		for _, i := range all {
			if i.vanish.done() {
				continue
			}
			if err := i.look(ctx); err != nil {
				return err
			}
			waiting = waiting || !i.vanish.done()
		}
		if !waiting {
			return nil
		}
		if err := pause(ctx, time.Second/2); err != nil {
			return err
		}
	}
	return nil
}

// done reports whether everything is as before.
func (v *Vanish) done() bool { return v.Seconds >= 0 && v.GoneSeconds >= 0 }

// look notes what is left of the vanished.
func (i *idle) look(ctx context.Context) (err error) {
	v := i.vanish
	if v.AfterRSS, err = procfs.RSS(i.server().pid()); err != nil {
		return errors.Join(err, i.server().ended())
	}
	if v.Seconds < 0 && float64(v.AfterRSS) <= 1.2*float64(v.BaselineRSS) {
		v.Seconds = time.Since(v.began).Seconds()
	}
	if v.GoneSeconds >= 0 {
		return nil
	}
	c, err := i.census(ctx)
	if err != nil {
		return err
	}
	v.Goroutines, v.Left = c.Goroutines, leftBehind(v.Baseline, c)
	if v.Left == "" {
		v.GoneSeconds = time.Since(v.began).Seconds()
	}
	return nil
}

// spareGoroutines may come and go by themselves: connections to Redis, the
// request that asks.
const spareGoroutines = 20

// leftBehind names what there is more of than before.
func leftBehind(base, now census) string {
	text := ""
	if now.Clients > base.Clients {
		text += fmt.Sprintf(" %d clients", now.Clients-base.Clients)
	}
	if now.Goroutines > base.Goroutines+spareGoroutines {
		text += fmt.Sprintf(" %d goroutines", now.Goroutines-base.Goroutines)
	}
	for _, name := range entries {
		if more := now.Entries[name] - base.Entries[name]; more > 0 {
			text += fmt.Sprintf(" %.0f %s", more, name)
		}
	}
	return text
}

func (h *harness) readVanish(ctx context.Context, i *idle) error {
	v := i.vanish
	alive, err := i.do(ctx, load.Command{Op: load.OpStats, Group: "idle"})
	if err != nil {
		return err
	}
	if alive.Open != v.Stayed {
		v.Left += fmt.Sprintf(" (but only %d of those that should stay)", alive.Open)
	}
	h.logf("  %s: base line %.1f MB, full %.1f MB, after %.1f MB; memory back after %.1f s, entries after %.1f s (-1: not); left:%s", i.figures.Target,
		float64(v.BaselineRSS)/1e6, float64(v.FullRSS)/1e6, float64(v.AfterRSS)/1e6, v.Seconds, v.GoneSeconds, v.Left)
	return nil
}

// pause waits, or returns early with the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
