package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	blockFor     = time.Second     // one XREAD waits at most so long for an entry
	opTimeout    = 5 * time.Second // of every other command
	readGrace    = 2 * time.Second // until a read that should have returned is given up
	lookEvery    = time.Second     // trim and look at the stream's end
	backoffFirst = 20 * time.Millisecond
	backoffMax   = 2 * time.Second
	countMax     = 512     // entries per read
	readBytes    = 8 << 20 // about; reads shrink when entries are large
	origin       = "0-0"   // the position before every entry
)

// tail follows one stream from a position. The last entry handled stays in
// the stream as an anchor: when it is found missing, entries may have been
// trimmed away or lost in a failover before they were read.
type tail struct {
	rdb     redis.UniversalClient // owned: closed by close
	key     string
	own     bool // this is the only reader: it creates the stream and trims it
	handle  func(field, value string)
	handled func() // after the last entry of a read; may be nil
	onGap   func()
	onError func(error)

	// run goroutine only, after start
	pos     string
	count   int64
	suspect bool // something went wrong: look before handling
	looked  time.Time

	stats statistics

	cancel context.CancelFunc
	done   chan struct{}
}

type statistics struct {
	entries, gaps, errs, backlog, behind atomic.Int64
	position                             atomic.Pointer[string]
}

// Stats are figures of a reader.
type Stats struct {
	Entries int64         // handled since the start
	Gaps    int64         // times entries may have been missed
	Errors  int64         // failed reads
	Backlog int64         // entries not yet handled when last looked at, about once a second
	Behind  time.Duration // between the last entry handled and the newest, then
	// Position is the id of the last entry handled.
	Position string
}

func (t *tail) snapshot() Stats {
	s := Stats{
		Entries: t.stats.entries.Load(), Gaps: t.stats.gaps.Load(), Errors: t.stats.errs.Load(),
		Backlog: t.stats.backlog.Load(), Behind: time.Duration(t.stats.behind.Load()) * time.Millisecond,
	}
	if p := t.stats.position.Load(); p != nil {
		s.Position = *p
	}
	return s
}

// start finds the position to begin at and starts the goroutine.
func (t *tail) start(ctx context.Context) error {
	pos, err := t.begin(ctx)
	if err != nil {
		return fmt.Errorf("start reading %s: %w", t.key, err)
	}
	t.moveTo(pos)
	t.count = countMax
	t.looked = time.Now()
	run, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	t.done = make(chan struct{})
	go t.run(run)
	return nil
}

// close ends the goroutine and waits for it. Closing the client wakes a read
// that waits for entries.
func (t *tail) close() {
	if t.cancel == nil { // never started
		_ = t.rdb.Close()
		return
	}
	t.cancel()
	_ = t.rdb.Close() // its connections are gone either way
	<-t.done
}

// begin is the position after all that is in the stream now.
func (t *tail) begin(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if t.own {
		return t.rdb.XAdd(ctx, &redis.XAddArgs{Stream: t.key, Values: []any{fieldHello, "1"}}).Result()
	}
	last, err := t.rdb.XRevRangeN(ctx, t.key, "+", "-", 1).Result()
	if err != nil || len(last) == 0 {
		return origin, err
	}
	return last[0].ID, nil
}

func (t *tail) moveTo(pos string) {
	t.pos = pos
	t.stats.position.Store(&pos)
}

