package embedded

import "container/heap"

// expiryIndex remembers when a key has to be looked at: never later than the key expires, possibly earlier. A refreshed
// lifetime needs no change, the key is looked at once too often; so there is one entry per key however often its
// lifetime is renewed. Times are wall clock ms. Guarded by Server.mu.
type expiryIndex struct {
	heap  expiryHeap
	byKey map[string]*expiryEntry
}

type expiryEntry struct {
	key string
	at  int64
	pos int
}

func newExpiryIndex() *expiryIndex { return &expiryIndex{byKey: map[string]*expiryEntry{}} }

// note says that key expires at the time or later than an earlier note said.
func (x *expiryIndex) note(key string, at int64) {
	e, ok := x.byKey[key]
	switch {
	case !ok:
		e = &expiryEntry{key: key, at: at}
		x.byKey[key] = e
		heap.Push(&x.heap, e)
	case at < e.at:
		e.at = at
		heap.Fix(&x.heap, e.pos)
	}
}

func (x *expiryIndex) forget(key string) {
	if e, ok := x.byKey[key]; ok {
		heap.Remove(&x.heap, e.pos)
		delete(x.byKey, key)
	}
}

// copyTo notes for dst what is known of src (RENAME).
func (x *expiryIndex) copyTo(src, dst string) {
	if e, ok := x.byKey[src]; ok {
		x.note(dst, e.at)
	}
}

// popDue removes and returns a key whose time has come.
func (x *expiryIndex) popDue(now int64) (string, bool) {
	if len(x.heap) == 0 || x.heap[0].at > now {
		return "", false
	}
	e := heap.Pop(&x.heap).(*expiryEntry)
	delete(x.byKey, e.key)
	return e.key, true
}

func (x *expiryIndex) len() int { return len(x.heap) }

type expiryHeap []*expiryEntry

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}
func (h *expiryHeap) Push(x any) {
	e := x.(*expiryEntry)
	e.pos = len(*h)
	*h = append(*h, e)
}
func (h *expiryHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
