package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// recent keeps the logs of namespaces in memory, as far as recoveries ask for
// them, so that ten thousand clients that come back at once cost a few reads
// and not ten thousand. A read that begins after a caller asked serves that
// caller and all who ask until the next begins.
type recent struct {
	store *Store

	mu     sync.Mutex
	logs   map[string]*recentLog // by namespace; gone after recentIdle without a question
	bodies bodies
	closed bool
}

// recentLog is the log of one namespace. Its fields are guarded by recent.mu.
type recentLog struct {
	view    *logView    // what was read last; immutable
	reading bool        // somebody reads now
	next    *recentRead // who waits for the next read; nil for nobody
	idle    *time.Timer
	used    time.Time
}

// recentRead is a read that some callers wait for.
type recentRead struct {
	done chan struct{} // closed when view or err is set
	view *logView
	err  error
}

// logView is a log as it was read. Batches are only ever appended behind what
// a view shows.
type logView struct {
	batches []*logBatch // the oldest first, without gaps
	last    string      // id of the last entry read
	since   int64       // ms: nothing that was pushed from then on is missing
	now     int64       // ms: time of the server at the read
	overlap int64       // ms: see overlapSlack
}

const (
	recentIdle  = time.Minute
	recentChunk = 2_000 // entries per read command
)

func newRecent(s *Store) *recent { return &recent{store: s, logs: map[string]*recentLog{}} }

// read returns the log with everything that was committed before the call.
func (r *recent) read(ctx context.Context, ns string) (*logView, error) {
	r.mu.Lock()
	l := r.logs[ns]
	if l == nil {
		l = &recentLog{view: &logView{}}
		r.logs[ns] = l
	}
	r.touchLocked(ns, l)
	if l.next == nil {
		l.next = &recentRead{done: make(chan struct{})}
	}
	wait := l.next
	if !l.reading {
		l.reading = true
		go r.work(ns, l) // ends when nobody waits
	}
	r.mu.Unlock()
	select {
	case <-wait.done:
		return wait.view, wait.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// work reads for those who wait until nobody does.
func (r *recent) work(ns string, l *recentLog) {
	for {
		r.mu.Lock()
		mine := l.next
		l.next = nil
		if mine == nil {
			l.reading = false
			r.mu.Unlock()
			return
		}
		view := l.view
		r.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), r.store.timeout)
		mine.view, mine.err = r.store.readLog(ctx, ns, view)
		cancel()
		if mine.err == nil {
			r.mu.Lock()
			l.view = mine.view
			r.mu.Unlock()
		}
		close(mine.done)
	}
}

// touchLocked puts off the end of an unused log.
func (r *recent) touchLocked(ns string, l *recentLog) {
	l.used = time.Now()
	if l.idle != nil || r.closed {
		return
	}
	l.idle = time.AfterFunc(recentIdle, func() { r.expire(ns, l) })
}

// expire forgets a log nobody asks for, and with the last one the bodies.
func (r *recent) expire(ns string, l *recentLog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if rest := recentIdle - time.Since(l.used); rest > 0 || l.reading {
		l.idle.Reset(max(rest, time.Second))
		return
	}
	delete(r.logs, ns)
	if len(r.logs) == 0 {
		r.bodies = bodies{}
	}
}

func (r *recent) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, l := range r.logs {
		l.idle.Stop()
	}
}

// readLog continues a view with what was committed since, or begins anew when
// the two do not meet.
func (s *Store) readLog(ctx context.Context, ns string, old *logView) (*logView, error) {
	view, err := s.readLogFrom(ctx, ns, old)
	if errors.Is(err, errLogGap) {
		view, err = s.readLogFrom(ctx, ns, &logView{})
	}
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", ns, err)
	}
	return view, nil
}

// errLogGap: the last entry that was read has been trimmed away.
var errLogGap = errors.New("the log does not reach back to where it was read last")

func (s *Store) readLogFrom(ctx context.Context, ns string, old *logView) (*logView, error) {
	key := s.keys.namespace(ns).log
	v := &logView{batches: old.batches, last: old.last, overlap: overlapSlack}
	if s.opt.Cluster {
		v.overlap += clusterSlack
	}
	from, again := "-", false
	if v.last != "" {
		from, again = v.last, true // inclusive: it must still be there
	}
	for {
		length, clock := do("XLEN", key), do("TIME")
		page := do("XRANGE", key, from, "+", "COUNT", recentChunk)
		if err := s.run(ctx, length, clock, page); err != nil {
			return nil, err
		}
		entries := page.list()
		if again && (len(entries) == 0 || entryID(entries[0]) != v.last) {
			return nil, errLogGap
		}
		full := len(entries) == recentChunk
		if again {
			entries = entries[1:]
		}
		for _, e := range entries {
			v.last = entryID(e)
			if b := decodeEntry(e); b != nil {
				v.batches = append(v.batches, b)
			} else {
				return nil, errLogEntry
			}
		}
		v.now = microsOf(clock) / 1000
		if v.since = v.now - s.logKeep(); length.integer() >= logMax {
			v.since = v.now // may have been trimmed for its length
			if len(v.batches) > 0 {
				v.since = v.batches[0].at + 1
			}
		}
		if !full {
			break
		}
		from, again = v.last, true
	}
	// What is as old as this no client can ask for.
	v.batches = v.batches[v.firstAt(v.now-s.logKeep()):]
	return v, nil
}

func entryID(e any) string {
	if pair, ok := e.([]any); ok && len(pair) == 2 {
		return toText(pair[0])
	}
	return ""
}

// decodeEntry reads one reply of XRANGE; nil when it is no entry of a log.
func decodeEntry(e any) *logBatch {
	pair, ok := e.([]any)
	if !ok || len(pair) != 2 {
		return nil
	}
	fields, _ := pair[1].([]any)
	if len(fields) != 2 || toText(fields[0]) != logField {
		return nil
	}
	b, err := decodeLog(toText(fields[1]))
	if err != nil {
		return nil
	}
	b.at = positionMillis(toText(pair[0]))
	return b
}
