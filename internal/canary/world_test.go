package canary

import (
	"context"
	"errors"
	"slices"
	"sort"
	"testing"
	"time"
)

// world is a cluster with a clock of its own. Everything happens in step.
type world struct {
	t      *testing.T
	now    time.Time
	nodes  map[string]*station
	logics map[string]*desk
	leases map[string]time.Time
	ring   map[string]time.Duration
	picked map[string]int64
	last   Note
	down   bool // the store answers nobody
	writes int
}

// station is a connector. Its stream is read at once unless it is stuck.
type station struct {
	w        *world
	name     string
	canary   *Node // nil: an old version, or canaries are off
	interval time.Duration
	next     time.Time // of its rounds
	stream   []Note
	dead     bool
	frozen   bool
	stuck    bool            // nobody reads the stream
	lag      time.Duration   // of the reading
	mute     bool            // what it writes to others is lost
	deaf     bool            // what others write to it is lost
	denied   bool            // its own notes cannot be written
	arrives  []time.Time     // of the entries of the stream
	leaving  bool            //
	age      []time.Duration // of own notes
	failed   map[Failure]int
	changes  []Failure
}

// desk is a logic process.
type desk struct {
	w       *world
	name    string
	canary  *Logic
	next    time.Time
	cut     bool // what it writes is lost
	dead    bool
	frozen  bool
	failed  map[Failure]int
	changes []Failure
}

const (
	beat  = 5 * time.Second
	lease = 15 * time.Second
	usual = 5 * time.Second
)

var errDown = errors.New("down")

func newWorld(t *testing.T) *world {
	return &world{
		t: t, now: time.Unix(1_800_000_000, 0), nodes: map[string]*station{}, logics: map[string]*desk{}, leases: map[string]time.Time{},
		ring: map[string]time.Duration{}, picked: map[string]int64{},
	}
}

// view is the store and the bus as one process sees them.
type view struct {
	*world
	who string
}

func (v view) err() error {
	if v.down {
		return errDown
	}
	return nil
}

func (v view) living(names []string, n int) (peers []Peer) {
	for _, name := range names {
		end, ok := v.leases[name]
		switch {
		case !ok:
			delete(v.ring, name)
		case end.After(v.now) && len(peers) < n:
			peers = append(peers, Peer{name, v.ring[name], end.UnixMilli()})
		}
	}
	return peers
}

func (v view) around(name string) (behind []string) {
	var all []string
	for other := range v.ring {
		if other != name {
			all = append(all, other)
		}
	}
	sort.Strings(all)
	at, _ := slices.BinarySearch(all, name)
	return append(slices.Clone(all[at:]), all[:at]...)
}

func (v view) KeepInRing(_ context.Context, node string, interval time.Duration, n int) (before, behind []Peer, err error) {
	v.ring[node] = interval
	list := v.around(node)
	behind = v.living(list, n)
	slices.Reverse(list)
	return v.living(list, n), behind, v.err()
}

func (v view) LeaveRing(_ context.Context, node string) error {
	delete(v.ring, node)
	return v.err()
}

func (v view) RingBehind(_ context.Context, name string, n int) ([]Peer, error) {
	list := v.around(name)
	if _, ok := v.ring[name]; ok {
		list = append(list, name)
	}
	return v.living(list, n), v.err()
}

func (v view) PickUp(_ context.Context, notes []Note) error {
	for _, n := range notes {
		v.picked[n.From], v.last = n.Sent, n
	}
	return v.err()
}

func (v view) PickedUp(_ context.Context, process string) (int64, Note, error) {
	return v.picked[process], v.last, v.err()
}

func (v view) Canary(_ context.Context, node string, n Note) (bool, error) {
	if v.down {
		return false, errDown
	}
	v.writes++
	to, from := v.nodes[node], v.nodes[v.who]
	switch {
	case to == nil || v.leases[node].IsZero():
		return false, nil
	case node == v.who:
		if to.denied {
			return false, nil
		}
	case to.deaf || from != nil && from.mute || v.logics[v.who] != nil && v.logics[v.who].cut:
		return true, nil // lost on the way, for all the sender knows
	}
	to.stream = append(to.stream, n)
	to.arrives = append(to.arrives, v.now.Add(to.lag))
	return true, nil
}

func (w *world) add(name string) *station { return w.addEvery(name, usual) }

func (w *world) addEvery(name string, interval time.Duration) *station {
	s := &station{w: w, name: name, interval: interval, next: w.now, failed: map[Failure]int{}}
	w.nodes[name] = s
	w.leases[name] = w.now.Add(lease)
	if interval == 0 {
		return s
	}
	s.canary = NewNode(Options{
		Process: name, Interval: interval, Store: view{w, name}, Sender: view{w, name},
		Leaving: func() bool { return s.leaving }, Away: func() bool { return w.down },
		Observe: func(from Origin, age time.Duration) {
			if from == Own {
				s.age = append(s.age, age)
			}
		},
		Failed:  func(f Failure) { s.failed[f]++ },
		Changed: func(f Failure, _ error) { s.changes = append(s.changes, f) },
		Now:     func() time.Time { return w.now },
	})
	return s
}

