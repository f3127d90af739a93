package canary

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/leaktest"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

// TestAlone: a node without others judges its own stream, and nothing else.
func TestAlone(t *testing.T) {
	w := newWorld(t)
	a := w.add("a")
	w.calm("at the start")
	w.run(time.Minute, func() { w.calm("alone") })
	if len(a.age) < 10 {
		t.Errorf("%d notes have come", len(a.age))
	}
	for _, c := range []struct {
		what        string
		begin, end  func()
		want        error
		kind        Failure
		recoverSoon time.Duration
	}{
		{"the stream is not read", func() { a.stuck = true }, func() { a.stuck = false }, ErrRead, Read, time.Second},
		{"the stream is gone", func() { a.denied = true }, func() { a.denied = false }, ErrWrite, Write, usual + time.Second},
		{"reading is late", func() { a.lag = 40 * time.Second }, func() { a.lag = 0 }, ErrLatency, Latency, 41 * time.Second},
	} {
		clear(a.failed)
		a.changes = nil
		c.begin()
		w.run(9*time.Second, func() { a.want(c.what+", for a moment", nil) })
		w.run(time.Minute, nil)
		a.want(c.what, c.want)
		if a.failed[c.kind] < 5 {
			t.Errorf("%s: counted %v", c.what, a.failed)
		}
		c.end()
		w.run(c.recoverSoon, nil)
		a.want("after: "+c.what, nil)
		w.run(time.Minute, nil)
		if len(a.changes) < 2 || a.changes[len(a.changes)-1] != "" {
			t.Errorf("%s: told %q", c.what, a.changes)
		}
	}
}

// TestLatencyOfOldBacklog: a reader that works off a long backlog is late, not
// blind, also with notes nobody remembers.
func TestLatencyOfOldBacklog(t *testing.T) {
	w := newWorld(t)
	a := w.add("a")
	w.run(time.Minute, nil)
	a.stuck = true
	w.run(20*time.Minute, nil)
	a.want("stuck", ErrRead)
	a.canary.Received(Note{From: "a", Sent: w.now.Add(-20 * time.Minute).UnixMicro()})
	a.want("the first of the backlog", ErrLatency)
	a.stuck = false
	w.run(time.Second, nil)
	a.want("caught up", nil)
}

// TestSlowNeighbours: a neighbour that is slow, frozen or dead makes nobody
// else unready, in a cluster of any size.
func TestSlowNeighbours(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		for what, harm := range map[string]func(*station){
			"mute": func(s *station) { s.mute = true }, "frozen": func(s *station) { s.frozen = true },
			"dead": func(s *station) { s.dead = true }, "stuck": func(s *station) { s.stuck = true }, "gone": func(s *station) { s.w.quit(s.name) },
		} {
			w := newWorld(t)
			for i := range n {
				w.add(fmt.Sprint("n", i))
			}
			l := w.addLogic("l")
			w.run(time.Minute, func() { w.calm("before") })
			harm(w.nodes["n1"])
			for range 300 {
				w.run(time.Second, nil)
				for name, s := range w.nodes {
					if name != "n1" && s.canary.Check() != nil {
						t.Fatalf("%d nodes, n1 %s: %s says %v", n, what, name, s.canary.Check())
					}
				}
			}
			l.want(what, nil)
		}
	}
}

// TestCutOff: a node that nobody reaches finds out, although its own loop works.
func TestCutOff(t *testing.T) {
	for _, c := range []struct {
		nodes, logics int
		found         bool
	}{{2, 0, false}, {2, 1, true}, {3, 0, true}, {3, 1, true}, {12, 2, true}, {1, 2, false}} {
		what := fmt.Sprintf("%d connectors and %d logics", c.nodes, c.logics)
		w := newWorld(t)
		for i := range c.nodes {
			w.add(fmt.Sprint("n", i))
		}
		for i := range c.logics {
			w.addLogic(fmt.Sprint("l", i))
		}
		w.run(time.Minute, func() { w.calm(what) })
		cut := w.nodes["n0"]
		cut.deaf = true
		w.run(9*time.Second, func() { w.calm(what + ", for a moment") })
		w.run(21*time.Second, nil)
		if !c.found {
			w.calm(what)
			continue
		}
		cut.want(what, ErrOthers)
		if cut.failed[Others] == 0 {
			t.Errorf("%s: counted %v", what, cut.failed)
		}
		cut.deaf = false
		w.run(usual+time.Second, func() {
			for name, s := range w.nodes {
				if name != "n0" {
					s.want(what, nil)
				}
			}
		})
		w.calm(what + ", after")
	}
}

