package bus

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/client"
)

func start(t *testing.T, r *Reader) {
	t.Helper()
	check(t, r.Start(t.Context()))
	t.Cleanup(r.Close)
}

func TestReader(t *testing.T) {
	onEachAndCluster(t, func(t *testing.T, address string) {
		c := connect(t, address)
		rec := &recorder{}
		r := NewReader(connect(t, address), rec, ReaderOptions{Node: "n1", OnError: func(err error) { t.Error(err) }})
		sender := NewSender(c, "", 1000)
		// Nobody is there yet: no stream comes to be.
		check(t, sender.Kick(t.Context(), "n1", client.Kick{ClientID: "early"}))
		start(t, r)
		const n = 3 * countMax
		for i := range int64(n) {
			send(t, c, "n1", i+1)
		}
		kick := client.Kick{Namespace: "/a", ClientID: "/a#u#web-1", Gen: 1 << 50}
		check(t, sender.Kick(t.Context(), "n1", kick))
		eventually(t, "the kick arrives", func() bool { rec.mu.Lock(); defer rec.mu.Unlock(); return len(rec.kicks) > 0 })
		rec.inOrder(t, 1, n)
		if len(rec.kicks) != 1 || rec.kicks[0] != kick {
			t.Errorf("kicks %+v", rec.kicks)
		}
		eventually(t, "the stream is trimmed", func() bool { return c.XLen(t.Context(), "s:{n1}").Val() == 1 })
		if s := r.Stats(); s.Entries != n+1 || s.Gaps != 0 || s.Errors != 0 || s.Backlog != 0 || s.Position == "" {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestReaderStartsAtTheEnd holds that a new process of an old name does not
// get what was meant for the connections of the old one.
func TestReaderStartsAtTheEnd(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		c := connect(t, address)
		check(t, NewReader(connect(t, address), &recorder{}, ReaderOptions{Node: "n1"}).tail.startOnly(t))
		send(t, c, "n1", 1)
		rec := &recorder{}
		start(t, NewReader(connect(t, address), rec, ReaderOptions{Node: "n1"}))
		send(t, c, "n1", 2)
		eventually(t, "the new message arrives", func() bool { return rec.count() > 0 })
		rec.inOrder(t, 2, 1)
	})
}

func (t *tail) startOnly(tb testing.TB) error {
	_, err := t.begin(tb.Context())
	return err
}

// TestReaderConnectionsCut cuts the reader's connections during traffic:
// nothing is lost, repeated or reordered.
func TestReaderConnectionsCut(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		c := connect(t, address)
		p := newProxy(t, address)
		rec := &recorder{}
		var gaps atomic.Int64
		start(t, NewReader(connect(t, p.listener.Addr().String()), rec, ReaderOptions{
			Node: "n1", OnGap: func() { gaps.Add(1) },
		}))
		const n = 4000
		for i := range int64(n) {
			send(t, c, "n1", i+1)
			if i%400 == 200 {
				p.cut()
			}
		}
		eventually(t, "everything arrives", func() bool { return rec.count() >= n })
		rec.inOrder(t, 1, n)
		if gaps.Load() != 0 {
			t.Errorf("%d gaps", gaps.Load())
		}
	})
}

// TestReaderKilledByServer is the same with CLIENT KILL, which the embedded
// server does not know.
func TestReaderKilledByServer(t *testing.T) {
	address := realServer(t)
	c := connect(t, address)
	rec := &recorder{}
	start(t, NewReader(connect(t, address), rec, ReaderOptions{Node: "n1"}))
	const n = 2000
	for i := range int64(n) {
		send(t, c, "n1", i+1)
		if i%200 == 100 {
			check(t, c.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err())
		}
	}
	eventually(t, "everything arrives", func() bool { return rec.count() >= n })
	rec.inOrder(t, 1, n)
}

// TestReaderGap holds that a reader which was too slow says so, once, and
// goes on.
func TestReaderGap(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		c := connect(t, address)
		rec := &recorder{gate: make(chan struct{})}
		var gaps atomic.Int64
		start(t, NewReader(connect(t, address), rec, ReaderOptions{Node: "n1", OnGap: func() { gaps.Add(1) }}))
		send(t, c, "n1", 1)
		for i := range int64(3 * countMax) {
			send(t, c, "n1", i+2)
		}
		check(t, c.XTrimMaxLen(t.Context(), "s:{n1}", countMax+10).Err())
		close(rec.gate)
		eventually(t, "the last arrives", func() bool {
			rec.mu.Lock()
			defer rec.mu.Unlock()
			return len(rec.ids) > 0 && rec.ids[len(rec.ids)-1] == 3*countMax+1
		})
		if gaps.Load() != 1 {
			t.Errorf("%d gaps told", gaps.Load())
		}
	})
}

