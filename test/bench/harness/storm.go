package harness

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/test/bench/app"
	"github.com/lightpush/lightpush/test/bench/load"
)

// storm has thousands of clients connect in the same moment, again and again:
// of Engine.IO 4 in even runs, of 3 in odd ones.
func (h *harness) storm(ctx context.Context, t target, l loader, f *Figures) error {
	s := h.options.Sizes
	runs := s.StormRuns
	if f.Target == Floor {
		runs = s.FloorRuns
	}
	storm := &Storm{Runs: runs, Clients: s.StormClients}
	if _, err := t.takePauses(ctx); err != nil {
		return err
	}
	var used [2]usage // by run%2
	var complete [2]int
	seconds := 0.0
	memory := watchMemory(t.server().pid(), 200*time.Millisecond)
	defer func() { storm.Timeline = memory.stop().thin() }()
	for run := range runs {
		r, u, err := h.stormRun(ctx, t, l, run)
		if err != nil {
			return err
		}
		used[run%2].add(u)
		complete[run%2] += r.Completed
		seconds += r.Seconds
		storm.note(r)
		storm.Latency, storm.Load = r.Connect, cost(r, u.wall)
		if r.Failed() > 0 {
			h.logf("  run %d: %d of %d did not complete (%d never, %s)", run+1, r.Failed(), s.StormClients, r.Never, r.Reason)
		}
		if err := h.disperse(ctx, t, l, "storm", 0); err != nil {
			return err
		}
	}
	list, err := t.takePauses(ctx)
	if err != nil {
		return err
	}
	storm.CPU, storm.CPU3, storm.System = used[0].perServer(complete[0]), used[1].perServer(complete[1]), used[0].system
	storm.Helpers = used[0].perHelper(complete[0])
	storm.PerSecond, storm.Pauses = float64(complete[0]+complete[1])/seconds, pauses(list)
	f.Storm = storm
	h.logf("  %.0f µs CPU per connect (Engine.IO 3: %.0f), %.0f connects/s, %d of %d failed", storm.CPU, storm.CPU3, storm.PerSecond,
		storm.Failed, runs*s.StormClients)
	return nil
}

// stormRun is one burst of connects.
func (h *harness) stormRun(ctx context.Context, t target, l loader, run int) (load.Reply, usage, error) {
	n := h.options.Sizes.StormClients
	m, err := newMeter(t)
	if err != nil {
		return load.Reply{}, usage{}, err
	}
	r, err := l.do(ctx, load.Command{
		Op: load.OpConnect, Group: "storm", Addr: t.addr(), Namespace: app.Namespace, EIO: 4 - run%2,
		Count: n, First: run * n, Timeout: time.Minute, Stall: 4 * time.Second,
	})
	if err != nil {
		return r, usage{}, err
	}
	u, err := m.stop()
	return r, u, err
}

func (s *Storm) note(r load.Reply) {
	s.Failed += r.Failed()
	s.Never += r.Never
	if r.Failed() > 0 {
		s.RunsFailed++
		if s.Reason == "" {
			s.Reason = r.Reason
		}
	}
}
