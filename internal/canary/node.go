package canary

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// What is wrong with a connector.
var (
	ErrWrite   = errors.New("nothing can be written to the stream of this node")
	ErrRead    = errors.New("the stream of this node is not read")
	ErrLatency = errors.New("messages take too long through the stream of this node")
	ErrOthers  = errors.New("nothing written by other processes arrives, although they live")
)

// Node is the canary of a connector.
type Node struct {
	o      Options
	told   told // the goroutine only
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{} // capacity 1: pick is not empty

	mu     sync.Mutex
	since  time.Time // before it nothing was expected
	ticked time.Time // the last round
	left   bool      // out of the ring for good

	own         []ownNote // written and not seen yet, the oldest first
	written     time.Time // the last one
	arrived     time.Time // when the last own note came, whichever
	arrivedSent time.Time // when the newest that came was written

	heard   time.Time // when the last note of another process came
	watched map[string]*watch
	few     time.Time // fewer than two are watched since then; zero when not
	picked  witness
	pick    map[string]Note // notes of logic processes, to be picked up
}

// ownNote is a note of this node. The time is that of the clock that does not
// jump; the other is the note's name.
type ownNote struct {
	sent int64
	at   time.Time
}

// watch is a peer before this node, which writes to it.
type watch struct {
	since    time.Time // it has been there since then
	interval time.Duration
	lease    int64
	seen     time.Time // when that was the lease
	alive    time.Time // it lived then: the lease was renewed later
}

// witness is a logic process whose notes are picked up somewhere.
type witness struct {
	last  Note
	seen  time.Time // when that was the last one
	alive time.Time // it lived then: another one was picked up later
}

// NewNode returns the canary of a connector; hand what its stream brings to
// Received.
func NewNode(o Options) *Node {
	o.setDefaults()
	c := &Node{o: o, wake: make(chan struct{}, 1), watched: map[string]*watch{}, pick: map[string]Note{}}
	c.begin(o.Now())
	return c
}

// Start starts the goroutine. The node must have its stream and its lease.
func (c *Node) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.done = cancel, make(chan struct{})
	go func() {
		defer close(c.done)
		every(ctx, c.o.Interval, c.tick, c.wake, c.pickUp)
	}()
}

// Close ends the goroutine and takes the node out of the ring.
func (c *Node) Close() {
	if c.cancel == nil { // never started
		return
	}
	c.cancel()
	<-c.done
	c.leave(context.Background())
}

// begin makes everything before now a time of which nothing is known.
func (c *Node) begin(now time.Time) {
	c.since, c.ticked = now, now
	clear(c.watched)
	c.few, c.picked = time.Time{}, witness{}
}

