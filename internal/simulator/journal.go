package simulator

import (
	"sort"
	"sync"
)

// fate of a push.
type fate uint8

const (
	underway fate = iota
	accepted      // answered 200
	void          // refused, or nobody knows: may arrive, need not
)

// push is one entry of the journal.
type push struct {
	id     int64 // the server's, 0 before its answer
	stream int32
	fate   fate
}

// journal is what was pushed, in the order of the attempts: an entry is written before the request leaves. It is safe for
// concurrent use. Positions count from 1.
type journal struct {
	mu       sync.Mutex
	entries  []push
	byStream [][]int32 // positions
}

func newJournal(streams int) *journal { return &journal{byStream: make([][]int32, streams)} }

// begin writes a push down; seq is its number in its stream.
func (j *journal) begin(stream int32) (at int64, seq int32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, push{stream: stream})
	at = int64(len(j.entries))
	j.byStream[stream] = append(j.byStream[stream], int32(at))
	return at, int32(len(j.byStream[stream]))
}

// settle writes down what became of it.
func (j *journal) settle(at, id int64, f fate) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries[at-1].id, j.entries[at-1].fate = id, f
}

func (j *journal) len() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return int64(len(j.entries))
}

// tail is a copy of the entries behind position from, at most n.
func (j *journal) tail(from int64, n int) []push {
	j.mu.Lock()
	defer j.mu.Unlock()
	from = min(max(from, 0), int64(len(j.entries)))
	end := min(from+int64(n), int64(len(j.entries)))
	return append([]push(nil), j.entries[from:end]...)
}

// replay makes a copy of another journal complete from position from+1 on; entries it has are updated.
func (j *journal) replay(from int64, entries []push) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if from < 0 || from > int64(len(j.entries)) || from+int64(len(entries)) > maxPushes {
		return false
	}
	for i, e := range entries {
		if e.stream < 0 || int(e.stream) >= len(j.byStream) {
			return false
		}
		at := from + int64(i)
		if at < int64(len(j.entries)) {
			if e.fate != underway { // an older copy does not undo what is known
				j.entries[at] = e
			}
			continue
		}
		j.entries = append(j.entries, e)
		j.byStream[e.stream] = append(j.byStream[e.stream], int32(at+1))
	}
	return true
}

// view gives f the journal at rest; only for the judging, f must not call back.
func (j *journal) view(f func(entries []push, byStream [][]int32)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(j.entries, j.byStream)
}

// firstAfter is the number in its stream of the first push behind position since.
func firstAfter(positions []int32, since int64) int32 {
	return int32(1 + sort.Search(len(positions), func(i int) bool { return int64(positions[i]) > since }))
}
