package harness

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/test/bench/load"
)

// batch is rounds of messages to a room; a round begins when the one before
// has arrived.
type batch struct {
	group, room  string
	members      int
	rounds, each int
	how          manner
}

// series measures the rounds of one target, which may be apart in time.
type series struct {
	batch
	t     target
	l     loader
	total int // rounds

	played int
	used   usage
	took   time.Duration // from the first message of a round to its last delivery
	lost   int
	ids    []int64
	reply  load.Reply
}

// stall is how long nothing comes before messages count as lost.
const stall = 3 * time.Second

func (h *harness) begin(ctx context.Context, t target, l loader, b batch, rounds int) (*series, error) {
	s := &series{batch: b, t: t, l: l, total: rounds}
	if _, err := l.do(ctx, load.Command{Op: load.OpExpect, Group: b.group, Total: b.members * rounds * b.each}); err != nil {
		return nil, err
	}
	_, err := t.takePauses(ctx)
	return s, err
}

func (s *series) round(ctx context.Context) error {
	m, err := newMeter(s.t)
	if err != nil {
		return err
	}
	began := time.Now()
	list, err := s.t.emit(ctx, s.room, s.each, s.how)
	if err != nil {
		return err
	}
	s.ids = append(s.ids, list...)
	s.played++
	want := s.members*s.each*s.played - s.lost
	if s.reply, err = s.l.do(ctx, load.Command{Op: load.OpWait, Group: s.group, Total: want, Stall: stall}); err != nil {
		return err
	}
	s.took += time.Since(began)
	if missing := want - s.reply.Received; missing > 0 {
		s.took -= stall
		s.lost += missing
	}
	u, err := m.stop()
	s.used.add(u)
	return err
}

func (s *series) end(ctx context.Context) (*Delivery, error) {
	list, err := s.t.takePauses(ctx)
	r, messages := s.reply, s.total*s.each
	return &Delivery{
		Room: s.members, Messages: messages, Expected: s.members * messages,
		Received: r.Received, Misordered: r.Misordered, InPlace: r.InPlace,
		CPU: s.used.perServer(r.Received), System: s.used.system, Helpers: s.used.perHelper(messages),
		PerSecond: float64(r.Received) / s.took.Seconds(), Latency: r.Latency,
		Load: cost(r, s.used.wall), Pauses: pauses(list),
	}, err
}

// deliver plays all rounds at once.
func (h *harness) deliver(ctx context.Context, t target, l loader, b batch) (*Delivery, []int64, error) {
	s, err := h.begin(ctx, t, l, b, b.rounds)
	if err != nil {
		return nil, nil, err
	}
	for range b.rounds {
		if err := s.round(ctx); err != nil {
			return nil, nil, err
		}
	}
	d, err := s.end(ctx)
	return d, s.ids, err
}