// TestLogicUnheard: of several logic processes, the one that reaches nobody is
// unready; when none does they all stay.
func TestLogicUnheard(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.add(fmt.Sprint("n", i))
	}
	a, b := w.addLogic("a"), w.addLogic("b")
	w.run(2*time.Minute, func() { w.calm("before") })
	a.cut = true
	w.run(9*time.Second, func() { w.calm("for a moment") })
	w.run(time.Minute, func() { b.want("heard", nil) })
	a.want("unheard", ErrUnheard)
	b.cut = true
	w.run(time.Minute, nil)
	a.want("nobody is heard", nil)
	b.want("nobody is heard", nil)
	if a.failed[Unheard] == 0 || b.failed[Nobody] == 0 || b.failed[Unheard] != 0 {
		t.Errorf("counted %v and %v", a.failed, b.failed)
	}
	a.cut, b.cut = false, false
	w.run(12*time.Second, nil)
	w.calm("after")
	if !slices.Equal(a.changes, []Failure{Unheard, Nobody, ""}) {
		t.Errorf("told %q", a.changes)
	}
	// Without connectors nothing can be picked up, and nothing is wrong.
	for _, name := range sortedKeys(w.nodes) {
		w.quit(name)
	}
	clear(a.failed)
	w.run(5*time.Minute, func() { w.calm("no connector") })
	if len(a.failed) != 0 {
		t.Errorf("counted %v", a.failed)
	}
}

// TestStoreAway: while the store is away nothing is judged, and afterwards
// everybody has time; the store has a check of its own.
func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.add(fmt.Sprint("n", i))
	}
	w.addLogic("l")
	w.run(time.Minute, nil)
	for _, outage := range []time.Duration{3 * time.Second, 14 * time.Second, 10 * time.Minute} {
		w.down = true
		w.run(outage, func() { w.calm("away") })
		w.down = false
		w.run(time.Minute, func() { w.calm("back") })
	}
}

// TestFrozen: a process that was frozen has missed much, and begins anew.
func TestFrozen(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.add(fmt.Sprint("n", i))
	}
	l := w.addLogic("l")
	w.addLogic("m")
	w.run(time.Minute, nil)
	frozen := w.nodes["n1"]
	frozen.frozen, l.frozen = true, true
	w.run(10*time.Minute, func() { w.calm("others") })
	frozen.frozen, l.frozen = false, false
	w.calm("at the moment it wakes up")
	w.run(time.Minute, func() { w.calm("awake") })
}

// TestMixedVersions: nodes that write no canaries, or at other intervals, are
// not missed, in a rolling change of either.
func TestMixedVersions(t *testing.T) {
	intervals := []time.Duration{0, usual, time.Second, time.Minute, 0, usual}
	w := newWorld(t)
	for i := range 6 {
		w.addEvery(fmt.Sprint("n", i), 0)
	}
	w.addLogic("l")
	w.run(time.Minute, func() { w.calm("none") })
	for round := range 12 {
		name := fmt.Sprint("n", round%6)
		w.quit(name)
		w.run(3*time.Second, func() { w.calm("one has gone") })
		w.addEvery(name, intervals[(round*5+round/6)%6])
		w.run(4*time.Minute, func() { w.calm(fmt.Sprint("round ", round)) })
	}
}