// TestReaderSwept holds that a node whose stream was dropped, because others
// took it for dead, notices and is reachable again.
func TestReaderSwept(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		c := connect(t, address)
		rec := &recorder{}
		gap := make(chan struct{}, 10)
		start(t, NewReader(connect(t, address), rec, ReaderOptions{Node: "n1", OnGap: func() { gap <- struct{}{} }}))
		send(t, c, "n1", 1)
		eventually(t, "the first arrives", func() bool { return rec.count() == 1 })
		check(t, c.Unlink(t.Context(), "s:{n1}").Err())
		<-gap
		send(t, c, "n1", 2)
		eventually(t, "the second arrives", func() bool { return rec.count() == 2 })
	})
}

// TestReaderFailoverLostTail holds that a stream which came back without its
// newest entries, and with ids below the position, is read again.
func TestReaderFailoverLostTail(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		c := connect(t, address)
		rec := &recorder{gate: make(chan struct{})}
		gap := make(chan struct{}, 10)
		start(t, NewReader(connect(t, address), rec, ReaderOptions{Node: "n1", OnGap: func() { gap <- struct{}{} }}))
		send(t, c, "n1", 1)
		rec.gate <- struct{}{} // the first has been read
		// The stream is replaced by an older one.
		d := c.XRange(t.Context(), "s:{n1}", "-", "+").Val()
		check(t, c.Del(t.Context(), "s:{n1}").Err())
		check(t, c.XAdd(t.Context(), &redis.XAddArgs{Stream: "s:{n1}", ID: "5-1", Values: d[len(d)-1].Values}).Err())
		close(rec.gate)
		<-gap
		eventually(t, "what is there arrives", func() bool { return rec.count() == 2 })
		send(t, c, "n1", 2)
		eventually(t, "the next arrives", func() bool { return rec.count() == 3 })
	})
}

// TestReaderBadEntries holds that what cannot be understood is told and
// skipped.
func TestReaderBadEntries(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		c := connect(t, address)
		rec := &recorder{}
		problems := make(chan error, 10)
		start(t, NewReader(connect(t, address), rec, ReaderOptions{Node: "n1", OnError: func(err error) { problems <- err }}))
		for _, field := range []string{fieldDelivery, fieldKick, fieldTransfer, fieldEvent, fieldDirect, "z"} {
			check(t, c.XAdd(t.Context(), &redis.XAddArgs{Stream: "s:{n1}", Values: []any{field, "\x09nonsense"}}).Err())
			if err := <-problems; !errors.Is(err, ErrEntry) {
				t.Errorf("%s: %v", field, err)
			}
		}
		send(t, c, "n1", 1)
		eventually(t, "the good one arrives", func() bool { return rec.count() == 1 })
	})
}

// TestReaderLargeEntries holds that reads shrink when entries are large.
func TestReaderLargeEntries(t *testing.T) {
	r := &tail{count: countMax}
	r.adapt(10, 10<<20)
	if r.count != 8 {
		t.Errorf("%d entries of 1 MiB", r.count)
	}
	r.adapt(1, 100<<20)
	if r.count != 1 {
		t.Errorf("%d entries of 100 MiB", r.count)
	}
	for range 20 {
		r.adapt(1, 100)
	}
	if r.count != countMax {
		t.Errorf("%d small entries", r.count)
	}
}

// TestReaderCloses holds that Close does not wait for the block to end, even
// when nothing was started.
func TestReaderCloses(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		r := NewReader(connect(t, address), &recorder{}, ReaderOptions{Node: "n1"})
		check(t, r.Start(context.Background()))
		begin := time.Now()
		r.Close()
		if took := time.Since(begin); took > blockFor+opTimeout {
			t.Errorf("closing took %v", took)
		}
		NewReader(connect(t, address), &recorder{}, ReaderOptions{Node: "n2"}).Close()
	})
}
