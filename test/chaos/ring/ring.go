// Package ring runs a service under faults and judges what arrived: a fleet of devices that come and go through a small
// TCP balancer, senders that push over REST, and the faults of a plan. The ledger decides.
//
// The service is behind the interface Service: package cluster is the real one, the tests of this package use a small
// fake that loses, repeats and misdirects on purpose. Run owns every goroutine it starts.
package ring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/lightpush/lightpush/test/chaos/ledger"
	"github.com/lightpush/lightpush/test/chaos/plan"
)

// Service is what is tested.
type Service interface {
	Sockets() []string // host:port of the connectors; they stay the same over restarts
	APIs() []string    // base URLs of the logic processes
	Tenants() []Tenant
	// Begin breaks a process and returns the function that mends it; that returns when the process serves again.
	Begin(f plan.Fault) (end func() error, err error)
	// Idle reports whether nothing waits in the queues of the service, with a text that says what does.
	Idle(ctx context.Context) (idle bool, waiting string)
	// Notified hands every notification that a provider accepted to take: device token and marker of the push.
	Notified(take func(token string, marker int64))
}

// Options of a run.
type Options struct {
	Seed     uint64        `json:"seed"`
	Duration time.Duration `json:"duration"` // of pushes and faults
	Clients  int           `json:"clients"`
	Rate     float64       `json:"rate"`  // pushes per second
	Leave    float64       `json:"leave"` // part of the pushes with leaveMessage
	Senders  int           `json:"senders"`
	Plan     []plan.Fault  `json:"plan"`
	Rules    ledger.Rules  `json:"-"`
	Lease    time.Duration `json:"lease"` // of a connector
	// Quiet is how long the service has, when all faults are over, to bring what is promised without a reconnect;
	// Drain how long it has with them.
	Quiet, Drain time.Duration `json:"-"`
	Log          io.Writer     `json:"-"` // progress; nil for none
}

// ring is one run.
type ring struct {
	options   Options
	service   Service
	ledger    *ledger.Ledger
	fleet     *fleet
	balancer  *balancer
	apis      []string
	passwords map[string]string
	http      *http.Client
	markers   markers
	began     time.Time

	mu      sync.Mutex
	samples []Sample
	errs    []error // of the harness: a process that did not come back
}

func (r *ring) now() time.Duration { return time.Since(r.began) }

func (r *ring) logf(format string, args ...any) {
	if r.options.Log != nil {
		_, _ = fmt.Fprintf(r.options.Log, format+"\n", args...)
	}
}

func (r *ring) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// Run runs the service until the plan is through and everything that was promised has arrived, or the time for that is
// over. The error is one of the harness; what the service did wrong is in the result.
func Run(ctx context.Context, o Options, s Service) (*Result, error) {
	b, err := newBalancer(s.Sockets())
	if err != nil {
		return nil, err
	}
	defer b.close()
	r := &ring{
		options: o, service: s, ledger: ledger.New(o.Rules), balancer: b, apis: s.APIs(), passwords: map[string]string{},
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}, began: time.Now(),
	}
	defer r.http.CloseIdleConnections()
	for _, t := range s.Tenants() {
		r.passwords[t.Name] = t.Password
	}
	r.fleet = newFleet(o, s.Tenants(), r.ledger, b, r.now)
	s.Notified(func(token string, marker int64) { r.ledger.Gateway(r.now(), token, marker) })

	alive, end := context.WithCancel(ctx)
	var devices sync.WaitGroup
	devices.Go(func() { r.fleet.run(alive) })
	defer devices.Wait()
	defer end()
	var watch sync.WaitGroup
	watch.Go(func() { r.watch(alive) })
	defer watch.Wait()
	defer end()

	busy, stop := context.WithTimeout(alive, o.Duration)
	defer stop()
	var work sync.WaitGroup
	for lane := range o.Senders {
		work.Go(func() { r.sender(lane).run(busy) })
	}
	work.Go(func() { r.breakThings(busy) })
	work.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.logf("%7.1f s  pushes and faults are over; everybody comes back", r.now().Seconds())
	verdict := r.drain(alive)
	end()
	devices.Wait()
	watch.Wait()
	return r.result(verdict), errors.Join(r.errs...)
}

func (r *ring) sender(lane int) *sender {
	return &sender{
		ring: r, lane: lane, logic: lane % len(r.apis), rng: rand.New(rand.NewPCG(r.options.Seed, 1<<40+uint64(lane))),
		every: time.Duration(float64(r.options.Senders) / r.options.Rate * float64(time.Second)),
	}
}