// Received takes a note from the stream of this node. Safe for concurrent use;
// it does not block.
func (c *Node) Received(n Note) {
	now := c.o.Now()
	if n.From == c.o.Process && !n.Answer {
		c.receivedOwn(n, now)
		return
	}
	c.o.Observe(Other, max(0, time.Duration(now.UnixMicro()-n.Sent)*time.Microsecond))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = now
	if n.Answer && (len(c.pick) < pickUps || c.pick[n.From].Sent != 0) {
		c.pick[n.From] = n
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

func (c *Node) receivedOwn(n Note, now time.Time) {
	c.mu.Lock()
	c.arrived = now // also one of an earlier process of that name: the stream is read
	age := time.Duration(-1)
	for i, own := range c.own {
		if own.sent == n.Sent {
			c.arrivedSent, age = own.at, now.Sub(own.at)
			c.own = append(c.own[:0], c.own[i+1:]...)
			break
		}
	}
	c.mu.Unlock()
	if age >= 0 {
		c.o.Observe(Own, age)
	}
}

// Check says what is wrong, nil when nothing is. Safe for concurrent use.
func (c *Node) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Now()
	// When this process was frozen it does not know yet what it has missed.
	if limit := c.ticked.Add(2 * c.o.Interval); now.After(limit) {
		now = limit
	}
	return c.judge(now).err
}

func (c *Node) tick(ctx context.Context) {
	if c.o.Leaving() {
		c.leave(ctx)
		return
	}
	now := c.o.Now()
	away := c.o.Away()
	c.mu.Lock()
	if away || now.Sub(c.ticked) > c.o.paused() {
		c.begin(now)
	}
	c.ticked = now
	c.mu.Unlock()
	if !away {
		round, done := context.WithTimeout(ctx, c.o.opTimeout())
		c.round(round)
		done()
	}
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	v := c.judge(c.o.Now())
	c.mu.Unlock()
	c.told.tell(&c.o, v)
}

// round writes the notes of this interval and looks who else is there.
func (c *Node) round(ctx context.Context) {
	c.writeOwn(ctx)
	before, behind, err := c.o.Store.KeepInRing(ctx, c.o.Process, c.o.Interval, neighbours)
	c.watch(before, err)
	if err != nil {
		c.o.OnError(fmt.Errorf("neighbours of the canary: %w", err))
		return
	}
	for _, p := range behind {
		// One that is gone has no stream; the ring will know.
		if _, err := c.o.Sender.Canary(ctx, p.Node, c.note()); err != nil {
			c.o.OnError(err)
		}
	}
	_, last, err := c.o.Store.PickedUp(ctx, c.o.Process)
	if err != nil {
		c.o.OnError(err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.picked.see(last, c.o.Now())
}

func (c *Node) note() Note {
	return Note{From: c.o.Process, Sent: c.o.Now().UnixMicro(), Interval: c.o.Interval}
}

func (c *Node) writeOwn(ctx context.Context) {
	c.mu.Lock()
	n := c.note()
	if last := len(c.own) - 1; last >= 0 && n.Sent <= c.own[last].sent { // clocks are coarse, and are set back
		n.Sent = c.own[last].sent + 1
	}
	// Noted first: it may be back before the reply.
	at := c.o.Now()
	c.own = append(c.own, ownNote{n.Sent, at})
	if len(c.own) > ownNotes {
		c.own = append(c.own[:0], c.own[1:]...)
	}
	c.mu.Unlock()
	written, err := c.o.Sender.Canary(ctx, c.o.Process, n)
	if err != nil {
		c.o.OnError(err)
	}
	if written {
		c.mu.Lock()
		c.written = at
		c.mu.Unlock()
	}
}

// watch remembers who writes to this node. Without an answer nobody is known to.
func (c *Node) watch(before []Peer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Now()
	there := make(map[string]*watch, len(before))
	if err == nil {
		for _, p := range before {
			w := c.watched[p.Node]
			switch {
			case w == nil || w.interval != p.Interval:
				w = &watch{since: now, interval: p.Interval, lease: p.Lease}
			case w.lease != p.Lease:
				w.lease, w.alive = p.Lease, w.seen
			}
			w.seen = now
			there[p.Node] = w
		}
	}
	c.watched = there
	switch {
	case err != nil || len(there) >= neighbours:
		c.few = time.Time{}
	case c.few.IsZero():
		c.few = now
	}
}

// see takes the last note that was picked up anywhere.
func (w *witness) see(last Note, now time.Time) {
	if last != w.last && last.From != "" {
		w.alive = w.seen // zero at first
	}
	w.last, w.seen = last, now
}

// judge says what is wrong at a time. mu is held.
func (c *Node) judge(now time.Time) verdict {
	if c.left {
		return verdict{}
	}
	silent := func(last time.Time) time.Duration { return now.Sub(later(last, c.since)) }
	fail := func(kind Failure, err error, d time.Duration) verdict {
		return verdict{kind, fmt.Errorf("%w, for %d s", err, int(d.Seconds()))}
	}
	if w := c.o.window(0); silent(c.arrivedSent) > w {
		switch {
		case silent(c.written) > w:
			return fail(Write, ErrWrite, silent(c.written))
		case silent(c.arrived) > w:
			return fail(Read, ErrRead, silent(c.arrived))
		}
		return fail(Latency, ErrLatency, silent(c.arrivedSent))
	}
	if c.witnesses() >= witnesses {
		return fail(Others, ErrOthers, silent(c.heard))
	}
	return verdict{}
}

// witnesses is how many processes lived on for so long after the last note of
// any other, that theirs should have come. mu is held.
func (c *Node) witnesses() (n int) {
	last := later(c.heard, c.since)
	for _, w := range c.watched {
		if w.alive.Sub(later(last, w.since)) > c.o.window(w.interval) {
			n++
		}
	}
	// A logic process writes to every connector as long as they are few. Which
	// one of them writes here is not known when there are several; the last
	// that was picked up elsewhere is as good as any.
	if p := c.picked; !c.few.IsZero() && p.alive.Sub(later(last, c.few)) > c.o.window(p.last.Interval) &&
		p.last.From != c.o.Process && c.watched[p.last.From] == nil {
		n++
	}
	return n
}

// pickUp tells logic processes that their notes have come. A failure costs
// them one of several.
func (c *Node) pickUp(ctx context.Context) {
	c.mu.Lock()
	notes := make([]Note, 0, len(c.pick))
	for _, n := range c.pick {
		notes = append(notes, n)
	}
	clear(c.pick)
	c.mu.Unlock()
	if len(notes) == 0 {
		return
	}
	ctx, done := context.WithTimeout(ctx, c.o.opTimeout())
	defer done()
	if err := c.o.Store.PickUp(ctx, notes); err != nil {
		c.o.OnError(err)
	}
}

// leave takes the node out of the ring, once.
func (c *Node) leave(ctx context.Context) {
	c.mu.Lock()
	left := c.left
	c.left = true
	c.mu.Unlock()
	if left {
		return
	}
	ctx, done := context.WithTimeout(ctx, opMin) // the end of a process may wait for it
	defer done()
	if err := c.o.Store.LeaveRing(ctx, c.o.Process); err != nil {
		c.o.OnError(fmt.Errorf("leave the ring of canaries: %w", err)) // the lease ends, too
	}
}
