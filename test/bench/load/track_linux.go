package load

import (
	"fmt"
	"net/netip"
	"time"
)

// track is kept of a client of a group whose messages are checked one by one,
// and that may come back after its connection has ended, as official clients
// do.
type track struct {
	pid, offset string   // what it needs to continue its session
	seen        []uint64 // a bit per number it has got since OpExpect
	cut         bool     // its connection has ended since OpExpect
	returning   bool     // it is on its way back
}

// note marks message n and reports whether it is new.
func (t *track) note(n int64) bool {
	const most = 1 << 20 // numbers come from outside
	if n < 0 || n >= most {
		return true
	}
	for int(n>>6) >= len(t.seen) {
		t.seen = append(t.seen, 0)
	}
	bit := uint64(1) << (n & 63)
	fresh := t.seen[n>>6]&bit == 0
	t.seen[n>>6] |= bit
	return fresh
}

func (t *track) has(n int) bool { return n>>6 < len(t.seen) && t.seen[n>>6]&(1<<(n&63)) != 0 }

// session notes what the answer to CONNECT says; a known pid means that the
// session goes on.
func (c *conn) session(answer []byte) {
	t := c.track
	if t == nil {
		return
	}
	pid := text(answer, `"pid":"`)
	if t.returning && pid != "" && pid == t.pid {
		c.group.continued++
	}
	t.pid = pid
}

// connectFrame is the CONNECT packet: with what it needs to go on for a client
// that comes back.
func (c *conn) connectFrame() []byte {
	if c.track == nil || !c.track.returning || c.track.pid == "" {
		return c.client.connectFrame
	}
	return appendText(nil, "40"+c.client.namespace+`,{"pid":"`+c.track.pid+`","offset":"`+c.track.offset+`"}`)
}

// beginReturn has clients of a group whose connections have ended connect
// again, and join again the room they were in.
func (c *Client) beginReturn(op *operation, cmd Command) error {
	to, err := netip.ParseAddrPort(cmd.Addr)
	if err != nil || !to.Addr().Is4() {
		return fmt.Errorf("return to %q: an IPv4 address with port is needed", cmd.Addr)
	}
	c.host = cmd.Addr
	g := op.group
	var away []*conn
	for _, one := range g.conns {
		if one.phase == closed && one.track != nil && (cmd.Count <= 0 || len(away) < cmd.Count) {
			away = append(away, one)
		}
	}
	before, acks := g.completed, g.acks
	next := 0
	op.step = func(now time.Duration) bool {
		for next < len(away) && (cmd.Window <= 0 || c.underway < cmd.Window) {
			one := away[next]
			next++
			one.reborn(now)
			if err := c.dial(to, one); err != nil {
				g.failed(false, err.Error())
				one.phase = closed
			}
		}
		c.dialing = next < len(away) && (cmd.Window <= 0 || c.underway < cmd.Window)
		return next >= len(away) && c.underway == 0 && (g.joinFrame == nil || g.acks-acks >= g.completed-before)
	}
	op.finish = func() Reply {
		c.abandon(g)
		reply := g.reply()
		reply.Completed = g.completed - before
		reply.Never = len(away) - reply.Completed
		return reply
	}
	return nil
}

// reborn makes a closed client ready to connect again; it stays who it is.
func (c *conn) reborn(now time.Duration) {
	c.phase, c.connected, c.welcomed, c.started = connecting, false, false, now
	c.track.returning = true
}

// tally counts who has got which message since OpExpect.
func (g *group) tally(messages int) Reply {
	reply := g.reply()
	reply.Seen, reply.SeenCut = make([]int, messages), make([]int, messages)
	for _, one := range g.conns {
		t := one.track
		if t == nil {
			continue
		}
		if t.cut {
			reply.Cut++
		}
		for n := range messages {
			if !t.has(n) {
				continue
			}
			reply.Seen[n]++
			if t.cut {
				reply.SeenCut[n]++
			}
		}
	}
	return reply
}

func (g *group) arrived(now time.Duration) {
	const most = 1000
	i := int((now - g.started) / ArrivalStep)
	if i >= most {
		return
	}
	for i >= len(g.arrivals) {
		g.arrivals = append(g.arrivals, 0)
	}
	g.arrivals[i]++
}
