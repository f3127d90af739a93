package embedded

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestTornTail cuts the log at every record boundary and at random offsets: it opens, and holds a prefix of what was
// done.
func TestTornTail(t *testing.T) {
	dir, wall := t.TempDir(), newClock()
	s := open(t, Options{Dir: dir, Now: wall.now})
	c := dial(t, s)
	states := map[int64]string{} // by log size
	var ends []int64
	note := func() {
		size, _ := s.log.sizes()
		if n := len(ends); n == 0 || ends[n-1] != size {
			ends = append(ends, size)
		}
		states[size] = dump(s)
	}
	note()
	for _, step := range contract {
		if strings.Contains(step.line, "GROUP") || strings.HasPrefix(step.line, "X") {
			continue // times of groups are compared elsewhere
		}
		_, _ = do(t, c, step.line)
		note()
	}
	check := func(cut int64) {
		t.Helper()
		var torn error
		got, err := Open(context.Background(), Options{Dir: copyLog(t, dir, cut), Now: wall.now, OnError: func(err error) { torn = err }})
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		defer closeStore(t, got)
		at := ends[0]
		for _, end := range ends {
			if end <= cut {
				at = end
			}
		}
		diff(t, fmt.Sprintf("cut at %d", cut), dump(got), states[at])
		if want := max(cut-at, 0); cut >= at && got.Stats().TruncatedBytes != want {
			t.Errorf("cut at %d: %d bytes truncated, want %d", cut, got.Stats().TruncatedBytes, want)
		}
		if cut > at != errors.Is(torn, ErrTornTail) {
			t.Errorf("cut at %d: reported %v", cut, torn)
		}
	}
	for _, end := range ends {
		check(end)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 60 {
		check(rnd.Int64N(ends[len(ends)-1] + 1))
	}
}

// TestCorruption damages records: the last one is cut off, one in the middle refuses to start and names the place.
func TestCorruption(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	c := dial(t, s)
	var ends []int64
	for i := range 20 {
		if _, err := do(t, c, fmt.Sprintf("SET k%d v", i)); err != nil {
			t.Fatal(err)
		}
		size, _ := s.log.sizes()
		ends = append(ends, size)
	}
	damage := func(at int64) string {
		copied := copyLog(t, dir, -1)
		path := filepath.Join(copied, logName)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[at] ^= 0x40
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return copied
	}
	for at := ends[8]; at < ends[9]; at++ {
		_, err := Open(context.Background(), Options{Dir: damage(at)})
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprintf("at offset %d ", ends[8])) {
			t.Fatalf("byte %d of the middle: %v", at-ends[8], err)
		}
	}
	for at := ends[18]; at < ends[19]; at++ {
		got := open(t, Options{Dir: damage(at), OnError: func(error) {}})
		if n := got.Stats().RecordsReplayed; n != 19 {
			t.Fatalf("byte %d of the last record: %d records", at-ends[18], n)
		}
		closeStore(t, got)
	}
	if _, err := Open(context.Background(), Options{Dir: damage(3)}); !errors.Is(err, ErrVersion) {
		t.Fatalf("damaged header: %v", err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	if _, err := Open(context.Background(), Options{Dir: dir}); !errors.Is(err, ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	closeStore(t, s)
	closeStore(t, open(t, Options{Dir: dir}))
}

// randomForms are commands on few keys, with which everything can happen to everything.
func randomForms(rnd *rand.Rand) []func() string {
	key := func() string { return string(rune('a' + rnd.IntN(8))) }
	val := func() string { return fmt.Sprint(rnd.IntN(20)) }
	return []func() string{
		func() string { return "SET " + key() + " " + val() }, func() string { return "SET " + key() + " " + val() + " PX " + val() },
		func() string { return "INCRBY " + key() + " " + val() }, func() string { return "PEXPIRE " + key() + " " + val() + "0" },
		func() string { return "HSET " + key() + " " + val() + " " + val() }, func() string { return "HDEL " + key() + " " + val() },
		func() string { return "HINCRBY " + key() + " " + val() + " " + val() },
		func() string { return "RPUSH " + key() + " " + val() + " " + val() }, func() string { return "LPUSH " + key() + " " + val() },
		func() string { return "LMOVE " + key() + " " + key() + " LEFT RIGHT" }, func() string { return "LPOP " + key() },
		func() string { return "LREM " + key() + " 0 " + val() }, func() string { return "BLPOP " + key() + " " + key() + " 0.001" },
		func() string { return "SADD " + key() + " " + val() + " " + val() }, func() string { return "SPOP " + key() },
		func() string { return "ZADD " + key() + " " + val() + " " + val() }, func() string { return "ZINCRBY " + key() + " 0.1 " + val() },
		func() string { return "ZPOPMIN " + key() }, func() string { return "ZREMRANGEBYSCORE " + key() + " 0 " + val() },
		func() string { return "XADD " + key() + " MAXLEN 5 * f " + val() }, func() string { return "XTRIM " + key() + " MAXLEN 2" },
		func() string { return "DEL " + key() }, func() string { return "RENAME " + key() + " " + key() },
		func() string { return "PERSIST " + key() }, func() string { return "GETEX " + key() + " EX " + val() },
		func() string { return "SUNIONSTORE " + key() + " " + key() + " " + key() },
		func() string { return "ZUNIONSTORE " + key() + " 2 " + key() + " " + key() },
		func() string {
			return `EVAL "redis.call('PEXPIRE', KEYS[1], ARGV[1]); redis.call('INCR', KEYS[1]); redis.call('SADD', KEYS[2], redis.call('TIME')[2]); redis.call('SPOP', KEYS[2]); return redis.call('XADD', KEYS[2], '*', 'a', 'b')" 2 ` +
				key() + " " + key() + " " + val()
		},
	}
}

// TestRandomOperations compares the state before and after restarts for random commands on few keys.
func TestRandomOperations(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	dir, wall := t.TempDir(), newClock()
	forms := randomForms(rnd)
	for round := range 12 {
		// In half of the rounds commands run between any two keys of a compaction.
		slice := time.Duration(round % 2)
		s := open(t, Options{Dir: dir, Now: wall.now, CompactMinBytes: 2000, ExpireInterval: time.Millisecond, slice: slice})
		c := dial(t, s)
		for range 250 {
			line := forms[rnd.IntN(len(forms))]()
			if _, err := do(t, c, line); err != nil {
				var re redis.Error
				if !errors.As(err, &re) {
					t.Fatalf("%s: %v", line, err)
				}
			}
			if rnd.IntN(4) == 0 {
				wall.move(time.Duration(rnd.IntN(40)) * time.Millisecond)
			}
		}
		if round%3 == 2 {
			if err := s.Compact(); err != nil {
				t.Fatal(err)
			}
		}
		want := dump(s)
		killed := open(t, Options{Dir: copyLog(t, dir, -1), Now: wall.now})
		diff(t, "after kill", dump(killed), want)
		closeStore(t, killed)
		closeStore(t, s)
	}
}

// TestConcurrentWriters has connections write to the same keys, with compactions in between: the log has their order.
func TestConcurrentWriters(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, CompactMinBytes: 20_000})
	c := dial(t, s)
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 150 {
				pipe := c.Pipeline()
				pipe.Incr(ctx, "n")
				pipe.RPush(ctx, "order", fmt.Sprint(w, ":", i))
				pipe.HIncrBy(ctx, "h", fmt.Sprint(i%7), 1)
				pipe.XAdd(ctx, &redis.XAddArgs{Stream: "x", MaxLen: 50, Values: []any{"w", w}})
				pipe.Set(ctx, fmt.Sprint("last", i%3), w, time.Hour)
				pipe.Eval(ctx, "return redis.call('APPEND', KEYS[1], ARGV[1])", []string{"log"}, w)
				if _, err := pipe.Exec(ctx); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	want := dump(s)
	if got := c.Get(ctx, "n").Val(); got != "1200" {
		t.Errorf("n = %s", got)
	}
	diff(t, "after kill", dump(open(t, Options{Dir: copyLog(t, dir, -1)})), want)
}

// TestExpiry moves the clock: keys go at their time, whether the store runs or not.
func TestExpiry(t *testing.T) {
	dir, wall := t.TempDir(), newClock()
	o := Options{Dir: dir, Now: wall.now}
	s := open(t, o)
	c := dial(t, s)
	for _, line := range []string{"SET short v PX 500", "INCR n", "PEXPIRE n 500", "HSET h a b", "EXPIRE h 10", "SET long v EX 100",
		"SET renewed v PX 500", "PEXPIRE renewed 60000", "SET moved v PX 500", "RENAME moved moved2", "SET kept v PX 500", "PERSIST kept"} {
		if _, err := do(t, c, line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	expect := func(line, want string) {
		t.Helper()
		v, err := do(t, c, line)
		if err != nil {
			v = err
		}
		if fmt.Sprint(v) != want {
			t.Errorf("%s: %v, want %s", line, v, want)
		}
	}
	wall.move(499 * time.Millisecond)
	expect("PTTL short", "1")
	expect("GET short", "v")
	wall.move(time.Millisecond)
	expect("GET short", "redis: nil")
	expect("EXISTS moved2", "0")
	expect("INCR n", "1") // the counter is a new one
	expect("PTTL renewed", "59500")
	expect("GET kept", "v")
	closeStore(t, s)
	diffState := func() {
		want := dump(s)
		s = open(t, o)
		diff(t, "restart", dump(s), want)
		c = dial(t, s)
	}
	diffState()
	expect("TTL h", "10") // 9.5 rounded, as Redis does
	expect("GET n", "1")
	closeStore(t, s)
	wall.move(20 * time.Second) // while nobody runs
	s = open(t, o)
	c = dial(t, s)
	expect("EXISTS h", "0")
	expect("TTL long", "80")
	expect("GET n", "1")
	wall.move(-10 * time.Second) // the clock is set back: lifetimes follow it
	expect("TTL long", "90")
	expect("DBSIZE", "4")
	wall.move(time.Hour)
	for s.Stats().ExpiringKeys > 0 { // without any command
		time.Sleep(time.Millisecond)
	}
}

// faulty fails as told.
type faulty struct {
	logFile
	mu   *sync.Mutex
	mode *string
}

var errDisk = errors.New("no space left on device")

func (f faulty) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch *f.mode {
	case "write":
		return 0, errDisk
	case "half":
		n, _ := f.logFile.Write(b[:len(b)/2])
		return n, errDisk
	}
	return f.logFile.Write(b)
}

func (f faulty) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *f.mode == "sync" {
		return errDisk
	}
	return f.logFile.Sync()
}

// TestDiskFull: nothing is answered with success that is not in the log, reads go on, and the store recovers by itself.
func TestDiskFull(t *testing.T) {
	for _, mode := range []string{"write", "half", "sync"} {
		t.Run(mode, func(t *testing.T) {
			var mu sync.Mutex
			current := ""
			set := func(m string) {
				mu.Lock()
				defer mu.Unlock()
				current = m
			}
			dir, reports := t.TempDir(), make(chan error, 64)
			s := open(t, Options{
				Dir: dir, FsyncInterval: -1, RetryInterval: 10 * time.Millisecond, CompactMinBytes: -1,
				OnError: func(err error) { reports <- err },
				wrap:    func(f logFile) logFile { return faulty{logFile: f, mu: &mu, mode: &current} },
			})
			c := dial(t, s)
			ctx := context.Background()
			if err := c.Set(ctx, "before", "1", 0).Err(); err != nil {
				t.Fatal(err)
			}
			set(mode)
			pipe := c.Pipeline()
			get, lost := pipe.Get(ctx, "before"), pipe.Set(ctx, "lost", "1", 0)
			after := pipe.Get(ctx, "before")
			_, _ = pipe.Exec(ctx)
			if lost.Err() == nil || !strings.Contains(lost.Err().Error(), errDisk.Error()) {
				t.Errorf("write on a full disk: %v", lost.Err())
			}
			if get.Err() != nil || after.Err() != nil {
				t.Errorf("reads beside it: %v, %v", get.Err(), after.Err())
			}
			for _, line := range []string{"SET again 1", "BLPOP l 1", `EVAL "return 1" 0`, "XADD x * a b"} {
				if _, err := do(t, c, line); err == nil || !strings.Contains(err.Error(), "writes are refused") {
					t.Errorf("%s while failed: %v", line, err)
				}
			}
			if v := c.Get(ctx, "before").Val(); v != "1" {
				t.Errorf("read while failed: %q", v)
			}
			if err := <-reports; !errors.Is(err, ErrWriteRefused) || !errors.Is(err, errDisk) {
				t.Errorf("reported %v", err)
			}
			if mode != "sync" {
				killed := open(t, Options{Dir: copyLog(t, dir, -1)}) // half a record would be reported
				if n := killed.Stats().RecordsReplayed; n != 1 {
					t.Errorf("%d records on disk", n)
				}
			}
			set("")
			for err := range reports {
				if errors.Is(err, ErrRecovered) {
					break
				}
			}
			if err := c.Set(ctx, "after", "1", 0).Err(); err != nil {
				t.Fatal(err)
			}
			want := dump(s)
			diff(t, "after recovery", dump(open(t, Options{Dir: copyLog(t, dir, -1)})), want)
		})
	}
}

// TestCompactionFails leaves the old log in charge.
func TestCompactionFails(t *testing.T) {
	var mu sync.Mutex
	current := ""
	files := 0
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, CompactMinBytes: -1, wrap: func(f logFile) logFile {
		if files++; files == 1 {
			return f
		}
		return faulty{logFile: f, mu: &mu, mode: &current}
	}})
	c := dial(t, s)
	for _, current = range []string{"write", "half", "sync"} {
		if _, err := do(t, c, "RPUSH l "+current); err != nil {
			t.Fatal(err)
		}
		if err := s.Compact(); !errors.Is(err, errDisk) {
			t.Fatalf("%s: %v", current, err)
		}
		if _, err := os.Stat(filepath.Join(dir, logTempName)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: temporary file: %v", current, err)
		}
		if _, err := do(t, c, "RPUSH l after"); err != nil {
			t.Fatal(err)
		}
		diff(t, current, dump(open(t, Options{Dir: copyLog(t, dir, -1)})), dump(s))
	}
}

