package push

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Store makes pushes durable.
type Store interface {
	// Accept gives every message its ID, in slice order, and stores in one
	// group commit: the records with their expiry, the history lists, the
	// minute, hour and day counters, and one stream entry per node that
	// holds the message's room (none for a Lost message). When it returns
	// nil, every message is durable and will be delivered; with an error
	// nothing may be assumed.
	Accept(ctx context.Context, batch []*Message) error
}

// Errors of the Committer.
var (
	ErrOverloaded = errors.New("too many pushes are waiting")
	// ErrNothingDone is wrapped by the error of a Store that has failed before
	// it wrote anything.
	ErrNothingDone = errors.New("nothing was accepted")
	ErrClosed      = errors.New("shutting down")
)

// Committer groups concurrent pushes into one store operation each
// (design.md 3.2). Pushes leave in the order Commit was called.
type Committer struct {
	store    Store
	batchMax int
	timeout  time.Duration
	observe  func(batch int, took time.Duration, err error)
	stored   func(after time.Duration)

	queue    chan *pending // bound: queueMax
	queueMax int
	waiting  atomic.Int64 // messages in queue; bound: queueMax

	mu     sync.RWMutex // guards closed against the closing of queue
	closed bool
	done   chan struct{}
}

// pending are messages that are committed together.
type pending struct {
	ctx  context.Context // of the caller: when it has ended nothing is tried any more
	msgs []*Message
	done chan error // capacity 1
	came time.Time
}

// CommitterOptions of a Committer; zero values take the defaults named.
type CommitterOptions struct {
	// BatchMax is how many messages a group commit has before it waits for no
	// more; 512. Those of one CommitAll stay together and may exceed it.
	BatchMax int
	QueueMax int           // messages that may wait; 8192
	Timeout  time.Duration // of one group commit; 5 s
	// Observe hears of every group commit; may be nil.
	Observe func(batch int, took time.Duration, err error)
	// Stored hears of every message that is durable now, so long after its
	// Commit; may be nil.
	Stored func(after time.Duration)
}

// NewCommitter starts the committer's goroutine; Close ends it.
func NewCommitter(store Store, o CommitterOptions) *Committer {
	if o.BatchMax <= 0 {
		o.BatchMax = 512
	}
	if o.QueueMax <= 0 {
		o.QueueMax = 8192
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(int, time.Duration, error) {}
	}
	if o.Stored == nil {
		o.Stored = func(time.Duration) {}
	}
	c := &Committer{
		store: store, batchMax: o.BatchMax, timeout: o.Timeout, observe: o.Observe, stored: o.Stored,
		queue: make(chan *pending, o.QueueMax), queueMax: o.QueueMax, done: make(chan struct{}),
	}
	go c.run()
	return c
}

// Commit returns when msg is durable, or with an error: ErrOverloaded and
// ErrClosed when it was not tried, ctx's error when the caller gave up (the
// message may still be accepted then, if its group commit had begun), else the
// store's, which is ErrNothingDone when that is certain.
func (c *Committer) Commit(ctx context.Context, msg *Message) error {
	return c.CommitAll(ctx, []*Message{msg})
}

// CommitAll is Commit for messages of one caller, which leave in one group
// commit, however many they are: all are durable, or nobody knows.
func (c *Committer) CommitAll(ctx context.Context, msgs []*Message) error {
	if len(msgs) == 0 {
		return nil
	}
	p := &pending{ctx: ctx, msgs: msgs, done: make(chan error, 1), came: time.Now()}
	if err := c.enqueue(p); err != nil {
		return err
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Committer) enqueue(p *pending) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	n := int64(len(p.msgs))
	if c.waiting.Add(n) > int64(c.queueMax) {
		c.waiting.Add(-n)
		return ErrOverloaded
	}
	select {
	case c.queue <- p:
		return nil
	default:
		c.waiting.Add(-n)
		return ErrOverloaded
	}
}

// Queued is the number of messages that wait for a group commit.
func (c *Committer) Queued() int { return int(c.waiting.Load()) }

// Close commits what is queued and ends the goroutine.
func (c *Committer) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.queue)
	}
	c.mu.Unlock()
	<-c.done
}

func (c *Committer) run() {
	defer close(c.done)
	batch := make([]*pending, 0, c.batchMax)
	msgs := make([]*Message, 0, c.batchMax)
	for first := range c.queue {
		batch, msgs = batch[:0], msgs[:0]
		c.take(first, &batch, &msgs)
	gather: // whatever waits now leaves together; nothing is waited for
		for len(msgs) < c.batchMax {
			select {
			case p, ok := <-c.queue:
				if !ok {
					break gather
				}
				c.take(p, &batch, &msgs)
			default:
				break gather
			}
		}
		if len(batch) == 0 {
			continue
		}
		err := c.commit(msgs)
		now := time.Now()
		for i, p := range batch {
			p.done <- err
			batch[i] = nil
			if err != nil {
				continue
			}
			for range p.msgs {
				c.stored(now.Sub(p.came))
			}
		}
		clear(msgs)
	}
}

// take adds what came out of the queue to a batch, unless its caller has left:
// a caller that was told of a failure a while ago may have pushed again.
func (c *Committer) take(p *pending, batch *[]*pending, msgs *[]*Message) {
	c.waiting.Add(-int64(len(p.msgs)))
	if err := p.ctx.Err(); err != nil {
		p.done <- err
		return
	}
	*batch = append(*batch, p)
	*msgs = append(*msgs, p.msgs...)
}

func (c *Committer) commit(msgs []*Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	start := time.Now()
	err := c.store.Accept(ctx, msgs)
	c.observe(len(msgs), time.Since(start), err)
	return err
}
