package simulator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Options are how a run is carried out, as against what it is.
type Options struct {
	Remote   bool // other machines may be loaded
	Progress *Progress
	// Coordinator is the address other processes come to; Processes is how many there are, this one included. The zero
	// values mean one process.
	Coordinator string
	Processes   int
	JoinTimeout time.Duration      // how long the others may take to come; 60 s
	onPhase     func(phase string) // tests listen
	patience    time.Duration      // of compare; tests shorten it
}

// Run carries out a run and judges it. When ctx ends early the report is of what was done so far. An error that is
// ErrCannotRun came before any load.
func Run(ctx context.Context, cfg Config, opt Options) (*Report, error) {
	if err := cfg.Check(); err != nil {
		return nil, cannot("%w", err)
	}
	objectives, err := ParseSLO(cfg.SLO)
	if err != nil {
		return nil, cannot("slo: %w", err)
	}
	r := &run{cfg: &cfg, opt: opt, plan: newPlan(&cfg, newRunID())}
	if r.opt.Progress == nil {
		r.opt.Progress = &Progress{}
	}
	if r.opt.patience <= 0 {
		r.opt.patience = comparePatience
	}
	defer r.close()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	report, err := r.conduct(ctx)
	if err != nil {
		return nil, err
	}
	report.Verdict = "none"
	if len(objectives) > 0 {
		var ok bool
		report.Verdict = "missed"
		if report.Findings, ok = Judge(report, objectives); ok {
			report.Verdict = "ok"
		}
	}
	return report, nil
}

func newRunID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// run is one run under way.
type run struct {
	cfg     *Config
	opt     Options
	plan    *plan
	target  target
	journal *journal
	api     *api
	sending *sending
	crew    *crew   // this process's clients
	parties []party // all, the crew included
	link    *coordinator
	began   time.Time

	server struct {
		measured                  bool
		before, connected, atEnd  usage
		deliveredBefore, connects int64
	}
	ramp, pushing time.Duration
	interrupted   bool
}

func (r *run) close() {
	for _, p := range r.parties {
		p.stop()
	}
	if r.link != nil {
		r.link.close()
	}
	if r.api != nil {
		r.api.close()
	}
}

