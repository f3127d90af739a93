package push

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// gate is a Store whose Accept waits to be let through.
type gate struct {
	entered chan int   // size of each batch
	leave   chan error // what Accept answers

	mu  sync.Mutex
	ids int64
	got []*Message
}

func newGate() *gate { return &gate{entered: make(chan int, 100), leave: make(chan error, 100)} }

func (g *gate) Accept(ctx context.Context, batch []*Message) error {
	g.entered <- len(batch)
	select {
	case err := <-g.leave:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return fmt.Errorf("accept: %w", ctx.Err())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range batch {
		g.ids++
		m.ID = g.ids
		g.got = append(g.got, m)
	}
	return nil
}

// commit starts a Commit and waits until it is queued.
func commit(t *testing.T, c *Committer, room string, queued int) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Commit(context.Background(), &Message{Room: room}) }()
	eventually(t, "the push to be queued", func() bool { return c.Queued() == queued })
	return done
}

func TestCommitsGather(t *testing.T) {
	g := newGate()
	var mu sync.Mutex
	var batches []int
	c := NewCommitter(g, CommitterOptions{BatchMax: 3, Observe: func(n int, _ time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			batches = append(batches, n)
		}
	}})
	defer c.Close()
	first := commit(t, c, "0", 0)
	if n := receive(t, g.entered, "the first batch"); n != 1 {
		t.Errorf("the first batch has %d", n)
	}
	var waiting []<-chan error
	for i := range 4 {
		waiting = append(waiting, commit(t, c, fmt.Sprint(i+1), i+1))
	}
	for range 3 {
		g.leave <- nil
	}
	if err := receive(t, first, "the first push"); err != nil {
		t.Error(err)
	}
	for _, done := range waiting {
		if err := receive(t, done, "a push"); err != nil {
			t.Error(err)
		}
	}
	c.Close()
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(batches) != "[1 3 1]" {
		t.Errorf("batches %v, want [1 3 1]", batches)
	}
	for i, m := range g.got {
		if m.Room != fmt.Sprint(i) || m.ID != int64(i+1) {
			t.Errorf("place %d has %+v", i, m)
		}
	}
}

func TestCommitFailsTogetherAndGoesOn(t *testing.T) {
	g := newGate()
	c := NewCommitter(g, CommitterOptions{})
	defer c.Close()
	first := commit(t, c, "a", 0)
	receive(t, g.entered, "the first batch")
	second, third := commit(t, c, "b", 1), commit(t, c, "c", 2)
	refused := errors.New("refused")
	g.leave <- nil
	g.leave <- refused
	if err := receive(t, first, "a"); err != nil {
		t.Error(err)
	}
	for _, done := range []<-chan error{second, third} {
		if err := receive(t, done, "b or c"); !errors.Is(err, refused) {
			t.Errorf("got %v", err)
		}
	}
	fourth := commit(t, c, "d", 0)
	g.leave <- nil
	if err := receive(t, fourth, "d"); err != nil {
		t.Error(err)
	}
}

func TestCommitOverload(t *testing.T) {
	g := newGate()
	c := NewCommitter(g, CommitterOptions{QueueMax: 2})
	defer c.Close()
	commit(t, c, "a", 0)
	receive(t, g.entered, "the first batch")
	commit(t, c, "b", 1)
	commit(t, c, "c", 2)
	if err := c.Commit(context.Background(), &Message{}); !errors.Is(err, ErrOverloaded) {
		t.Errorf("got %v", err)
	}
	g.leave <- nil
	g.leave <- nil
}