// breakThings carries out the plan.
func (r *ring) breakThings(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, f := range r.options.Plan {
		if !pause(ctx, f.At-r.now()) {
			return
		}
		r.logf("%7.1f s  fault %d/%d: %s", r.now().Seconds(), i+1, len(r.options.Plan), f)
		wg.Go(func() { r.fault(f, rand.New(rand.NewPCG(r.options.Seed, 1<<41+uint64(i)))) })
	}
}

// fault begins one fault, waits for its time and ends it. It ends also when the run is cut short.
func (r *ring) fault(f plan.Fault, rng *rand.Rand) {
	over := r.ledger.FaultBegins(r.now(), f.String())
	defer func() { over(r.now()) }()
	switch f.Kind {
	case plan.Cut, plan.HalfOpen, plan.Stall:
		r.harm(f, rng)
		return
	}
	end, err := r.service.Begin(f)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", f, err))
		return
	}
	time.Sleep(f.For)
	if f.Kind == plan.FreezeConnector {
		defer r.unordered(f)
	}
	if err := end(); err != nil {
		r.fail(fmt.Errorf("end of %s: %w", f, err))
	}
}

// unordered marks the connections of a connector that was frozen, and those that come before it has found out that it
// was swept.
func (r *ring) unordered(f plan.Fault) {
	for until := r.now() + r.options.Lease; ; time.Sleep(50 * time.Millisecond) {
		for _, addr := range r.balancer.of(f.Target) {
			if d := r.fleet.at(addr); d != nil {
				d.rec.Unordered(r.now())
			}
		}
		if r.now() > until {
			return
		}
	}
}

// harm is a fault of client connections.
func (r *ring) harm(f plan.Fault, rng *rand.Rand) {
	pipes := r.balancer.pick(rng, f.Count)
	for addr, p := range pipes {
		if d := r.fleet.at(addr); d != nil {
			d.rec.Harmed(r.now(), string(f.Kind))
		}
		switch f.Kind {
		case plan.Cut:
			p.abort()
		case plan.HalfOpen:
			p.swallow()
		default:
			p.stall(1)
		}
	}
	if f.Kind == plan.Stall {
		time.Sleep(f.For)
		for _, p := range pipes {
			p.stall(-1)
		}
	}
}

// drain brings everybody back and waits for what is promised: first without any help, then, for what only a new
// connection brings (inbox, a continued session), with reconnects.
func (r *ring) drain(ctx context.Context) *ledger.Verdict {
	r.fleet.stay()
	quiet := r.now() + r.options.Quiet
	r.await(ctx, quiet, func() bool {
		return r.fleet.ready() == len(r.fleet.devices) && r.idle(ctx) && r.onlyInboxes()
	})
	if n := r.fleet.ready(); n < len(r.fleet.devices) {
		r.fail(fmt.Errorf("%d of %d devices did not come back", len(r.fleet.devices)-n, len(r.fleet.devices)))
	}
	until := r.now() + r.options.Drain
	for {
		v := r.ledger.Judge()
		missing := map[string]bool{}
		for _, f := range v.Of(ledger.Lost) {
			missing[f.Device] = true
		}
		if len(missing) == 0 || r.now() > until || ctx.Err() != nil {
			break
		}
		r.logf("%7.1f s  %d promised deliveries are missing; %d devices connect again", r.now().Seconds(), len(v.Of(ledger.Lost)), len(missing))
		r.fleet.reconnect(missing)
		again := min(r.now()+5*time.Second, until+time.Second)
		r.await(ctx, again, func() bool { return len(r.ledger.Judge().Of(ledger.Lost)) == 0 })
	}
	// What must not come gets time to come all the same.
	_ = pause(ctx, min(2*time.Second, r.options.Quiet/10))
	return r.ledger.Judge()
}

// onlyInboxes reports that nothing is missing but what waits in inboxes, which only a new connection brings.
func (r *ring) onlyInboxes() bool {
	for _, f := range r.ledger.Judge().Of(ledger.Lost) {
		if f.Promise != ledger.PromiseInbox {
			return false
		}
	}
	return true
}

func (r *ring) idle(ctx context.Context) bool {
	idle, _ := r.service.Idle(ctx)
	return idle
}

// await polls until done, the time has come, or ctx ends.
func (r *ring) await(ctx context.Context, until time.Duration, done func() bool) {
	for r.now() < until && !done() {
		if !pause(ctx, 250*time.Millisecond) {
			return
		}
	}
}
