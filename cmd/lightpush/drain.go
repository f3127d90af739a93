package main

import (
	"context"
	"slices"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
)

// drain takes the process out of service before it stops: /readyz says no at
// once, for drain_wait everything goes on, and then a connector lets nobody in
// any more and sends its clients away, no faster than the others can take
// them.
func (p *process) drain() {
	if p.backend == nil {
		return
	}
	p.backend.draining.Store(true)
	if wait := p.cfg.DrainWait; wait > 0 {
		p.log.Info().Dur("wait", wait).Msg("draining: not ready any more")
		time.Sleep(wait)
	}
	if p.connector == nil {
		return
	}
	p.connector.entrance.gate.Close()
	if p.role == roleAll || p.cfg.DrainRate == 0 {
		return // stop sends all away at once
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.DrainTimeout)
	defer cancel()
	start := time.Now()
	gone, left := p.connector.sendAway(ctx, p.cfg.DrainRate)
	p.log.Info().Int("clients", gone).Int("left", left).Dur("took", time.Since(start)).Msg("drained")
}

// drainStep is how long the clients of one step have to leave before the next.
const drainStep = 20 * time.Millisecond

// sendAway closes the sessions, and what this node passes on to others, at
// rate per second until none is left or ctx ends. The stock clients come back
// by themselves after a transport that was closed; what they miss meanwhile
// they get by recovery or from the inbox.
func (c *connector) sendAway(ctx context.Context, rate int) (gone, left int) {
	sessions := slices.Collect(c.server.Engine().Sessions)
	tunnels := func() int {
		if c.entrance.relay == nil {
			return 0
		}
		return c.entrance.relay.Tunnels()
	}
	ticker := time.NewTicker(drainStep)
	defer ticker.Stop()
	for start := time.Now(); len(sessions) > 0 || tunnels() > 0; {
		select {
		case <-ctx.Done():
			return gone, len(sessions) + tunnels()
		case <-ticker.C:
		}
		due := int(time.Since(start).Seconds()*float64(rate)) - gone
		n := min(max(due, 0), len(sessions))
		for _, s := range sessions[:n] {
			s.Close(engineio.ReasonServerShutdown)
		}
		sessions = sessions[n:]
		if due > n && tunnels() > 0 {
			n += c.entrance.relay.Drop(due - n)
		}
		gone += n
		c.b.metrics.Drained.Add(float64(n))
	}
	return gone, 0
}
