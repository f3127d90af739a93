package simulator

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestEarsAgainstBruteForce sends streams through a lossy, repeating, shuffling channel and compares every figure with
// lists of what was sent and what came.
func TestEarsAgainstBruteForce(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 9))
		j := newJournal(6)
		e := ears{members: []member{{stream: 0}, {stream: 2}, {stream: 5}}, since: -1}
		type event struct{ stream, seq int32 }
		var wire []event
		send := func(n int) {
			for range n {
				stream := int32(r.IntN(6))
				at, seq := j.begin(stream)
				f := accepted
				if r.IntN(20) == 0 {
					f = void
				}
				j.settle(at, at*7, f)
				wire = append(wire, event{stream, seq})
			}
		}
		send(r.IntN(50)) // before the join: may come, need not
		before := wire
		wire = nil
		if r.IntN(2) == 0 {
			wire = append(wire, before[r.IntN(len(before)+1):]...)
		}
		e.since = j.len()
		send(r.IntN(200))
		lossy, shuffled := r.IntN(2) == 0, r.IntN(2) == 0
		var came []event
		for _, ev := range wire {
			if lossy && r.IntN(10) == 0 || !slices.Contains([]int32{0, 2, 5}, ev.stream) && r.IntN(30) > 0 {
				continue
			}
			came = append(came, ev)
			if lossy && r.IntN(15) == 0 {
				came = append(came, ev)
			}
		}
		if shuffled {
			for i := range came {
				k := min(len(came)-1, i+r.IntN(4))
				came[i], came[k] = came[k], came[i]
			}
		}

		want, got := map[verdict]int{}, map[verdict]int{}
		seen, greatest := map[event]bool{}, map[int32]int32{}
		for _, ev := range came {
			switch {
			case !slices.Contains([]int32{0, 2, 5}, ev.stream):
				want[stray]++
			case seen[ev]:
				want[repeated]++
			case ev.seq < greatest[ev.stream]:
				want[reordered]++
			default:
				want[inOrder]++
			}
			seen[ev] = true
			greatest[ev.stream] = max(greatest[ev.stream], ev.seq)
			got[e.hear(ev.stream, ev.seq)]++
		}
		for v, n := range want {
			if got[v] != n {
				t.Fatalf("seed %d: verdict %d: %d, want %d", seed, v, got[v], n)
			}
		}

		var missed, wanted []int64
		j.view(func(entries []push, byStream [][]int32) {
			e.missing(entries, byStream, true, func(at int64, stream, seq int32) {
				if int64(byStream[stream][seq-1]) != at || entries[at-1].stream != stream {
					t.Fatalf("seed %d: %d is not number %d of stream %d", seed, at, seq, stream)
				}
				missed = append(missed, at)
			})
			for _, stream := range []int32{0, 2, 5} {
				for i, at := range byStream[stream] {
					if int64(at) > e.since && entries[at-1].fate == accepted && !seen[event{stream, int32(i + 1)}] {
						wanted = append(wanted, int64(at))
					}
				}
			}
		})
		slices.Sort(missed)
		slices.Sort(wanted)
		if !slices.Equal(missed, wanted) {
			t.Fatalf("seed %d: missing %v, want %v", seed, missed, wanted)
		}
		// A life that ends owes its gaps and no more.
		gaps := 0
		j.view(func(entries []push, byStream [][]int32) {
			e.missing(entries, byStream, false, func(at int64, _, _ int32) {
				if gaps++; !slices.Contains(wanted, at) {
					t.Fatalf("seed %d: %d is no loss", seed, at)
				}
			})
		})
		if gaps > len(wanted) {
			t.Fatalf("seed %d: %d gaps of %d losses", seed, gaps, len(wanted))
		}
		e.forget()
		j.view(func(entries []push, byStream [][]int32) {
			e.missing(entries, byStream, true, func(int64, int32, int32) { t.Fatal("something is missed before the position is known") })
		})
	}
}

func TestGapsAreBounded(t *testing.T) {
	e := ears{members: []member{{stream: 0}}}
	e.hear(0, 1)
	e.hear(0, maxGaps+102)
	if len(e.gaps) != maxGaps || e.more != 100 {
		t.Errorf("%d gaps, %d more", len(e.gaps), e.more)
	}
}