func TestCommitTimeoutAndCaller(t *testing.T) {
	g := newGate()
	c := NewCommitter(g, CommitterOptions{Timeout: time.Millisecond})
	defer c.Close()
	if err := c.Commit(context.Background(), &Message{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a store that hangs: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := c.Commit(ctx, &Message{})
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller that has gone: %v", err)
	}
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	g := newGate()
	c := NewCommitter(g, CommitterOptions{BatchMax: 1})
	a := commit(t, c, "a", 0)
	receive(t, g.entered, "the first batch")
	b := commit(t, c, "b", 1)
	closed := make(chan struct{})
	go func() { c.Close(); close(closed) }()
	g.leave <- nil
	g.leave <- nil
	receive(t, closed, "Close")
	for _, done := range []<-chan error{a, b} {
		if err := receive(t, done, "a push"); err != nil {
			t.Error(err)
		}
	}
	if err := c.Commit(context.Background(), &Message{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	c.Close()
}

func TestConcurrentCommits(t *testing.T) {
	g := newGate()
	for range cap(g.leave) {
		g.leave <- nil
	}
	c := NewCommitter(drained{g}, CommitterOptions{BatchMax: 7})
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[int64]bool{}
	for range 8 {
		wg.Go(func() {
			last := int64(0)
			for range 50 {
				m := &Message{}
				if err := c.Commit(context.Background(), m); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if seen[m.ID] || m.ID <= last {
					t.Errorf("id %d after %d", m.ID, last)
				}
				seen[m.ID] = true
				mu.Unlock()
				last = m.ID
			}
		})
	}
	wg.Wait()
	c.Close()
	if len(seen) != 400 {
		t.Errorf("%d ids", len(seen))
	}
}

// drained lets everything through.
type drained struct{ *gate }

func (d drained) Accept(_ context.Context, batch []*Message) error {
	for _, m := range batch {
		d.ids++ // one goroutine calls Accept
		m.ID = d.ids
	}
	return nil
}

func TestCommitAllStaysTogether(t *testing.T) {
	g := newGate()
	c := NewCommitter(g, CommitterOptions{BatchMax: 2, QueueMax: 5})
	defer c.Close()
	first := commit(t, c, "first", 0)
	<-g.entered
	all := make(chan error, 1)
	msgs := []*Message{{Room: "a"}, {Room: "b"}, {Room: "c"}}
	go func() { all <- c.CommitAll(context.Background(), msgs) }()
	eventually(t, "the batch to be queued", func() bool { return c.Queued() == 3 })
	// What is more than may wait is refused as a whole.
	if err := c.CommitAll(context.Background(), []*Message{{}, {}, {}}); !errors.Is(err, ErrOverloaded) || c.Queued() != 3 {
		t.Errorf("%v, %d queued", err, c.Queued())
	}
	if err := c.CommitAll(context.Background(), nil); err != nil {
		t.Error(err)
	}
	g.leave <- nil
	if n := <-g.entered; n != 3 {
		t.Errorf("a group commit of %d, want 3", n)
	}
	g.leave <- nil
	if err := errors.Join(<-first, <-all); err != nil || msgs[0].ID != 2 || msgs[2].ID != 4 {
		t.Errorf("%v, ids %d to %d", err, msgs[0].ID, msgs[2].ID)
	}
}

// Nobody pushes for a caller that has left before its turn.
func TestCommitLeaves(t *testing.T) {
	g := newGate()
	c := NewCommitter(g, CommitterOptions{})
	defer c.Close()
	first := commit(t, c, "first", 0)
	<-g.entered
	ctx, leave := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	go func() { gone <- c.Commit(ctx, &Message{Room: "gone"}) }()
	eventually(t, "the push to be queued", func() bool { return c.Queued() == 1 })
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	g.leave <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
	last := commit(t, c, "last", 0)
	<-g.entered
	g.leave <- nil
	if err := <-last; err != nil || len(g.got) != 2 || g.got[1].Room != "last" {
		t.Errorf("%v, accepted %d", err, len(g.got))
	}
}

// TestCommitTellsHowLong: the time counts from the call, waiting included, for every message that is stored.
func TestCommitTellsHowLong(t *testing.T) {
	g := newGate()
	stored := make(chan time.Duration, 10)
	c := NewCommitter(g, CommitterOptions{Stored: func(after time.Duration) { stored <- after }})
	defer c.Close()
	refused := commit(t, c, "a", 0)
	receive(t, g.entered, "the first batch")
	began := time.Now()
	second := make(chan error, 1)
	go func() { second <- c.CommitAll(context.Background(), []*Message{{Room: "b"}, {Room: "c"}}) }()
	eventually(t, "the others wait", func() bool { return c.Queued() == 2 })
	eventually(t, "a moment", func() bool { return time.Since(began) > 5*time.Millisecond })
	waited := time.Since(began)
	g.leave <- errors.New("refused")
	g.leave <- nil
	if err := receive(t, refused, "the first push"); err == nil {
		t.Error("the first push was stored")
	}
	if err := receive(t, second, "the others"); err != nil {
		t.Error(err)
	}
	for range 2 {
		if after := receive(t, stored, "a time"); after < waited-5*time.Millisecond || after > patience {
			t.Errorf("stored after %v, having waited for %v", after, waited)
		}
	}
	c.Close()
	if len(stored) != 0 {
		t.Error("what was refused counts as stored")
	}
}
