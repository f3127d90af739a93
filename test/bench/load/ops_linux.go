package load

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// dialsPerStep keeps the loop reading while it opens thousands.
const dialsPerStep = 128

// begin starts a command.
func (c *Client) begin(r request, now time.Duration) error {
	cmd := r.command
	g := c.groups[cmd.Group]
	if g == nil {
		if cmd.Op != OpConnect && cmd.Op != OpStats {
			return fmt.Errorf("no group %q", cmd.Group)
		}
		g = &group{}
		if cmd.Op == OpConnect {
			c.groups[cmd.Group] = g
		}
	}
	if cmd.Timeout <= 0 {
		cmd.Timeout = defaultTimeout
	}
	if cmd.Stall <= 0 {
		cmd.Stall = defaultStall
	}
	op := &operation{request: r, group: g, deadline: now + cmd.Timeout, stall: cmd.Stall, finish: g.reply}
	switch cmd.Op {
	case OpWait, OpStats, OpClose, OpReturn, OpTally: // go on counting
	default:
		g.reset(now)
	}
	switch cmd.Op {
	case OpConnect:
		if err := c.beginConnect(op, cmd); err != nil {
			return err
		}
	case OpJoin:
		c.beginJoin(op, cmd)
	case OpExpect:
		g.expected = max(cmd.Total, cmd.Messages*g.open)
		op.step = done
	case OpWait:
		g.last = now // what was waited for may have begun only now
		want := g.expected
		if cmd.Total > 0 {
			want = cmd.Total
		}
		op.step = func(time.Duration) bool { return g.received >= want }
	case OpAck:
		c.beginAck(op, cmd)
	case OpEvents:
		if err := c.beginEvents(op, cmd); err != nil {
			return err
		}
	case OpClose:
		c.closeLast(cmd)
		op.step = done
	case OpReturn:
		if err := c.beginReturn(op, cmd); err != nil {
			return err
		}
	case OpTally:
		op.finish = func() Reply { return g.tally(cmd.Messages) }
		op.step = done
	case OpStats:
		op.step = done
	default:
		return fmt.Errorf("unknown command %q", cmd.Op)
	}
	c.active = op
	return nil
}

func done(time.Duration) bool { return true }

func (c *Client) beginConnect(op *operation, cmd Command) error {
	to, err := netip.ParseAddrPort(cmd.Addr)
	if err != nil || !to.Addr().Is4() || cmd.Namespace == "" {
		return fmt.Errorf("connect to %q, namespace %q: an IPv4 address with port and a namespace are needed", cmd.Addr, cmd.Namespace)
	}
	c.host, c.namespace, c.prefix = cmd.Addr, cmd.Namespace, "42"+cmd.Namespace+","
	c.connectFrame = appendText(nil, "40"+cmd.Namespace+",")
	op.group.check = cmd.Check
	if cmd.Window <= 0 {
		cmd.Window = cmd.Count
	}
	g := op.group
	next := 0
	op.step = func(now time.Duration) bool {
		for range dialsPerStep {
			if next >= cmd.Count || c.underway >= cmd.Window {
				break
			}
			number := cmd.First + next
			next++
			if err := c.open(to, g, number, cmd.EIO == 3 || cmd.EIO == 0 && number%2 == 1, now); err != nil {
				g.failed(false, err.Error())
			}
			g.last = now
		}
		c.dialing = next < cmd.Count && c.underway < cmd.Window
		return next >= cmd.Count && c.underway == 0
	}
	op.finish = func() Reply {
		c.abandon(g)
		reply := g.reply()
		reply.Never = cmd.Count - g.completed - g.refused - g.broken
		return reply
	}
	return nil
}

// abandon gives up what never completes.
func (c *Client) abandon(g *group) {
	c.dialing = false
	for _, one := range g.conns {
		if one.phase != ready && one.phase != closed {
			c.underway--
			one.close(true)
		}
	}
}

func (c *Client) beginJoin(op *operation, cmd Command) {
	g := op.group
	frame := func(room string) []byte {
		return appendText(nil, c.prefix+`0["joinRoom",[`+strconv.Quote(room)+`]]`)
	}
	want := 0
	if cmd.Size <= 0 {
		g.joinFrame = frame(cmd.Room)
		want = c.toAll(g, g.joinFrame)
	} else {
		for _, one := range g.conns {
			if one.phase == ready { // those that never completed leave no gap
				one.send(frame(cmd.Room + strconv.Itoa(want/cmd.Size)))
				want++
			}
		}
	}
	op.step = func(time.Duration) bool { return g.acks >= want }
	op.finish = func() Reply {
		reply := g.reply()
		reply.Completed, reply.InPlace = g.acks, 0
		reply.Never = want - g.acks
		return reply
	}
}

func (c *Client) beginAck(op *operation, cmd Command) {
	var frames []byte
	for _, id := range cmd.IDs {
		frames = appendText(frames, c.prefix+`["ackPush",{"id":`+strconv.FormatInt(id, 10)+`}]`)
	}
	sent := c.toAll(op.group, frames)
	op.step = func(time.Duration) bool { return c.unsent == 0 }
	op.finish = func() Reply {
		reply := op.group.reply()
		reply.Expected = sent * len(cmd.IDs)
		return reply
	}
}

// toAll sends to the open clients of a group and returns how many they are.
func (c *Client) toAll(g *group, frames []byte) (n int) {
	for _, one := range g.conns {
		if one.phase == ready {
			n++
			one.send(frames)
		}
	}
	return n
}

func (c *Client) beginEvents(op *operation, cmd Command) error {
	g := op.group
	if len(g.conns) == 0 || g.conns[0].phase != ready {
		return fmt.Errorf("no client in group %q", cmd.Group)
	}
	var frames []byte
	for i := range cmd.Count {
		n := strconv.Itoa(i)
		event := `["n",` + n + `]`
		if cmd.Event == "rooms" {
			event = `["joinRoom",["turn"]]`
			if i%2 == 1 {
				event = `["leaveRoom",["turn"]]`
			}
		}
		frames = appendText(frames, c.prefix+n+event)
	}
	g.expected = cmd.Count
	g.conns[0].send(frames)
	op.step = func(time.Duration) bool { return g.acks >= cmd.Count }
	op.finish = func() Reply {
		reply := g.reply()
		reply.Received = g.acks
		return reply
	}
	return nil
}

// closeLast closes the newest clients of a group and forgets them.
func (c *Client) closeLast(cmd Command) {
	g := c.groups[cmd.Group]
	n := cmd.Count
	if n <= 0 || n > len(g.conns) {
		n = len(g.conns)
	}
	rest := len(g.conns) - n
	for _, one := range g.conns[rest:] {
		if one.phase != closed {
			one.close(cmd.Reset)
		}
	}
	clear(g.conns[rest:])
	g.conns = g.conns[:rest]
	if rest == 0 {
		delete(c.groups, cmd.Group)
	}
}