// TestJournalCopies: a journal that is sent in parts, some of them again, is the same.
func TestJournalCopies(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	a, b := newJournal(3), newJournal(3)
	for range 500 {
		at, _ := a.begin(int32(r.IntN(3)))
		if r.IntN(3) > 0 {
			a.settle(at, at, accepted)
		}
		if r.IntN(10) == 0 {
			from := int64(r.IntN(int(b.len()) + 1))
			entries, err := unpackEntries(packEntries(a.tail(from, 1000)))
			if err != nil || !b.replay(from, entries) {
				t.Fatal(err)
			}
		}
	}
	older := a.tail(0, 1000)
	for at := int64(1); at <= a.len(); at++ {
		a.settle(at, at, accepted)
	}
	if !b.replay(0, a.tail(0, 1000)) || !b.replay(0, older) {
		t.Fatal("refused")
	}
	if !slices.Equal(a.tail(0, 1000), b.tail(0, 1000)) || !slices.Equal(a.byStream[1], b.byStream[1]) {
		t.Error("the copy differs")
	}
	for name, bad := range map[string]bool{
		"a hole": b.replay(1000, []push{{}}), "before the first": b.replay(-1, nil), "a stream there is not": b.replay(0, []push{{stream: 3}}), "a negative one": b.replay(0, []push{{stream: -1}}),
	} {
		if bad {
			t.Errorf("%s was accepted", name)
		}
	}
}

func FuzzUnpackEntries(f *testing.F) {
	f.Add(packEntries([]push{{1, 2, accepted}, {1 << 60, 5, void}}))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := unpackEntries(b)
		if err == nil && string(packEntries(entries)) != string(b) {
			t.Error("not the same again")
		}
		newJournal(4).replay(0, entries)
	})
}

func TestTimers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	var h timers
	var want []int64
	for range 2000 {
		if r.IntN(3) > 0 || len(want) == 0 {
			at := r.Int64N(1000)
			h.push(timer{at: at})
			want = append(want, at)
			slices.Sort(want)
			continue
		}
		if got := h.pop().at; got != want[0] {
			t.Fatalf("%d before %d", got, want[0])
		}
		want = want[1:]
	}
}

func TestTallies(t *testing.T) {
	var a, b tally
	count(&a.Failures, "x", 2)
	count(&b.Failures, "x", 3)
	count(&b.Drops, "y", 1)
	a.Delivered, b.Delivered = 5, 7
	a.sample(mark{1, 1}, heard{1, 1})
	b.Samples = []sample{{1, 1, 2, 1}, {2, 2, 1, 0}}
	b.FirstRepeated = &loss{ID: 9, Position: 50}
	a.FirstReordered, b.FirstReordered = &loss{ID: 1, Position: 70}, &loss{ID: 2, Position: 60}
	a.Latency.Record(5)
	b.Latency.Record(7)
	a.merge(&b)
	if a.Failures["x"] != 5 || a.Drops["y"] != 1 || a.Delivered != 12 || a.Sampled[mark{1, 1}] != (heard{3, 2}) || a.Sampled[mark{2, 2}] != (heard{1, 0}) ||
		a.FirstRepeated.ID != 9 || a.FirstReordered.ID != 2 || a.Latency.Count() != 2 {
		t.Errorf("%+v", a)
	}
	for i := range 2 * maxReasons {
		count(&a.Failures, strings.Repeat("r", i), 1)
	}
	if len(a.Failures) > maxReasons+1 || sum(a.Failures) != 5+2*maxReasons {
		t.Errorf("%d reasons, %d failures", len(a.Failures), sum(a.Failures))
	}
}

func TestUsage(t *testing.T) {
	const stat = "42 (a b) c) S 1 1 1 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 5 0 100 1000 10"
	u, err := parseUsage("1000 25 10 5 0 20 0\n", stat, 4096)
	if err != nil || u.memory != 25*4096 || u.cpu != 2 {
		t.Errorf("%+v, %v", u, err)
	}
	for _, bad := range [][2]string{{"", stat}, {"1", stat}, {"1 x", stat}, {"1 2", ""}, {"1 2", "42 (a) S 1"}, {"1 2", "no bracket"}} {
		if _, err := parseUsage(bad[0], bad[1], 4096); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	page := "# HELP x\nprocess_cpu_seconds_total 1.5\nprocess_resident_memory_bytes 2.5e+06\nother 3\n"
	if u, err := parseMetrics(strings.NewReader(page)); err != nil || u.cpu != 1.5 || u.memory != 2_500_000 {
		t.Errorf("%+v, %v", u, err)
	}
	for _, bad := range []string{"", "process_cpu_seconds_total 1\n", "process_cpu_seconds_total x\nprocess_resident_memory_bytes 1\n"} {
		if _, err := parseMetrics(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
