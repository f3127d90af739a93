package simulator

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// coordinator is the end of the links that asks. It has one goroutine per peer; close ends them.
type coordinator struct {
	listener net.Listener
	peers    []*peer
	wg       sync.WaitGroup
}

const defaultJoinTimeout = 2 * time.Minute

// coordinate waits for the other processes and shares the devices out.
func coordinate(ctx context.Context, r *run) (c *coordinator, err error) {
	host, _, err := net.SplitHostPort(r.opt.Coordinator)
	if err != nil {
		return nil, cannot("--coordinator %q: %w; want host:port", r.opt.Coordinator, err)
	}
	if ip := net.ParseIP(host); (ip == nil || !ip.IsLoopback()) && host != "localhost" && !r.opt.Remote {
		return nil, cannot("--coordinator %s listens for other machines; --yes-remote says that it may", r.opt.Coordinator)
	}
	c = &coordinator{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.listener, err = net.Listen("tcp", r.opt.Coordinator); err != nil {
		return c, cannot("--coordinator: %w", err)
	}
	patience := r.opt.JoinTimeout
	if patience <= 0 {
		patience = defaultJoinTimeout
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stop := context.AfterFunc(wait, func() { _ = c.listener.Close() })
	defer stop()
	if r.opt.Progress.Out != nil {
		fmt.Fprintf(r.opt.Progress.Out, "waiting for %d process(es): lightpush simulate --join %s\n", r.opt.Processes-1, c.listener.Addr())
	}
	if r.opt.onPhase != nil {
		r.opt.onPhase("join " + c.listener.Addr().String())
	}
	for len(c.peers) < r.opt.Processes-1 {
		conn, err := c.listener.Accept()
		if err != nil {
			return c, cannot("%d of %d processes came within %v: %w", len(c.peers)+1, r.opt.Processes, patience, err)
		}
		p := &peer{link: newLink(conn), run: r, number: len(c.peers) + 1, answers: make(chan line, 1), ended: make(chan struct{})}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if hello, err := p.link.receive(); err != nil || hello.Op != opHello || hello.Version != linkVersion {
			_ = p.link.send(line{Op: opError, Error: "another version of lightpush coordinates this run"})
			_ = conn.Close() // a stranger, or another version: does not count
			continue
		}
		_ = conn.SetReadDeadline(time.Time{})
		c.peers = append(c.peers, p)
		c.wg.Go(p.read)
	}
	for _, p := range c.peers {
		if err := p.start(); err != nil {
			return c, cannot("process %d: %w", p.number+1, err)
		}
	}
	return c, nil
}

func (c *coordinator) close() {
	if c.listener != nil {
		_ = c.listener.Close()
	}
	for _, p := range c.peers {
		p.stop()
	}
	c.wg.Wait()
}

// peer is a crew in another process; it implements party.
type peer struct {
	link    *link
	run     *run
	number  int       // from 1
	answers chan line // to what was asked
	ended   chan struct{}

	mu     sync.Mutex
	latest live
	err    error
	sent   int64 // entries of the journal
}

// read takes what the peer says, until the connection ends.
func (p *peer) read() {
	defer close(p.ended)
	for {
		m, err := p.link.receive()
		if err == nil && m.Op == opError {
			err = fmt.Errorf("process %d: %s", p.number+1, clip(m.Error))
		}
		if err == nil && m.Op == opMark {
			err = p.mark()
		}
		if err != nil {
			p.mu.Lock()
			p.err = fmt.Errorf("%w: %w", errParty, err)
			p.mu.Unlock()
			return
		}
		switch m.Op {
		case opLive:
			if m.Live != nil {
				p.mu.Lock()
				p.latest = *m.Live
				p.mu.Unlock()
			}
		case opReady, opMissing, opResult, opEntries:
			select {
			case p.answers <- m:
			default: // nobody has asked
			}
		}
	}
}

// mark sends what the journal has grown by: the peer's clients that have joined need not hear of earlier pushes.
func (p *peer) mark() error {
	for {
		p.mu.Lock()
		from := p.sent
		p.mu.Unlock()
		entries := p.run.journal.tail(from, partEntries)
		last := len(entries) < partEntries
		kind := opEntries
		if last {
			kind = opMark
		}
		if err := p.link.send(line{Op: kind, From: from, Entries: packEntries(entries)}); err != nil {
			return err
		}
		p.mu.Lock()
		p.sent += int64(len(entries))
		p.mu.Unlock()
		if last {
			return nil
		}
	}
}

// answerTimeout is how long a peer may take to answer.
const answerTimeout = time.Minute

// ask sends and waits for the answer of the same kind.
func (p *peer) ask(m line, want op) (line, error) {
	if err := p.link.send(m); err != nil {
		return line{}, fmt.Errorf("%w: process %d: %w", errParty, p.number+1, err)
	}
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	for {
		select {
		case a := <-p.answers:
			if a.Op == want {
				return a, nil
			}
		case <-p.ended:
			p.mu.Lock()
			defer p.mu.Unlock()
			return line{}, p.err
		case <-timer.C:
			return line{}, fmt.Errorf("%w: process %d does not answer", errParty, p.number+1)
		}
	}
}

func (p *peer) start() error {
	cfg := p.run.cfg
	share := portion(cfg.Total, p.run.opt.Processes, p.number)
	p.mu.Lock()
	p.latest.Clients = share.count
	p.mu.Unlock()
	_, err := p.ask(line{
		Op: opStart, Config: configOf(cfg), Pushes: cfg.PushRate != 0, Every: cfg.EverySender, Run: p.run.plan.run,
		First: share.first, Count: share.count, Clock: p.run.crew.clock(),
	}, opReady)
	return err
}

// tell sends what needs no answer; a failure shows at the next question.
func (p *peer) tell(m line) { _ = p.link.send(m) }

func (p *peer) begin(perSecond float64) { p.tell(line{Op: opBegin, Rate: perSecond}) }
func (p *peer) churn(on bool)           { p.tell(line{Op: opChurn, On: on}) }
func (p *peer) storm(share float64)     { p.tell(line{Op: opStorm, Share: share}) }

func (p *peer) live() (live, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest, p.err
}

// complete sends the whole journal again: by now it is known what became of each push.
func (p *peer) complete() error {
	for from := int64(0); ; {
		entries := p.run.journal.tail(from, partEntries)
		if _, err := p.ask(line{Op: opEntries, From: from, Entries: packEntries(entries), On: true}, opEntries); err != nil {
			return err
		}
		if from += int64(len(entries)); len(entries) < partEntries {
			return nil
		}
	}
}

func (p *peer) missing() (bool, error) {
	a, err := p.ask(line{Op: opMissing}, opMissing)
	return a.Missing, err
}

func (p *peer) result() (*outcome, error) {
	a, err := p.ask(line{Op: opResult}, opResult)
	if err == nil && a.Outcome == nil {
		err = fmt.Errorf("%w: process %d has no result", errParty, p.number+1)
	}
	return a.Outcome, err
}

func (p *peer) stop() {
	_ = p.link.send(line{Op: opEnd})
	_ = p.link.conn.Close()
}