func (w *world) addLogic(name string) *desk {
	d := &desk{w: w, name: name, next: w.now, failed: map[Failure]int{}}
	w.logics[name] = d
	d.canary = NewLogic(Options{
		Process: name, Interval: usual, Store: view{w, name}, Sender: view{w, name}, Away: func() bool { return w.down },
		Failed:  func(f Failure) { d.failed[f]++ },
		Changed: func(f Failure, _ error) { d.changes = append(d.changes, f) },
		Now:     func() time.Time { return w.now },
	})
	return d
}

// quit ends a node as a shutdown does.
func (w *world) quit(name string) {
	if c := w.nodes[name].canary; c != nil {
		c.leave(w.t.Context())
	}
	w.sweep(name)
}

func (w *world) sweep(name string) {
	delete(w.leases, name)
	delete(w.ring, name)
	delete(w.nodes, name)
}

// run lets time pass; each is called every second and may be nil.
func (w *world) run(d time.Duration, each func()) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(500 * time.Millisecond)
		for _, name := range sortedKeys(w.nodes) {
			w.nodes[name].step()
		}
		for _, name := range sortedKeys(w.logics) {
			if l := w.logics[name]; !l.dead && !l.frozen && !w.now.Before(l.next) {
				l.next = w.now.Add(usual)
				l.canary.tick(w.t.Context())
			}
		}
		// A sweeper.
		for name, end := range w.leases {
			if s := w.nodes[name]; !w.down && end.Add(lease).Before(w.now) && (s == nil || s.dead) {
				w.sweep(name)
			}
		}
		if each != nil && w.now.Nanosecond() == 0 {
			each()
		}
	}
}

func sortedKeys[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (s *station) step() {
	w := s.w
	if s.dead || s.frozen {
		return
	}
	if end, ok := w.leases[s.name]; !w.down && (!ok || end.Sub(w.now) <= lease-beat) {
		w.leases[s.name] = w.now.Add(lease)
	}
	if s.canary == nil {
		s.stream = nil
		return
	}
	if !w.now.Before(s.next) {
		s.next = w.now.Add(s.interval)
		s.canary.tick(w.t.Context())
	}
	for !s.stuck && !w.down && len(s.stream) > 0 && !w.now.Before(s.arrives[0]) {
		n := s.stream[0]
		s.stream, s.arrives = s.stream[1:], s.arrives[1:]
		s.canary.Received(n)
	}
	select {
	case <-s.canary.wake:
		s.canary.pickUp(w.t.Context())
	default:
	}
}

// want checks what a node says of itself.
func (s *station) want(what string, want error) {
	s.w.t.Helper()
	if got := s.canary.Check(); !errors.Is(got, want) {
		s.w.t.Errorf("%s: %s says %v, want %v", what, s.name, got, want)
	}
}

func (d *desk) want(what string, want error) {
	d.w.t.Helper()
	if got := d.canary.Check(); !errors.Is(got, want) {
		d.w.t.Errorf("%s: %s says %v, want %v", what, d.name, got, want)
	}
}

// calm fails when anybody is not ready.
func (w *world) calm(what string) {
	w.t.Helper()
	for name, s := range w.nodes {
		if s.canary != nil && !s.dead && !s.frozen {
			if err := s.canary.Check(); err != nil {
				w.t.Errorf("%s: %s says %v at %s", what, name, err, w.now.Format(time.TimeOnly))
			}
		}
	}
	for name, d := range w.logics {
		if err := d.canary.Check(); err != nil && !d.dead && !d.frozen {
			w.t.Errorf("%s: %s says %v", what, name, err)
		}
	}
}

func (s *instant) peers(but string) (peers []Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.ring {
		if name != but {
			peers = append(peers, Peer{name, 10 * time.Millisecond, time.Now().UnixMilli()})
		}
	}
	return peers
}

func (s *instant) KeepInRing(_ context.Context, node string, _ time.Duration, _ int) (before, behind []Peer, err error) {
	s.mu.Lock()
	s.ring[node] = true
	s.mu.Unlock()
	return s.peers(node), s.peers(node), nil
}

func (s *instant) LeaveRing(_ context.Context, node string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ring, node)
	return nil
}

func (s *instant) RingBehind(context.Context, string, int) ([]Peer, error) { return s.peers(""), nil }

func (s *instant) PickUp(_ context.Context, notes []Note) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range notes {
		s.picked[n.From], s.last = n.Sent, n
	}
	return nil
}

func (s *instant) PickedUp(_ context.Context, process string) (int64, Note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.picked[process], s.last, nil
}

func (s *instant) Canary(_ context.Context, node string, n Note) (bool, error) {
	s.nodes[node].Received(n)
	return true, nil
}