// TestChurn: whatever nodes do that nothing is wrong with the others for, the
// others stay ready.
func TestChurn(t *testing.T) {
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a test
		w := newWorld(t)
		for i := range 2 + random.IntN(12) {
			w.add(fmt.Sprint("start", i))
		}
		w.addLogic("l0")
		w.addLogic("l1")
		w.run(time.Duration(random.IntN(20))*time.Second, nil)
		harmed := ""
		for step := range 150 {
			if len(w.nodes) == 0 { // all that were there have died
				w.add(fmt.Sprint("again", step))
			}
			names := sortedKeys(w.nodes)
			pick := names[random.IntN(len(names))]
			s := w.nodes[pick]
			switch random.IntN(10) {
			case 0, 1:
				w.addEvery(fmt.Sprintf("s%d-%d", random.IntN(1000), step), []time.Duration{usual, usual, time.Second, 0}[random.IntN(4)])
			case 2:
				if len(names) > 2 {
					s.leaving = true
				}
			case 3:
				if len(names) > 2 && s.leaving {
					w.quit(pick)
				}
			case 4:
				if len(names) > 2 {
					s.dead = true
				}
			case 5:
				s.frozen = !s.frozen
			case 6: // one at a time has a fault
				if old := w.nodes[harmed]; old != nil {
					old.mute = false
				}
				harmed, s.mute = pick, true
			}
			w.run(time.Duration(1+random.IntN(12))*time.Second, func() { w.calm(fmt.Sprintf("seed %d, step %d", seed, step)) })
			if t.Failed() {
				return
			}
		}
		if len(w.ring) > len(w.nodes)+len(w.leases) {
			t.Errorf("seed %d: %d in the ring, %d nodes", seed, len(w.ring), len(w.nodes))
		}
	}
}

// TestCost: the notes of one interval grow with the number of nodes, not with
// its square.
func TestCost(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 50} {
		w := newWorld(t)
		for i := range n {
			w.add(fmt.Sprint("n", i))
		}
		w.addLogic("l")
		w.run(20*time.Second, nil)
		w.writes = 0
		w.run(10*usual, nil)
		if got, want := w.writes, 10*(n*(1+min(n-1, neighbours))+min(n, handful)); got != want {
			t.Errorf("%d nodes: %d notes in 10 intervals, want %d", n, got, want)
		}
	}
}

// TestGoroutines: with real time, the goroutines write, pick up and end.
func TestGoroutines(t *testing.T) {
	s := &instant{ring: map[string]bool{}, nodes: map[string]*Node{}, picked: map[string]int64{}}
	own := make(chan struct{}, 1000)
	options := func(name string) Options {
		return Options{
			Process: name, Interval: 10 * time.Millisecond, Store: s, Sender: s,
			Observe: func(from Origin, age time.Duration) {
				if age < 0 {
					t.Errorf("age %s", age)
				}
				if from == Own {
					own <- struct{}{}
				}
			},
		}
	}
	a, b, l := NewNode(options("a")), NewNode(options("b")), NewLogic(options("l"))
	s.nodes["a"], s.nodes["b"] = a, b
	a.Start()
	b.Start()
	l.Start()
	for range 20 {
		<-own
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		n := s.picked["l"]
		s.mu.Unlock()
		if n != 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody picks up")
		}
	}
	if a.Check() != nil || l.Check() != nil {
		t.Errorf("%v, %v", a.Check(), l.Check())
	}
	l.Close()
	a.Close()
	b.Close()
	if len(s.ring) != 0 {
		t.Errorf("left in the ring: %v", slices.Collect(maps.Keys(s.ring)))
	}
	NewNode(options("c")).Close()
	NewLogic(options("d")).Close()
}

// TestReasons: the texts name what stopped.
func TestReasons(t *testing.T) {
	w := newWorld(t)
	a := w.add("a")
	w.run(time.Minute, nil)
	a.stuck = true
	w.run(30*time.Second, nil)
	if err := a.canary.Check(); err == nil || !strings.HasPrefix(err.Error(), "the stream of this node is not read, for 3") {
		t.Errorf("%v", err)
	}
}

// TestPickUpsAreBounded: a flood of senders costs no more memory than allowed.
func TestPickUpsAreBounded(t *testing.T) {
	w := newWorld(t)
	a := w.add("a")
	for i := range 5 * pickUps {
		a.canary.Received(Note{From: fmt.Sprint("l", i), Sent: 1, Answer: true})
	}
	if n := len(a.canary.pick); n != pickUps {
		t.Errorf("%d wait", n)
	}
	a.stuck = true
	w.run(time.Hour, nil)
	if n := len(a.canary.own); n > ownNotes {
		t.Errorf("%d own notes", n)
	}
}

// instant is a store and a bus that deliver at once.
type instant struct {
	mu     sync.Mutex
	ring   map[string]bool
	nodes  map[string]*Node // fixed
	picked map[string]int64
	last   Note
}
