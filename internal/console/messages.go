package console

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// MessageHead is what can be read of a message whatever the size of its data.
type MessageHead struct {
	ID        int64
	Namespace string
	Room      string
	SendDate  int64 // ms
	Offline   bool  // it is kept for absent devices
	APNsName  string
	Bytes     int64 // of its data
}

// MessageStore reads messages.
type MessageStore interface {
	// MessageIDs is the history of a namespace, the newest first.
	MessageIDs(ctx context.Context, ns string) ([]int64, error)
	// MessageHeads are nil for messages that are gone.
	MessageHeads(ctx context.Context, ids []int64) ([]*MessageHead, error)
	// Records are the stored fields of messages, nil for those that are gone.
	Records(ctx context.Context, ids []int64) ([]map[string]string, error)
}

// MessageQuery asks for messages of a namespace. Zero values do not filter.
type MessageQuery struct {
	Namespace string
	Room      string
	From, To  int64 // of sending, ms, both included
	ID        int64
	Offline   *bool
	Text      string // that pushData contains as it is stored, ignoring case
	APNsName  string
	Cursor    string
	Size      int
}

// Bounds of the work for one page of messages.
const (
	messageStep  = 200
	messageBytes = 8 << 20 // of data that is read, but for the first message
	messageText  = 8       // messages whose data is read at once
)

// Messages finds messages, the newest first, and returns their stored fields.
// Errors: ErrCursor, else the store's.
func Messages(ctx context.Context, store MessageStore, q MessageQuery) (found []map[string]string, next string, err error) {
	before, err := messageCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	if q.Size < 1 {
		q.Size = PageDefault
	}
	q.Size = min(q.Size, PageMost)
	ids, err := candidates(ctx, store, q, before)
	if err != nil {
		return nil, "", err
	}
	s := &messageSearch{store: store, q: q, started: time.Now()}
	for len(ids) > 0 {
		n := min(len(ids), messageStep)
		rest, err := s.step(ctx, ids[:n])
		if err != nil {
			return nil, "", err
		}
		ids = ids[n-rest:]
		if s.full() {
			break
		}
	}
	if len(ids) > 0 {
		next = strconv.FormatInt(s.last, 10)
	}
	return s.found, next, nil
}

// candidates are the ids that may be looked at.
func candidates(ctx context.Context, store MessageStore, q MessageQuery, before int64) ([]int64, error) {
	var ids []int64
	if q.ID > 0 {
		ids = []int64{q.ID}
	} else {
		var err error
		if ids, err = store.MessageIDs(ctx, q.Namespace); err != nil {
			return nil, err
		}
	}
	for before > 0 && len(ids) > 0 && ids[0] >= before {
		ids = ids[1:]
	}
	return ids, nil
}

// messageCursor is the id that was looked at last; 0 for none.
func messageCursor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != text {
		return 0, ErrCursor
	}
	return id, nil
}

// messageSearch is the work on one page.
type messageSearch struct {
	store   MessageStore
	q       MessageQuery
	started time.Time
	found   []map[string]string
	last    int64 // id that was looked at last
	read    int64 // bytes of data
}

func (s *messageSearch) full() bool {
	return len(s.found) >= s.q.Size || s.read >= messageBytes || time.Since(s.started) > walkTime
}

// step looks at some messages until the page is full; rest is how many are
// left.
func (s *messageSearch) step(ctx context.Context, ids []int64) (rest int, err error) {
	heads, err := s.store.MessageHeads(ctx, ids)
	if err != nil {
		return 0, err
	}
	for at := 0; at < len(ids); {
		var batch []int64
		var bytes int64
		i := at
		for ; i < len(ids) && len(batch) < messageText && len(s.found)+len(batch) < s.q.Size; i++ {
			h := heads[i]
			if h == nil || !s.q.fits(h) {
				continue
			}
			if len(batch) > 0 && s.read+bytes+h.Bytes > messageBytes {
				break
			}
			batch, bytes = append(batch, ids[i]), bytes+h.Bytes
		}
		if len(batch) > 0 {
			records, err := s.store.Records(ctx, batch)
			if err != nil {
				return 0, err
			}
			for _, r := range records {
				if r != nil && r["namespace"] == s.q.Namespace && s.holds(r["pushData"]) {
					s.found = append(s.found, r)
				}
			}
		}
		s.read += bytes
		at = i
		s.last = ids[at-1]
		if s.full() {
			return len(ids) - at, nil
		}
	}
	return 0, nil
}

func (s *messageSearch) holds(data string) bool {
	return s.q.Text == "" || strings.Contains(strings.ToLower(data), strings.ToLower(s.q.Text))
}

func (q *MessageQuery) fits(h *MessageHead) bool {
	return h.Namespace == q.Namespace && (q.Room == "" || q.Room == h.Room) &&
		(q.From == 0 || h.SendDate >= q.From) && (q.To == 0 || h.SendDate <= q.To) &&
		(q.Offline == nil || *q.Offline == h.Offline) && (q.APNsName == "" || q.APNsName == h.APNsName)
}
