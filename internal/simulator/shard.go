package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/netloop"
	"github.com/lightpush/lightpush/internal/simulator/wire"
)

// target is where clients connect, found out before the run.
type target struct {
	addr    netip.AddrPort
	host    string // of the Host header
	tls     *tls.Config
	sources []netip.Addr // local addresses in turn; none: the system's choice
}

// shard is one loop and its clients. After start everything belongs to the goroutine of the loop; do reaches in.
type shard struct {
	plan    *plan
	target  target
	journal *journal
	loop    *netloop.Loop
	random  *rand.Rand

	clients  []*client
	waiting  []*client // to connect for the first time
	nextOpen int64
	pace     int64 // nanoseconds between two of them
	window   int   // connects under way at once
	underway int
	ready    int
	settled  int // clients that have been ready or have given up
	// settledAt is when the last of them was.
	settledAt int64
	churn     bool
	churnAt   int64
	timers    timers

	tally   tally
	lost    []ended   // lives that ended with gaps
	marks   []joining // clients whose position in the journal is still to be asked for
	remote  bool      // the journal is a copy: positions come from elsewhere
	scratch []byte    // for building frames
	skew    int64     // nanoseconds the senders' clock is ahead
}

// joining is a client that has joined in one of its lives.
type joining struct {
	c    *client
	life uint32
}

// ended is what a past life leaves for the judging.
type ended struct {
	device int32
	slow   bool
	ears   ears
}

// maxEnded bounds the lives with gaps that are remembered.
const maxEnded = 200_000

func newShard(p *plan, t target, j *journal, number int) (*shard, error) {
	s := &shard{plan: p, target: t, journal: j, window: p.cfg.ConnectWindow}
	s.random = rand.New(rand.NewPCG(p.cfg.Seed, 1<<63|uint64(number)))
	var err error
	s.loop, err = netloop.New(s.tick)
	return s, err
}

// add makes a client; before the loop runs.
func (s *shard) add(device int32) {
	c := &client{s: s, device: device, id: s.plan.identity(device)}
	c.ears.members = s.plan.memberships(device)
	c.ears.since = -1
	s.clients = append(s.clients, c)
}

