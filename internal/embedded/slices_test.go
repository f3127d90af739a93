package embedded

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestCommandsBetweenSlices lets commands run between any two keys of a compaction, those too that carry data from one
// key to another, which the new log has or has not got yet; the new log must rebuild what is there at the end.
func TestCommandsBetweenSlices(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	forms := append(randomForms(rnd),
		func() string { return "MSETNX " + letter(rnd) + " 1 " + letter(rnd) + " 2" },
		func() string { return "LMPOP 2 " + letter(rnd) + " " + letter(rnd) + " LEFT COUNT 2" },
		func() string { return "ZMPOP 2 " + letter(rnd) + " " + letter(rnd) + " MIN" },
		func() string { return "SMOVE " + letter(rnd) + " " + letter(rnd) + " 1" },
		func() string { return "ZREMRANGEBYRANK " + letter(rnd) + " 1 1" },
		func() string { return "XGROUP CREATE " + letter(rnd) + " g 0 MKSTREAM" },
		func() string {
			return "XREADGROUP GROUP g c COUNT 1 STREAMS " + letter(rnd) + " " + letter(rnd) + " > >"
		},
		func() string { return "SETNX " + letter(rnd) + " 7" },
		func() string { return "APPEND " + letter(rnd) + " x" },
	)
	for range 60 {
		dir, wall := t.TempDir(), newClock()
		s := open(t, Options{Dir: dir, Now: wall.now, CompactMinBytes: -1, slice: 1, ExpireInterval: time.Hour})
		c := dial(t, s)
		some := func(n int) {
			for range n {
				line := forms[rnd.IntN(len(forms))]()
				var refused redis.Error
				if _, err := do(t, c, line); err != nil && !errors.As(err, &refused) {
					t.Fatalf("%s: %v", line, err)
				}
				if rnd.IntN(8) == 0 {
					wall.move(time.Duration(rnd.IntN(20)) * time.Millisecond)
				}
			}
		}
		some(60)
		slices := compactBetween(t, s, func() { some(rnd.IntN(4)) })
		if slices < 3 {
			t.Fatalf("%d slices", slices)
		}
		some(5)
		want := dump(s)
		diff(t, "from the new log", dump(open(t, Options{Dir: copyLog(t, dir, -1), Now: wall.now})), want)
		closeStore(t, s)
	}
}

func letter(rnd *rand.Rand) string { return string(rune('a' + rnd.IntN(8))) }

// compactBetween is Compact, with something else between any two slices.
func compactBetween(t *testing.T, s *Server, between func()) (slices int) {
	t.Helper()
	s.compactMu.Lock()
	defer s.compactMu.Unlock()
	temp := filepath.Join(s.opts.Dir, logTempName)
	next, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	run := &snapshotRun{w: &snapshotWriter{w: next}}
	for !run.done {
		if _, err := s.writeSlice(run, next); err != nil {
			t.Fatal(err)
		}
		slices++
		if !run.done {
			between()
		}
	}
	s.mu.Lock()
	s.engine.moved = nil
	s.mu.Unlock()
	if err := s.adopt(next, temp); err != nil {
		t.Fatal(err)
	}
	return slices
}

// TestJoins: commands with several keys are known for what they are.
func TestJoins(t *testing.T) {
	independent := "DEL UNLINK MSET FLUSHDB FLUSHALL"
	s := open(t, Options{Dir: t.TempDir()})
	for _, w := range writes {
		if w.joins && strings.Contains(" "+independent+" ", " "+w.name+" ") {
			t.Errorf("%s", w.name)
		}
		for _, mark := range []string{"STORE", "MOVE", "MPOP", "RENAME", "NX"} {
			single := w.name == "SETNX" || w.name == "HSETNX"
			if strings.Contains(w.name, mark) && !w.joins && !single {
				t.Errorf("%s carries data from key to key, and is not marked", w.name)
			}
		}
	}
	closeStore(t, s)
}

// TestSlicesEnd: a slice without time writes one key.
func TestSlicesEnd(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), CompactMinBytes: -1})
	c := dial(t, s)
	for _, key := range []string{"a", "b", "c"} {
		if _, err := do(t, c, "SET "+key+" 1"); err != nil {
			t.Fatal(err)
		}
	}
	run := &snapshotRun{w: &snapshotWriter{w: io.Discard}}
	s.mu.Lock()
	s.engine.begin(s.opts.Now().UnixMilli())
	s.engine.beginSnapshot(run)
	err := s.engine.snapshot(run, time.Time{})
	s.engine.moved = nil
	s.mu.Unlock()
	if err != nil || run.done || run.next != 1 {
		t.Errorf("%d keys in a slice without time, done %v, %v", run.next, run.done, err)
	}
}
