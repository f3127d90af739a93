package store

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/inbox"
)

// letters are messages that were read out of inboxes lately. When the devices
// of a room come back at once, each of its messages is read a few times and not
// once for every device; a message that somebody reads is waited for.
//
// What a letter shows may be some seconds old, which only its counters tell.
type letters struct {
	mu    sync.Mutex
	byID  map[int64]*letter
	bytes int // of those that are read; at most lettersMax, then all are forgotten
}

// letter is one message. All but at is set when done is closed, and fixed then.
type letter struct {
	at        time.Time
	done      chan struct{}
	err       error
	ok        bool // else the message is gone
	entry     inbox.Entry
	namespace string
}

const (
	lettersMax  = 32 << 20
	letterKeeps = 5 * time.Second
)

// find returns those of the messages that are known, nil for the others.
func (l *letters) find(ids []int64) []*letter {
	found := make([]*letter, len(ids))
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, id := range ids {
		if known := l.byID[id]; known != nil && time.Since(known.at) < letterKeeps {
			found[i] = known
		}
	}
	return found
}

// claim returns the letter of each message; those in mine are new, and the
// caller has to fill them.
func (l *letters) claim(ids []int64) (all []*letter, mine []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil || l.bytes > lettersMax {
		l.byID, l.bytes = map[int64]*letter{}, 0
	}
	now := time.Now()
	all = make([]*letter, len(ids))
	for i, id := range ids {
		known := l.byID[id]
		if known == nil || now.Sub(known.at) >= letterKeeps {
			known = &letter{at: now, done: make(chan struct{})}
			l.byID[id] = known
			mine = append(mine, i)
		}
		all[i] = known
	}
	return all, mine
}

// filled notes what a letter weighs; one that could not be read is forgotten.
func (l *letters) filled(id int64, what *letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if what.err != nil && l.byID[id] == what {
		delete(l.byID, id)
	}
	l.bytes += len(what.entry.Record) + 200
	close(what.done)
}

// lettersOf loads messages.
func (s *Store) lettersOf(ctx context.Context, ids []int64) ([]*letter, error) {
	all, mine := s.letters.claim(ids)
	if len(mine) > 0 {
		s.readLetters(ctx, ids, all, mine)
	}
	for _, l := range all {
		if err := l.wait(ctx); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *letter) wait(ctx context.Context) error {
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readLetters fills the letters that are the caller's, whatever happens.
func (s *Store) readLetters(ctx context.Context, ids []int64, all []*letter, mine []int) {
	ops := make([]*op, len(mine))
	for j, i := range mine {
		args := make([]any, 0, 2+len(inbox.Fields))
		args = append(args, "HMGET", s.keys.message(strconv.FormatInt(ids[i], 10)))
		for _, f := range inbox.Fields {
			args = append(args, f)
		}
		ops[j] = do(args...)
	}
	// Others wait for them, so the end of one caller must not be theirs.
	err := s.run(context.WithoutCancel(ctx), ops...)
	for j, i := range mine {
		l := all[i]
		if l.err = err; err == nil {
			values := optional(ops[j].list())
			if l.entry, l.ok = inbox.Encode(ids[i], values); l.ok && values[inbox.FieldNamespace] != nil {
				l.namespace = *values[inbox.FieldNamespace]
			}
		}
		s.letters.filled(ids[i], l)
	}
}