// TestCompactionWithPending: what is executed and not yet written when a compaction begins is counted once.
func TestCompactionWithPending(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, CompactMinBytes: -1, ExpireInterval: time.Hour})
	s.mu.Lock()
	s.beginLocked()
	s.engine.execute(s.table.lookup("INCR"), []string{"INCR", "n"})
	seq := s.log.append(&s.engine.effects)
	s.mu.Unlock()
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	if err := s.log.commit(seq); err != nil {
		t.Fatal(err)
	}
	diff(t, "after kill", dump(open(t, Options{Dir: copyLog(t, dir, -1)})), dump(s))
}

// TestLeftoverOfCompaction: a crash during a compaction leaves a temporary file that means nothing.
func TestLeftoverOfCompaction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	if _, err := do(t, dial(t, s), "SET a 1"); err != nil {
		t.Fatal(err)
	}
	want := dump(s)
	crashed := copyLog(t, dir, -1)
	if err := os.WriteFile(filepath.Join(crashed, logTempName), []byte(logHeader+"half a snapshot"), 0o600); err != nil {
		t.Fatal(err)
	}
	diff(t, "crash while compacting", dump(open(t, Options{Dir: crashed})), want)
}

// TestAutomaticCompaction: a log that grows by overwriting stays small.
func TestAutomaticCompaction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, CompactMinBytes: 50_000, ExpireInterval: time.Millisecond})
	c := dial(t, s)
	ctx := context.Background()
	for i := 0; s.Stats().Compactions < 3; i++ {
		if err := c.Set(ctx, "k", strings.Repeat("x", 1000)+fmt.Sprint(i), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	want := dump(s)
	diff(t, "after compactions", dump(open(t, Options{Dir: copyLog(t, dir, -1)})), want)
}

// TestForgetVersions fails when miniredis no longer has the fields that forgetVersions cleans.
func TestForgetVersions(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	c := dial(t, s)
	for i := range 50 {
		for _, line := range []string{fmt.Sprintf("SET k%d v", i), fmt.Sprintf("DEL k%d", i)} {
			if _, err := do(t, c, line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := do(t, c, "SET stays v"); err != nil {
		t.Fatal(err)
	}
	b, ok := bookkeepingOf(s.engine.m.DB(0))
	if !ok || len(*b.versions) != 51 || len(*b.keys) != 1 {
		t.Fatal("miniredis keeps its versions elsewhere: deleted keys will leak")
	}
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	if len(*b.versions) != 1 || len(*b.times) != 1 {
		t.Errorf("%d versions and %d times are left", len(*b.versions), len(*b.times))
	}
}
