package socketio

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

// MemoryStore is a RecoveryStore for programs with one process. Safe for
// concurrent use. It owns no goroutine: what is too old goes when the store is
// used next, and what is too much goes at once, the oldest first.
type MemoryStore struct {
	o MemoryStoreOptions

	mu       sync.Mutex
	spaces   map[string]*memorySpace
	sessions map[memoryKey]*memorySession
	first    *memorySession // the oldest of all sessions
	last     *memorySession
	bytes    int // of all events
	cleaned  time.Time
	next     uint64
}

// MemoryStoreOptions are the bounds of a MemoryStore; zero values take the
// defaults named.
type MemoryStoreOptions struct {
	Window   time.Duration    // how long sessions and events are kept; 2 minutes
	Sessions int              // in all namespaces; 100,000
	Events   int              // in each namespace; 10,000
	Bytes    int              // of all events, about; 64 MiB
	Now      func() time.Time // time.Now
}

type memoryKey struct{ nsp, pid string }

// memorySession is an element of the list of sessions in the order of saving.
type memorySession struct {
	RecoverySession
	key        memoryKey
	prev, next *memorySession
}

// memorySpace holds the events of one namespace, the oldest first.
type memorySpace struct{ events []memoryEvent }

type memoryEvent struct {
	RecoveryEvent
	at time.Time
}

// NewMemoryStore returns an empty store.
func NewMemoryStore(o MemoryStoreOptions) *MemoryStore {
	if o.Window <= 0 {
		o.Window = defaultWindow
	}
	if o.Sessions <= 0 {
		o.Sessions = 100_000
	}
	if o.Events <= 0 {
		o.Events = 10_000
	}
	if o.Bytes <= 0 {
		o.Bytes = 64 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &MemoryStore{
		o: o, spaces: map[string]*memorySpace{}, sessions: map[memoryKey]*memorySession{},
		// Offsets of an earlier process are below.
		next: uint64(o.Now().UnixMicro()),
	}
}

const defaultWindow = 2 * time.Minute

// NextOffset implements RecoveryStore.
func (m *MemoryStore) NextOffset(string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next++
	return strconv.FormatUint(m.next, 36)
}

// Append implements RecoveryStore.
func (m *MemoryStore) Append(nsp string, e RecoveryEvent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cleanLocked()
	space := m.spaces[nsp]
	if space == nil {
		space = &memorySpace{}
		m.spaces[nsp] = space
	}
	space.events = append(space.events, memoryEvent{e, now})
	m.bytes += eventSize(&e)
	if len(space.events) > m.o.Events {
		m.dropLocked(space, 1)
	}
	for m.bytes > m.o.Bytes && len(space.events) > 0 { // who fills it pays for it
		m.dropLocked(space, 1)
	}
}

// Save implements RecoveryStore.
func (m *MemoryStore) Save(nsp string, s RecoverySession) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cleanLocked()
	if s.At.IsZero() {
		s.At = now
	}
	key := memoryKey{nsp, s.PID}
	if old := m.sessions[key]; old != nil {
		m.unlinkLocked(old)
	}
	e := &memorySession{RecoverySession: s, key: key, prev: m.last}
	if m.last != nil {
		m.last.next = e
	} else {
		m.first = e
	}
	m.last = e
	m.sessions[key] = e
	if len(m.sessions) > m.o.Sessions {
		m.unlinkLocked(m.first)
	}
}

// Restore implements RecoveryStore.
func (m *MemoryStore) Restore(nsp, pid, offset string) (RecoverySession, []RecoveryEvent, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cleanLocked()
	e, space := m.sessions[memoryKey{nsp, pid}], m.spaces[nsp]
	if e == nil || space == nil || now.Sub(e.At) > m.o.Window {
		return RecoverySession{}, nil, false
	}
	at := slices.IndexFunc(space.events, func(e memoryEvent) bool { return e.Offset == offset })
	if at < 0 || now.Sub(space.events[at].at) > m.keep() {
		return RecoverySession{}, nil, false
	}
	m.unlinkLocked(e)
	var missed []RecoveryEvent
	for i := at + 1; i < len(space.events); i++ {
		if event := &space.events[i].RecoveryEvent; event.For(&e.RecoverySession) {
			missed = append(missed, *event)
		}
	}
	return e.RecoverySession, missed, true
}

// keep is how long events stay: an offset is older than the disconnect.
func (m *MemoryStore) keep() time.Duration { return 2 * m.o.Window }

// cleanLocked removes what is too old, now and then, and returns the time.
func (m *MemoryStore) cleanLocked() time.Time {
	now := m.o.Now()
	if now.Sub(m.cleaned) < m.o.Window/8 {
		return now
	}
	m.cleaned = now
	for m.first != nil && now.Sub(m.first.At) > m.o.Window {
		m.unlinkLocked(m.first)
	}
	for nsp, space := range m.spaces {
		old := 0
		for old < len(space.events) && now.Sub(space.events[old].at) > m.keep() {
			old++
		}
		m.dropLocked(space, old)
		if len(space.events) == 0 {
			delete(m.spaces, nsp)
		}
	}
	return now
}

// dropLocked removes the n oldest events of a namespace.
func (m *MemoryStore) dropLocked(space *memorySpace, n int) {
	for i := range n {
		m.bytes -= eventSize(&space.events[i].RecoveryEvent)
		space.events[i] = memoryEvent{}
	}
	space.events = space.events[n:]
}

func (m *MemoryStore) unlinkLocked(e *memorySession) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		m.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		m.last = e.prev
	}
	delete(m.sessions, e.key)
}

// eventSize is about what an event occupies.
func eventSize(e *RecoveryEvent) int {
	size := overhead + len(e.Text)
	for _, a := range e.Attachments {
		size += len(a)
	}
	for _, list := range [][]string{e.Rooms, e.Except} {
		for _, room := range list {
			size += len(room)
		}
	}
	return size
}
