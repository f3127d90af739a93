package simulator

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"
)

// crew is the clients of this process.
type crew struct {
	plan    *plan
	journal *journal
	shards  []*shard
	size    int

	end  context.CancelFunc
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error

	before, after usage // of this process, around the connecting
}

// live is what is known of a crew at any time.
type live struct {
	Clients   int   `json:"clients"`
	Ready     int   `json:"ready"`
	Settled   int   `json:"settled"` // have been ready, or have given up
	Connects  int64 `json:"connects"`
	Failures  int64 `json:"failures"`
	Delivered int64 `json:"delivered"`
	Repeated  int64 `json:"repeated"`
	Reordered int64 `json:"reordered"`
	P99       float64
	SettledAt int64 `json:"settled_at"` // the last of them, on the coordinator's clock
}

func (l *live) add(o live) {
	l.Clients += o.Clients
	l.Ready += o.Ready
	l.Settled += o.Settled
	l.Connects += o.Connects
	l.Failures += o.Failures
	l.Delivered += o.Delivered
	l.Repeated += o.Repeated
	l.Reordered += o.Reordered
	l.P99 = max(l.P99, o.P99)
	l.SettledAt = max(l.SettledAt, o.SettledAt)
}

// party is a crew here or in another process, as the conductor of a run sees it.
type party interface {
	begin(perSecond float64)
	churn(on bool)
	storm(share float64)
	live() (live, error)
	// complete has the party know the whole journal.
	complete() error
	// missing says whether anything accepted has not come yet.
	missing() (bool, error)
	// result is everything, at the end.
	result() (*outcome, error)
	stop()
}

// outcome of one party.
type outcome struct {
	Tally  tally       `json:"tally"`
	Judged judged      `json:"judged"`
	Live   live        `json:"live"`
	Self   SelfFigures `json:"self"`
}

// newCrew makes count clients from device first on, on loops of their own. The caller must stop it.
func newCrew(p *plan, t target, j *journal, first int32, count, loops int) (*crew, error) {
	c := &crew{plan: p, journal: j, size: count}
	c.before, _ = usageOf(0) // unknown off Linux
	loops = max(1, min(loops, count, 16))
	for i := range loops {
		s, err := newShard(p, t, j, i)
		if err != nil {
			return nil, err
		}
		s.window = max(1, p.cfg.ConnectWindow/loops)
		c.shards = append(c.shards, s)
	}
	for i := range count {
		c.shards[i%loops].add(first + int32(i))
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.end = cancel
	for _, s := range c.shards {
		c.wg.Go(func() {
			if err := s.run(ctx); err != nil {
				c.mu.Lock()
				c.errs = append(c.errs, err)
				c.mu.Unlock()
			}
		})
	}
	return c, nil
}

// loops is how many event loops a crew of a run has.
func loops() int { return max(1, runtime.GOMAXPROCS(0)/2) }

func (c *crew) stop() {
	c.end()
	c.wg.Wait()
}

func (c *crew) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errs...)
}

// each runs f in every loop, one after the other.
func (c *crew) each(f func(s *shard)) {
	for _, s := range c.shards {
		s.do(func() { f(s) })
	}
}

func (c *crew) begin(perSecond float64) {
	c.each(func(s *shard) { s.begin(perSecond * float64(len(s.clients)) / float64(max(c.size, 1))) })
}

func (c *crew) churn(on bool)       { c.each(func(s *shard) { s.setChurn(on) }) }
func (c *crew) storm(share float64) { c.each(func(s *shard) { s.storm(share) }) }

// tally adds up what all have lived through so far.
func (c *crew) tally() *tally {
	var all tally
	c.each(func(s *shard) { all.merge(&s.tally) })
	return &all
}

func (c *crew) live() (live, error) {
	l := live{Clients: c.size}
	c.each(func(s *shard) {
		t := &s.tally
		l.add(live{
			Ready: s.ready, Settled: s.settled, Connects: t.Connects, Failures: sum(t.Failures),
			Delivered: t.Delivered, Repeated: t.Repeated, Reordered: t.Reordered, P99: t.Latency.Summary().P99, SettledAt: s.settledAt,
		})
	})
	return l, c.failure()
}

func (c *crew) complete() error { return c.failure() }

func (c *crew) missing() (bool, error) {
	j := c.judge(true)
	return j.Lost+j.SlowLost > 0, c.failure()
}

func (c *crew) judge(quick bool) (j judged) {
	c.each(func(s *shard) { j.add(s.judge(quick)) })
	return j
}

// settle measures what the clients cost, once they are connected.
func (c *crew) settle() {
	debug.FreeOSMemory()
	c.after, _ = usageOf(0)
}

func (c *crew) result() (*outcome, error) {
	o := &outcome{Judged: c.judge(false)}
	o.Tally = *c.tally()
	o.Live, _ = c.live()
	if now, err := usageOf(0); err == nil {
		o.Self.CPU = now.cpu - c.before.cpu
	}
	if c.size > 0 && c.after.memory > 0 {
		o.Self.MemoryPerClient = max(0, c.after.memory-c.before.memory) / int64(c.size)
	}
	return o, c.failure()
}