// do runs f in the loop and waits; false when the loop has ended.
func (s *shard) do(f func()) bool {
	done := make(chan struct{})
	if !s.loop.Do(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// begin connects all clients, perSecond of them in every second; 0 as fast as the window allows.
func (s *shard) begin(perSecond float64) {
	s.waiting = s.clients
	s.nextOpen = s.loop.Now()
	if perSecond > 0 {
		s.pace = int64(float64(time.Second) / perSecond)
	}
}

// tick is the end of every turn of the loop.
func (s *shard) tick(now int64) time.Duration {
	for len(s.timers) > 0 && s.timers[0].at <= now {
		t := s.timers.pop()
		if t.c.life == t.life {
			t.c.onTimer(t)
		}
	}
	const burst = 64 // per turn: the loop goes on reading
	for n := 0; len(s.waiting) > 0 && s.underway < s.window && s.nextOpen <= now && n < burst; n++ {
		c := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.nextOpen += s.pace
		c.connect()
	}
	if s.churn && s.churnAt <= now {
		s.leaveSome(now)
	}
	wait := int64(time.Second)
	if len(s.timers) > 0 {
		wait = min(wait, s.timers[0].at-now)
	}
	if len(s.waiting) > 0 && s.underway < s.window {
		wait = min(wait, s.nextOpen-now)
	}
	if s.churn {
		wait = min(wait, s.churnAt-now)
	}
	return time.Duration(max(wait, 0))
}

const churnStep = 100 * time.Millisecond

// leaveSome is a tenth of a second of churn.
func (s *shard) leaveSome(now int64) {
	s.churnAt = now + int64(churnStep)
	share := s.plan.cfg.Churn * churnStep.Seconds()
	n := float64(len(s.clients)) * share
	for ; n > 0 && (n >= 1 || s.random.Float64() < n); n-- {
		if c := s.clients[s.random.IntN(len(s.clients))]; c.phase == ready {
			s.tally.Left++
			c.leave()
		}
	}
}

// storm cuts a share of the clients off, all at once; each comes back after its delay.
func (s *shard) storm(share float64) {
	for _, c := range s.clients {
		if c.phase == ready && s.random.Float64() < share {
			s.tally.Cut++
			c.cut()
		}
	}
}

// setChurn starts or ends it.
func (s *shard) setChurn(on bool) {
	s.churn, s.churnAt = on && s.plan.cfg.Churn > 0 && len(s.clients) > 0, s.loop.Now()
}

// delay is the pause before a client comes back, ± 50 %.
func (s *shard) delay(times int) time.Duration {
	d := s.plan.cfg.ReconnectDelay * time.Duration(max(times, 1))
	return d/2 + time.Duration(s.random.Int64N(int64(d)+1))
}

func (s *shard) after(c *client, d time.Duration, kind timerKind) {
	s.timers.push(timer{at: s.loop.Now() + int64(d), c: c, life: c.life, kind: kind})
}

// dial opens one connection for a client.
func (s *shard) dial(c *client, h netloop.Handler) (netloop.Conn, error) {
	to := netloop.Target{Addr: s.target.addr, TLS: s.target.tls}
	if n := len(s.target.sources); n > 0 {
		to.From = s.target.sources[int(c.device)%n]
	}
	return s.loop.Dial(to, h)
}

// keep remembers a life that has ended with something missing.
func (s *shard) keep(c *client) {
	s.tally.Uncounted += c.ears.more
	if len(c.ears.gaps) > 0 {
		if len(s.lost) < maxEnded {
			s.lost = append(s.lost, ended{c.device, c.id.slow, ears{gaps: c.ears.gaps, since: c.ears.since}})
		} else {
			s.tally.Uncounted += int64(len(c.ears.gaps))
		}
	}
}

// heardPush counts one message.
func (s *shard) heardPush(c *client, data []byte) {
	m, ours := wire.FindMark(data, s.plan.run)
	if !ours || int(m.Stream) >= s.plan.streams() {
		s.tally.Foreign++
		return
	}
	v := c.ears.hear(m.Stream, m.Seq)
	id := wire.MessageID(data)
	t := &s.tally
	switch v {
	case stray:
		t.Stray++
		return
	case repeated:
		t.Repeated++
		if t.FirstRepeated == nil {
			t.FirstRepeated = s.note(c, id, m)
		}
	case reordered:
		t.Reordered++
		if t.FirstReordered == nil {
			t.FirstReordered = s.note(c, id, m)
		}
	}
	if v != repeated {
		t.Delivered++
		if c.id.slow {
			t.Slow++
		} else {
			t.Latency.Record(time.Duration(s.loop.Now() + s.skew - m.Sent))
		}
	}
	if v == repeated {
		return
	}
	which := mark{m.Stream, m.Seq}
	if s.plan.sampled(m.Stream, m.Seq) {
		t.sample(which, heard{Got: 1})
	}
	if id > 0 && (s.plan.cfg.AckRatio >= 1 || s.random.Float64() < s.plan.cfg.AckRatio) {
		c.ackLater(id, which)
	}
}

func (s *shard) note(c *client, id int64, m wire.Mark) *loss {
	return &loss{ID: id, Room: s.plan.room(m.Stream), Device: s.plan.uuid(c.device), Seq: m.Seq, Position: m.Sent}
}

// judged is what the ears of a shard add up to.
type judged struct {
	Lost     int64 `json:"lost"`
	SlowLost int64 `json:"slow_lost"` // by slow readers, who are not counted in Lost
	First    *loss `json:"first"`
}

func (a *judged) add(b judged) {
	a.Lost += b.Lost
	a.SlowLost += b.SlowLost
	a.First = first(a.First, b.First)
}

// judge counts what is missing; quick stops at the first.
func (s *shard) judge(quick bool) (j judged) {
	s.journal.view(func(entries []push, byStream [][]int32) {
		one := func(device int32, slow bool, e *ears, tail bool) {
			e.missing(entries, byStream, tail, func(at int64, stream, seq int32) {
				if slow {
					j.SlowLost++
					return
				}
				j.Lost++
				if j.First == nil || at < j.First.Position {
					j.First = &loss{Position: at, ID: entries[at-1].id, Room: s.plan.room(stream), Device: s.plan.uuid(device), Seq: seq}
				}
			})
		}
		if !quick {
			for i := range s.lost {
				one(s.lost[i].device, s.lost[i].slow, &s.lost[i].ears, false)
			}
		}
		for _, c := range s.clients {
			if c.phase == ready {
				one(c.device, c.id.slow, &c.ears, true)
				if !quick {
					j.Lost += c.ears.more
				}
			}
			if quick && j.Lost+j.SlowLost > 0 {
				return
			}
		}
	})
	return j
}

// run is the goroutine of the shard.
func (s *shard) run(ctx context.Context) error {
	if err := s.loop.Run(ctx); err != nil {
		return fmt.Errorf("event loop: %w", err)
	}
	return nil
}

// reason says in stable words why a connection failed, so that failures add up.
func reason(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no free local port"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many open files"
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, context.DeadlineExceeded):
		return "connect timed out"
	case errors.Is(err, netloop.ErrSendBuffer):
		return netloop.ErrSendBuffer.Error()
	case err.Error() == "EOF":
		return "closed by the server"
	}
	return clip(err.Error())
}
