package canary

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrUnheard says that a logic process does not reach connectors that others
// reach.
var ErrUnheard = errors.New("no connector gets what this process writes, although they get what others write")

// Logic is the canary of a logic process.
//
// It is unready only when it is the one that does not get through. When the
// notes of no logic process arrive the fault lies with the connectors or the
// store: to refuse pushes then would turn late messages into refused ones,
// since whatever is accepted is kept and delivered when they are back. Failed
// hears of that, and nobody else.
type Logic struct {
	o      Options
	told   told   // the goroutine only
	cursor string // the last connector written to; the goroutine only
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	since  time.Time // before it nothing was expected
	ticked time.Time
	own    int64     // Sent of the last note that was picked up
	heard  time.Time // when that was seen
	others witness
}

// NewLogic returns the canary of a logic process.
func NewLogic(o Options) *Logic {
	o.setDefaults()
	c := &Logic{o: o}
	c.begin(o.Now())
	return c
}

// Start starts the goroutine; Close ends it.
func (c *Logic) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.done = cancel, make(chan struct{})
	go func() {
		defer close(c.done)
		every(ctx, c.o.Interval, c.tick, nil, nil)
	}()
}

// Close ends the goroutine and waits for it.
func (c *Logic) Close() {
	if c.cancel == nil { // never started
		return
	}
	c.cancel()
	<-c.done
}

func (c *Logic) begin(now time.Time) {
	c.since, c.ticked = now, now
	c.others = witness{}
}

// Check says what is wrong, nil when nothing is. Safe for concurrent use.
func (c *Logic) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Now()
	if limit := c.ticked.Add(2 * c.o.Interval); now.After(limit) {
		now = limit
	}
	return c.judge(now).err
}

func (c *Logic) tick(ctx context.Context) {
	now := c.o.Now()
	idle := c.o.Leaving() || c.o.Away()
	c.mu.Lock()
	if idle || now.Sub(c.ticked) > c.o.paused() {
		c.begin(now)
	}
	c.ticked = now
	c.mu.Unlock()
	if idle {
		return
	}
	round, done := context.WithTimeout(ctx, c.o.opTimeout())
	defer done()
	c.round(round)
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	v := c.judge(c.o.Now())
	c.mu.Unlock()
	c.told.tell(&c.o, v)
}

func (c *Logic) round(ctx context.Context) {
	own, last, err := c.o.Store.PickedUp(ctx, c.o.Process)
	if err != nil {
		c.o.OnError(err)
		return
	}
	targets, err := c.o.Store.RingBehind(ctx, c.cursor, handful)
	if err != nil {
		c.o.OnError(fmt.Errorf("connectors for the canary: %w", err))
		return
	}
	for _, p := range targets {
		n := Note{From: c.o.Process, Sent: c.o.Now().UnixMicro(), Interval: c.o.Interval, Answer: true}
		if _, err := c.o.Sender.Canary(ctx, p.Node, n); err != nil {
			c.o.OnError(err)
		}
		c.cursor = p.Node
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Now()
	if own != c.own && own != 0 {
		c.own, c.heard = own, now
	}
	if last.From != c.o.Process { // an own one says nothing of others
		c.others.see(last, now)
	}
	if len(targets) == 0 { // nobody there who could have picked up
		c.since = now
	}
}

func (c *Logic) judge(now time.Time) verdict {
	window := c.o.window(0)
	silence := now.Sub(later(c.heard, c.since))
	switch {
	case silence <= window:
		return verdict{}
	case !c.others.alive.IsZero() && now.Sub(c.others.alive) <= c.o.window(c.others.last.Interval):
		return verdict{Unheard, fmt.Errorf("%w, for %d s", ErrUnheard, int(silence.Seconds()))}
	}
	return verdict{kind: Nobody}
}