func (t *tail) run(ctx context.Context) {
	defer close(t.done)
	backoff := backoffFirst
	for ctx.Err() == nil {
		err := t.step(ctx)
		switch {
		case err == nil:
			backoff = backoffFirst
		case ctx.Err() == nil:
			t.stats.errs.Add(1)
			t.suspect = true
			t.onError(fmt.Errorf("read %s: %w", t.key, err))
			// A herd of readers must not come back in step.
			pause(ctx, backoff/2+rand.N(backoff/2))
			backoff = min(2*backoff, backoffMax)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// step reads once and handles what came. A full read and one after a failure
// are handled only after the anchor was seen: entries can only be trimmed
// away from before the position when the stream holds more than a full read.
func (t *tail) step(ctx context.Context) error {
	pos := t.pos
	entries, err := t.read(ctx)
	if err != nil {
		return err
	}
	if t.suspect || int64(len(entries)) >= t.count || time.Since(t.looked) >= lookEvery {
		if err := t.look(ctx); err != nil {
			return err
		}
		if t.pos != pos {
			return nil // moved: what was read is read again from there
		}
	}
	bytes := 0
	for _, e := range entries {
		for field, value := range e.Values {
			text, _ := value.(string)
			bytes += len(text)
			if field != fieldHello {
				t.handle(field, text)
			}
		}
		t.moveTo(e.ID)
		t.stats.entries.Add(1)
	}
	if len(entries) > 0 && t.handled != nil {
		t.handled()
	}
	t.adapt(len(entries), bytes)
	return nil
}

func (t *tail) read(ctx context.Context) ([]redis.XMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, blockFor+readGrace)
	defer cancel()
	streams, err := t.rdb.XRead(ctx, &redis.XReadArgs{
		Streams: []string{t.key, t.pos}, Count: t.count, Block: blockFor,
	}).Result()
	if errors.Is(err, redis.Nil) || (err == nil && len(streams) == 0) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return streams[0].Messages, nil
}

// adapt bounds the memory of one read by the size of the entries seen.
func (t *tail) adapt(n, bytes int) {
	if n == 0 {
		return
	}
	fits := int64(readBytes / max(1, bytes/n))
	t.count = min(countMax, max(1, fits), 2*t.count)
}

// look checks that nothing is missing and trims what is handled. Never trim
// before the anchor was seen: after a failover that lost the end of the
// stream everything in it may be below the position and not yet read.
func (t *tail) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	pipe := t.rdb.Pipeline()
	anchor := pipe.XRangeN(ctx, t.key, t.pos, t.pos, 1)
	newest := pipe.XRevRangeN(ctx, t.key, "+", "-", 1)
	length := pipe.XLen(ctx, t.key)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	t.suspect = false
	t.looked = time.Now()
	return t.judge(ctx, len(anchor.Val()) > 0, newest.Val(), length.Val())
}

func (t *tail) judge(ctx context.Context, anchored bool, newest []redis.XMessage, length int64) error {
	switch {
	case anchored:
		if t.own {
			// Keeps the anchor. When it fails the next one trims more.
			if trimmed, err := t.rdb.XTrimMinID(ctx, t.key, t.pos).Result(); err == nil {
				length -= trimmed
			}
		}
		t.stats.backlog.Store(max(0, length-1))
		t.stats.behind.Store(max(0, millis(newest[0].ID)-millis(t.pos)))
	case len(newest) == 0 && !t.own && t.pos == origin:
		// a control stream that was never written to
	case len(newest) == 0:
		// The stream is gone: the node was swept, or Redis came back empty.
		pos, err := t.begin(ctx)
		if err != nil {
			t.suspect = true
			return err
		}
		t.moveTo(pos)
		t.gap()
	case t.pos == origin:
		// everything there is will be read
	case less(newest[0].ID, t.pos):
		// A failover lost the end of the stream; what came since has ids
		// below the position. Reading all again repeats, but loses nothing.
		t.moveTo(origin)
		t.gap()
	default:
		t.gap() // trimmed away by the writers: this reader was too slow
		// Once told, the same gap is not told again: the oldest entry
		// there is becomes the anchor when it is read.
	}
	return nil
}

func (t *tail) gap() {
	t.stats.gaps.Add(1)
	t.onGap()
}

// less compares two entry ids.
func less(a, b string) bool {
	ams, aseq := splitID(a)
	bms, bseq := splitID(b)
	return ams < bms || (ams == bms && aseq < bseq)
}

func millis(id string) int64 {
	ms, _ := splitID(id)
	return int64(ms)
}

func splitID(id string) (ms, seq uint64) {
	left, right, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(left, 10, 64)
	seq, _ = strconv.ParseUint(right, 10, 64)
	return ms, seq
}
