package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Join takes part in the run of a coordinator at addr, until that run has ended. out may be nil.
func Join(ctx context.Context, addr string, remote bool, out io.Writer) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return cannot("--join %q: %w; want host:port", addr, err)
	}
	if ip := net.ParseIP(host); (ip == nil || !ip.IsLoopback()) && host != "localhost" && !remote {
		return cannot("--join %s is another machine; --yes-remote says that it may command this one", addr)
	}
	conn, err := dialUntil(ctx, addr)
	if err != nil {
		return cannot("coordinator %s: %w", addr, err)
	}
	defer conn.Close()
	// Ctrl-C goes to all processes of a terminal: the coordinator may still want the result for its report.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now().Add(interruptedWait)) })
	defer stop()
	j := &joined{link: newLink(conn), remote: remote, out: out, done: make(chan struct{})}
	defer j.close()
	if err := j.link.send(line{Op: opHello, Version: linkVersion}); err != nil {
		return cannot("coordinator %s: %w", addr, err)
	}
	for {
		m, err := j.link.receive()
		if err == nil {
			err = j.obey(ctx, m)
		}
		switch {
		case errors.Is(err, errOver):
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted: %w", ctx.Err())
		case err != nil:
			_ = j.link.send(line{Op: opError, Error: err.Error()})
			return err
		}
	}
}

// dialUntil tries for a while: processes of one run are started in any order.
func dialUntil(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// interruptedWait is how long an interrupted process waits for the coordinator to ask for its result.
const interruptedWait = 10 * time.Second

// errOver ends a joined process well.
var errOver = errors.New("the run is over")

// joined is this process's part in another's run. Its reporter goroutine ends with done.
type joined struct {
	link    *link
	remote  bool
	out     io.Writer
	cfg     Config
	crew    *crew
	journal *journal
	done    chan struct{}
	ended   chan struct{} // the reporter has
	asked   chan []joining
}

func (j *joined) close() {
	close(j.done)
	if j.ended != nil {
		<-j.ended
	}
	if j.crew != nil {
		j.crew.stop()
	}
}

func (j *joined) say(format string, args ...any) {
	if j.out != nil {
		fmt.Fprintf(j.out, format+"\n", args...)
	}
}

// obey carries out one line.
func (j *joined) obey(ctx context.Context, m line) error {
	if m.Op == opError {
		return cannot("the coordinator says: %s", clip(m.Error))
	}
	if m.Op == opEnd {
		j.say("the run is over; the coordinator has the report")
		return errOver
	}
	if m.Op == opStart {
		if j.crew != nil {
			return errors.New("started twice")
		}
		return j.start(ctx, m)
	}
	if j.crew == nil {
		return fmt.Errorf("%q before the start", m.Op)
	}
	switch m.Op {
	case opBegin:
		j.crew.begin(m.Rate)
	case opChurn:
		if m.On {
			j.crew.settle()
		}
		j.crew.churn(m.On)
	case opStorm:
		j.crew.storm(m.Share)
	case opEntries, opMark:
		return j.replay(m)
	case opMissing:
		missing, err := j.crew.missing()
		if err != nil {
			return err
		}
		return j.link.send(line{Op: opMissing, Missing: missing})
	case opResult:
		o, err := j.crew.result()
		if err != nil {
			return err
		}
		for m, h := range o.Tally.Sampled {
			o.Tally.Samples = append(o.Tally.Samples, sample{m.Stream, m.Seq, h.Got, h.Acked})
		}
		j.say("%d clients: %d deliveries, %d lost, %d repeated, %d out of order", j.crew.size, o.Tally.Delivered, o.Judged.Lost, o.Tally.Repeated, o.Tally.Reordered)
		return j.link.send(line{Op: opResult, Outcome: o})
	}
	return nil
}

// start makes the clients the coordinator asks for.
func (j *joined) start(ctx context.Context, m line) error {
	j.cfg = Default()
	for _, k := range keys {
		if text, ok := m.Config[k.Name]; ok && !k.Secret {
			if err := k.Set(&j.cfg, text); err != nil {
				return cannot("configuration of the coordinator: %w", err)
			}
		}
	}
	// Only the coordinator pushes; what is pushed where follows from the rate being there or not.
	rate := j.cfg.PushRate
	j.cfg.PushRate, j.cfg.SLO, j.cfg.EverySender = 0, "", m.Every
	if err := j.cfg.Check(); err != nil {
		return cannot("configuration of the coordinator: %w", err)
	}
	j.cfg.PushServer, j.cfg.ServerMetrics, j.cfg.ServerPID = "", "", 0
	if j.cfg.PushRate = rate; m.Pushes && rate == 0 {
		j.cfg.PushRate = -1
	}
	if m.First < 0 || m.Count < 0 || int(m.First)+m.Count > j.cfg.Total || m.Run == "" || len(m.Run) > 32 {
		return cannot("the coordinator asks for devices %d to %d of %d", m.First, int(m.First)+m.Count, j.cfg.Total)
	}
	t, err := findTarget(ctx, &j.cfg, j.remote)
	if err != nil {
		return err
	}
	if err := t.setSources(&j.cfg, readLimits(), m.Count); err != nil {
		return err
	}
	if err := checkServer(ctx, &j.cfg, t); err != nil {
		return err
	}
	p := newPlan(&j.cfg, m.Run)
	j.journal = newJournal(p.streams())
	if j.crew, err = newCrew(p, t, j.journal, m.First, m.Count, loops()); err != nil {
		return cannot("%w", err)
	}
	// The two clocks are compared once; between machines that is as good as half a round trip of the link.
	skew := m.Clock - j.crew.clock()
	if t.addr.Addr().IsLoopback() {
		skew = 0 // one machine, one clock
	}
	j.crew.each(func(s *shard) { s.remote, s.skew = true, skew })
	j.asked = make(chan []joining, 1)
	j.ended = make(chan struct{})
	go j.report()
	if m.Count > 0 {
		j.say("joined: clients %s to %s", p.uuid(m.First), p.uuid(m.First+int32(m.Count)-1))
	}
	return j.link.send(line{Op: opReady})
}

// report sends the figures of the moment, and asks for the journal's state for clients that have joined since.
func (j *joined) report() {
	defer close(j.ended)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-j.done:
			return
		case <-tick.C:
		}
		l, _ := j.crew.live() // a failure shows in the next answer
		if j.link.send(line{Op: opLive, Live: &l}) != nil {
			return // the reader of the link hears of it
		}
		if len(j.asked) > 0 {
			continue
		}
		var joined []joining
		j.crew.each(func(s *shard) { joined, s.marks = append(joined, s.marks...), nil })
		if len(joined) > 0 {
			j.asked <- joined // room for one: only this goroutine adds
			if j.link.send(line{Op: opMark}) != nil {
				return
			}
		}
	}
}

// replay writes a part of the journal down; with the last part of a mark, the clients it was asked for know from where on
// they must hear everything.
func (j *joined) replay(m line) error {
	entries, err := unpackEntries(m.Entries)
	if err != nil {
		return err
	}
	if !j.journal.replay(m.From, entries) {
		return errEntries
	}
	if m.Op == opEntries {
		if m.On {
			return j.link.send(line{Op: opEntries})
		}
		return nil
	}
	select {
	case joined := <-j.asked:
		at := j.journal.len()
		j.crew.each(func(s *shard) {
			for _, m := range joined {
				if m.c.s == s && m.c.life == m.life && m.c.phase == ready {
					m.c.ears.since = at
				}
			}
		})
	default:
	}
	return nil
}