// prepare finds out whether the run can begin, and makes everything for it.
func (r *run) prepare(ctx context.Context) (err error) {
	cfg := r.cfg
	if r.target, err = findTarget(ctx, cfg, r.opt.Remote); err != nil {
		return err
	}
	processes := max(r.opt.Processes, 1)
	own := portion(cfg.Total, processes, 0)
	if err = r.target.setSources(cfg, readLimits(), own.count); err != nil {
		return err
	}
	if err = checkServer(ctx, cfg, r.target); err != nil {
		return err
	}
	if cfg.PushRate != 0 {
		var from netip.Addr
		if len(r.target.sources) > 0 {
			from = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		r.api = newAPI(cfg, cfg.PushSenders+4, from)
		if err = checkPush(ctx, cfg, r.api); err != nil {
			return err
		}
	}
	if own.count > 0 {
		if err = checkNamespace(ctx, r.plan, r.target, own.first); err != nil {
			return err
		}
	}
	if r.server.before, r.server.measured, err = measureServer(ctx, cfg); err != nil {
		return cannot("measure the server: %w; are server_pid and server_metrics right?", err)
	}
	r.journal = newJournal(r.plan.streams())
	if r.crew, err = newCrew(r.plan, r.target, r.journal, own.first, own.count, loops()); err != nil {
		return cannot("%w", err)
	}
	r.parties = append(r.parties, r.crew)
	if r.opt.Coordinator != "" {
		if r.link, err = coordinate(ctx, r); err != nil {
			return err
		}
		for _, p := range r.link.peers {
			r.parties = append(r.parties, p)
		}
	}
	return nil
}

// part is a range of devices.
type part struct {
	first int32
	count int
}

// portion is the i-th of n equal parts of all devices.
func portion(total, n, i int) part {
	from, to := total*i/n, total*(i+1)/n
	return part{int32(from), to - from}
}

// rate is how many clients begin to connect per second; 0: as fast as they can.
func (c *Config) rate() float64 {
	switch {
	case c.ConnectRate > 0:
		return c.ConnectRate
	case c.Ramp > 0:
		return float64(c.Total) / c.Ramp.Seconds()
	case c.ConnectInterval > 0:
		return 1 / c.ConnectInterval.Seconds()
	}
	return 0
}

// conduct is the course of the run.
func (r *run) conduct(ctx context.Context) (*Report, error) {
	cfg := r.cfg
	r.began = time.Now()
	if err := r.rampUp(ctx); err != nil {
		return nil, err
	}
	if err := r.wait(ctx, "hold", cfg.Hold, nil); err != nil {
		return nil, err
	}
	r.crew.settle()
	if r.server.measured {
		r.server.connected, _, _ = measureServer(context.WithoutCancel(ctx), cfg) // it was there before
	}
	if l, err := r.live(); err == nil {
		r.server.connects, r.server.deliveredBefore = l.Connects, l.Delivered
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// rampUp connects everybody: until all are ready or have given up.
func (r *run) rampUp(ctx context.Context) error {
	cfg := r.cfg
	rate := cfg.rate()
	start := r.crew.clock()
	settled := int64(0)
	for _, p := range r.parties {
		p.begin(rate / float64(len(r.parties)))
	}
	patience := 3*cfg.ConnectTimeout + 10*cfg.ReconnectDelay + 30*time.Second
	if rate > 0 {
		patience += time.Duration(float64(cfg.Total) / rate * float64(time.Second))
	} else {
		patience += time.Duration(cfg.Total) * 10 * time.Millisecond
	}
	err := r.wait(ctx, "ramp", patience, func(l live) bool {
		settled = l.SettledAt
		return l.Settled >= cfg.Total
	})
	r.ramp = max(time.Duration(settled-start), 0) // to the last client, not to the moment this was noticed
	return err
}

// load is pushes, churn and storms.
func (r *run) load(ctx context.Context) error {
	if r.interrupted {
		return nil
	}
	cfg := r.cfg
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	start := time.Now()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	done := make(chan struct{})
	if cfg.PushRate != 0 {
		r.sending = newSending(r.plan, r.journal, r.api, r.crew.clock)
		wg.Go(func() {
			defer close(done)
			r.sending.run(inner)
		})
	}
	for _, p := range r.parties {
		p.churn(true)
	}
	if cfg.StormInterval > 0 && cfg.StormShare > 0 {
		wg.Go(func() {
			tick := time.NewTicker(cfg.StormInterval)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					for _, p := range r.parties {
						p.storm(cfg.StormShare)
					}
				case <-inner.Done():
					return
				}
			}
		})
	}
	finished := func(live) bool {
		select {
		case <-done:
			return cfg.PushMax > 0 // else the time counts
		default:
			return false
		}
	}
	err := r.wait(ctx, "run", cfg.Duration, finished)
	if r.sending != nil && !r.interrupted {
		// Answers under way are waited for: each call has its time limit.
		if waitErr := r.wait(ctx, "answers", restTimeout, func(live) bool {
			select {
			case <-done:
				return true
			default:
				return false
			}
		}); err == nil {
			err = waitErr
		}
	}
	r.pushing = time.Since(start)
	for _, p := range r.parties {
		p.churn(false)
	}
	return err
}

// wait shows the progress until until says so, d has passed or ctx ends.
func (r *run) wait(ctx context.Context, phase string, d time.Duration, until func(live) bool) error {
	if r.opt.onPhase != nil {
		r.opt.onPhase(phase)
	}
	deadline := time.Now().Add(d)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !r.interrupted && time.Now().Before(deadline) {
		l, err := r.live()
		if err != nil {
			return err
		}
		r.show(phase, l)
		if until != nil && until(l) {
			return nil
		}
		select {
		case <-tick.C:
		case <-time.After(time.Until(deadline)):
		case <-ctx.Done():
			r.interrupted = true
		}
	}
	return nil
}

func (r *run) live() (all live, err error) {
	for _, p := range r.parties {
		l, err := p.live()
		if err != nil {
			return all, err
		}
		all.add(l)
	}
	return all, nil
}

func (r *run) show(phase string, l live) {
	f := pushFigures{}
	if r.sending != nil {
		f, _ = r.sending.snapshot()
	}
	r.opt.Progress.show(time.Since(r.began), phase, l, f.accepted)
}

// finish waits for what is under way, then judges.
func (r *run) finish(ctx context.Context) (*Report, error) {
	cfg := r.cfg
	// An interrupted run is judged too, but keeps nobody waiting.
	after := context.WithoutCancel(ctx)
	drain := cfg.Drain
	if r.interrupted {
		drain = min(drain, 2*time.Second)
	}
	for _, p := range r.parties {
		if err := p.complete(); err != nil {
			return nil, err
		}
	}
	r.drain(drain)
	report := &Report{Started: r.began, Config: configOf(cfg), Interrupted: r.interrupted, Processes: len(r.parties), Clients: cfg.Total}
	var all outcome
	for _, p := range r.parties {
		o, err := p.result()
		if err != nil {
			return nil, err
		}
		all.Tally.merge(&o.Tally)
		all.Judged.add(o.Judged)
		all.Live.add(o.Live)
		all.Self.CPU += o.Self.CPU
		all.Self.MemoryPerClient = max(all.Self.MemoryPerClient, o.Self.MemoryPerClient)
	}
	r.opt.Progress.end()
	report.RampSeconds, report.Ready, report.Self = r.ramp.Seconds(), all.Live.Ready, all.Self
	if r.sending != nil {
		f, failures := r.sending.snapshot()
		report.takePushes(f, failures, r.pushing.Seconds())
	}
	report.take(&all.Tally, all.Judged)
	if report.RampSeconds > 0 {
		connects := r.server.connects
		if connects == 0 {
			connects = report.Connects
		}
		report.ConnectsPerSec = float64(connects) / report.RampSeconds
	}
	r.takeServer(after, report)
	if r.api != nil {
		r.compare(after, report, all.Tally.Sampled)
	}
	report.Seconds = time.Since(r.began).Seconds()
	return report, nil
}

// drain waits until nothing is missing.
func (r *run) drain(patience time.Duration) {
	if r.opt.onPhase != nil {
		r.opt.onPhase("drain")
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		left := false
		for _, p := range r.parties {
			missing, err := p.missing()
			left = left || missing || err != nil
		}
		if !left {
			break
		}
		if l, err := r.live(); err == nil {
			r.show("drain", l)
		}
	}
	// What is repeated comes after what it repeats: a moment for the last.
	time.Sleep(min(patience, 100*time.Millisecond))
}

func (r *run) takeServer(ctx context.Context, report *Report) {
	if !r.server.measured {
		return
	}
	s := &r.server
	s.atEnd, _, _ = measureServer(ctx, r.cfg)
	f := &ServerFigures{MemoryBefore: s.before.memory, MemoryConnected: s.connected.memory, MemoryEnd: s.atEnd.memory}
	f.CPURamp, f.CPURun = s.connected.cpu-s.before.cpu, s.atEnd.cpu-s.connected.cpu
	if s.connects > 0 {
		f.MemoryPerConn = (s.connected.memory - s.before.memory) / s.connects
		f.CPUPerConnect = f.CPURamp * 1e6 / float64(s.connects)
	}
	if n := report.Delivered - s.deliveredBefore; n > 0 {
		f.CPUPerDelivery = f.CPURun * 1e6 / float64(n)
	}
	report.Server = f
}

// clock is the one all marks and latencies use.
func (c *crew) clock() int64 { return c.shards[0].loop.Clock() }

var errParty = errors.New("another process of this run is lost")
