package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lightpush/lightpush/test/bench/load"
)

// Fault is what became of messages to one room, sent at a steady rate, when
// something happened after a quarter of the time.
type Fault struct {
	Clients   int     `json:"clients"`
	PerSecond float64 `json:"per_second"`
	Messages  int     `json:"messages"`
	Refused   int     `json:"refused"` // pushes that were not answered with 200; nothing is expected of them

	Expected   int `json:"expected"`             // deliveries of those that were accepted
	Lost       int `json:"lost"`                 // of these, never arrived
	FirstLost  int `json:"first_lost,omitempty"` // number of the first such message, from 1
	Repeated   int `json:"repeated"`
	Misordered int `json:"misordered"`

	Cut       int `json:"cut"`       // clients whose connection ended
	Returned  int `json:"returned"`  // of these, came back
	Continued int `json:"continued"` // of these, as the same session
	LostCut   int `json:"lost_cut"`  // of Lost, deliveries to clients that were cut

	Away     float64      `json:"away_s,omitempty"` // how long Redis accepted no connection
	Silence  float64      `json:"silence_s"`        // longest time without any delivery
	Latency  load.Latency `json:"latency"`
	Arrivals []int        `json:"arrivals"`        // deliveries per quarter of a second
	Troubles int          `json:"troubles"`        // errors the nodes saw
	Ended    string       `json:"ended,omitempty"` // nodes that ended by themselves
}

const (
	watched = "watched"
	// faultStall is how long nothing comes before what is missing counts as
	// lost.
	faultStall = 6 * time.Second
	// strikeAt is when something happens, as a share of the time.
	strikeAt = 0.25
)

// faults has Redis restart, and then a node killed.
func (h *harness) faults(ctx context.Context, f fleet, l loader, c *Cluster) (err error) {
	s := h.options.Sizes
	clients := s.Watched / clusterNodes * clusterNodes
	if err := h.spread(ctx, f, l, watched, clients, s.Cluster*2); err != nil {
		return err
	}
	if err := h.gather(ctx, f, l, watched, watched, clients); err != nil {
		return err
	}
	away := 0.0
	c.Restart, err = h.fault(ctx, f, l, clients, "redis restarts", func() (load.Reply, error) {
		f.store().kill()
		began := time.Now()
		if err := pause(ctx, s.RedisDown); err != nil {
			return load.Reply{}, err
		}
		err := f.store().run(ctx)
		away = time.Since(began).Seconds()
		return load.Reply{}, err
	})
	if err != nil {
		return fmt.Errorf("redis restarts: %w", err)
	}
	c.Restart.Away = round(away)
	if err := h.gather(ctx, f, l, watched, watched, clients); err != nil {
		return fmt.Errorf("after redis has restarted: %w", err)
	}
	c.Kill, err = h.fault(ctx, f, l, clients, "a node is killed", func() (load.Reply, error) { return h.killNode(ctx, f, l, clients) })
	if err != nil {
		return fmt.Errorf("a node is killed: %w", err)
	}
	return nil
}

// killNode ends the last node; its clients go to the others when they have
// noticed.
func (h *harness) killNode(ctx context.Context, f fleet, l loader, clients int) (sum load.Reply, err error) {
	nodes := f.nodes()
	last := len(nodes) - 1
	nodes[last].kill()
	if err := pause(ctx, h.options.Sizes.ReturnAfter); err != nil {
		return sum, err
	}
	for _, to := range nodes[:last] {
		r, err := l.do(ctx, load.Command{
			Op: load.OpReturn, Group: watched, Addr: to.addr, Count: (clients/clusterNodes + last - 1) / last, Window: gently, Timeout: 20 * time.Second,
		})
		if err != nil {
			return sum, err
		}
		sum.Completed += r.Completed
		sum.Never += r.Never
		sum.Reason = r.Reason
	}
	if sum.Never > 0 {
		h.logf("  %d clients could not come back: %s", sum.Never, sum.Reason)
	}
	return sum, nil
}

func (h *harness) fault(ctx context.Context, f fleet, l loader, clients int, what string, strike func() (load.Reply, error)) (*Fault, error) {
	s := h.options.Sizes
	p := pace{perSecond: s.FaultRate, n: int(s.FaultRate * s.FaultTime.Seconds()), room: watched, tolerant: true}
	if _, err := l.do(ctx, load.Command{Op: load.OpExpect, Group: watched, Total: clients * p.n}); err != nil {
		return nil, err
	}
	type end struct {
		sent pushing
		err  error
	}
	ended := make(chan end, 1)
	go func() { // ends with the last message
		sent, err := f.rate(ctx, p)
		ended <- end{sent, err}
	}()
	err := pause(ctx, time.Duration(strikeAt*float64(s.FaultTime)))
	var back load.Reply
	if err == nil {
		back, err = strike()
	}
	e := <-ended
	if err := errors.Join(err, e.err); err != nil {
		return nil, err
	}
	r, err := l.do(ctx, load.Command{Op: load.OpWait, Group: watched, Total: clients * (p.n - len(e.sent.refused)), Stall: faultStall})
	if err != nil {
		return nil, err
	}
	tally, err := l.do(ctx, load.Command{Op: load.OpTally, Group: watched, Messages: p.n})
	if err != nil {
		return nil, err
	}
	c, err := f.census(ctx)
	if err != nil {
		return nil, err
	}
	out := &Fault{
		Clients: clients, PerSecond: p.perSecond, Messages: p.n, Refused: len(e.sent.refused), Repeated: tally.Repeated, Misordered: tally.Misordered,
		Cut: tally.Cut, Returned: back.Completed, Continued: tally.Continued, Silence: round(tally.Silence), Latency: r.Latency, Arrivals: tally.Arrivals,
		Troubles: c.Troubles,
	}
	out.count(tally, e.sent.refused)
	for i, one := range f.nodes() {
		if one.hasEnded() && one.unexpected() {
			out.Ended = strings.TrimSpace(out.Ended + " " + nodeName(i))
		}
	}
	h.logf("  %s: %d of %d deliveries lost (%d of %d clients that were cut, %d of them continued), %d repeated, %d out of order, %d pushes refused, %.1f s of silence%s",
		what, out.Lost, out.Expected, out.LostCut, out.Cut, out.Continued, out.Repeated, out.Misordered, out.Refused, out.Silence, out.Ended)
	return out, nil
}

// count finds what is missing of the messages that were accepted.
func (f *Fault) count(tally load.Reply, refused []int) {
	for n, seen := range tally.Seen {
		if slices.Contains(refused, n) {
			continue
		}
		f.Expected += f.Clients
		f.Lost += f.Clients - seen
		f.LostCut += tally.Cut - tally.SeenCut[n]
		if seen < f.Clients && f.FirstLost == 0 {
			f.FirstLost = n + 1
		}
	}
}
