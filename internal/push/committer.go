package push

import (
	"context"
	"errors"
	"sync"
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
	ErrClosed     = errors.New("shutting down")
)

// Committer groups concurrent pushes into one store operation each
// (design.md 3.2). Pushes leave in the order Commit was called.
type Committer struct {
	store    Store
	batchMax int
	timeout  time.Duration
	observe  func(batch int, took time.Duration, err error)

	queue chan *pending // bound: queueMax

	mu     sync.RWMutex // guards closed against the closing of queue
	closed bool
	done   chan struct{}
}

type pending struct {
	msg  *Message
	done chan error // capacity 1
}

// CommitterOptions of a Committer; zero values take the defaults named.
type CommitterOptions struct {
	BatchMax int           // messages per group commit; 512
	QueueMax int           // messages that may wait; 8192
	Timeout  time.Duration // of one group commit; 5 s
	// Observe hears of every group commit; may be nil.
	Observe func(batch int, took time.Duration, err error)
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
	c := &Committer{
		store: store, batchMax: o.BatchMax, timeout: o.Timeout, observe: o.Observe,
		queue: make(chan *pending, o.QueueMax), done: make(chan struct{}),
	}
	go c.run()
	return c
}

// Commit returns when msg is durable, or with an error: ErrOverloaded and
// ErrClosed when it was not tried, ctx's error when the caller gave up (the
// message may still be accepted then), else the store's.
func (c *Committer) Commit(ctx context.Context, msg *Message) error {
	p := &pending{msg: msg, done: make(chan error, 1)}
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
	select {
	case c.queue <- p:
		return nil
	default:
		return ErrOverloaded
	}
}

// Queued is the number of pushes that wait for a group commit.
func (c *Committer) Queued() int { return len(c.queue) }

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
		batch = append(batch[:0], first)
	gather: // whatever waits now leaves together; nothing is waited for
		for len(batch) < c.batchMax {
			select {
			case p, ok := <-c.queue:
				if !ok {
					break gather
				}
				batch = append(batch, p)
			default:
				break gather
			}
		}
		msgs = msgs[:0]
		for _, p := range batch {
			msgs = append(msgs, p.msg)
		}
		err := c.commit(msgs)
		for i, p := range batch {
			p.done <- err
			batch[i] = nil
		}
		clear(msgs)
	}
}

func (c *Committer) commit(msgs []*Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	start := time.Now()
	err := c.store.Accept(ctx, msgs)
	c.observe(len(msgs), time.Since(start), err)
	return err
}
