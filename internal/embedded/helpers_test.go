package embedded

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// clock is a wall clock that stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.UnixMilli(1_800_000_000_000)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// open starts a store whose background errors fail the test, and closes it with the test.
func open(t testing.TB, o Options) *Server {
	t.Helper()
	if o.OnError == nil {
		o.OnError = func(err error) { t.Errorf("background error: %v", err) }
	}
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// dial returns a client that fails instead of trying again.
func dial(t testing.TB, s *Server) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{
		Addr: "embedded", Dialer: s.Dial, MaxRetries: -1, ContextTimeoutEnabled: true, ReadTimeout: 20 * time.Second,
		DisableIdentity: true,
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// do runs a command given as words; a word in double quotes is one argument with escapes.
func do(t testing.TB, c redis.Cmdable, line string) (any, error) {
	t.Helper()
	args := words(t, line)
	return c.(interface {
		Do(context.Context, ...any) *redis.Cmd
	}).Do(context.Background(), args...).Result()
}

func words(t testing.TB, line string) []any {
	t.Helper()
	var args []any
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimSpace(rest) {
		if rest[0] == '"' {
			var s string
			if n, err := fmt.Sscanf(rest, "%q", &s); n != 1 {
				t.Fatalf("bad line %q: %v", line, err)
			}
			args = append(args, s)
			rest = rest[len(fmt.Sprintf("%q", s)):]
			continue
		}
		word, after, _ := strings.Cut(rest, " ")
		args = append(args, word)
		rest = after
	}
	return args
}

// dump writes everything the store holds, one line per key, in a canonical order.
func dump(s *Server) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beginLocked()
	e, db := s.engine, s.engine.m.DB(0)
	var b strings.Builder
	for _, key := range db.Keys() {
		fmt.Fprintf(&b, "%q %s at=%d", key, db.Type(key), db.TTL(key).Milliseconds())
		switch db.Type(key) {
		case "string":
			v, _ := db.Get(key)
			fmt.Fprintf(&b, " %q", v)
		case "hash":
			fields, _ := db.HKeys(key)
			for _, f := range fields {
				fmt.Fprintf(&b, " %q=%q", f, db.HGet(key, f))
			}
		case "list":
			v, _ := db.List(key)
			fmt.Fprintf(&b, " %q", v)
		case "set":
			v, _ := db.Members(key)
			fmt.Fprintf(&b, " %q", v)
		case "zset":
			set, _ := db.SortedSet(key)
			var rows []string
			for m, score := range set {
				rows = append(rows, fmt.Sprintf("%q=%v", m, score))
			}
			sort.Strings(rows)
			fmt.Fprintf(&b, " %s", rows)
		case "stream":
			entries, _ := db.Stream(key)
			fmt.Fprintf(&b, " %q last=%s", entries, e.lastIDs[key])
			groups, _ := e.infoMaps("XINFO", "GROUPS", key)
			for _, g := range groups {
				name := fmt.Sprint(g["name"])
				pending, _ := e.ask("XPENDING", key, name, "-", "+", "1000")
				consumers, _ := e.infoMaps("XINFO", "CONSUMERS", key, name)
				fmt.Fprintf(&b, " group %q last=%v pending=%v", name, g["last-delivered-id"], pending)
				for _, c := range consumers {
					fmt.Fprintf(&b, " %v:%v", c["name"], c["pending"])
				}
			}
		}
		b.WriteByte('\n')
	}
	var texts []string
	for _, text := range e.scripts.loaded {
		texts = append(texts, text)
	}
	sort.Strings(texts)
	fmt.Fprintf(&b, "scripts %q\n", texts)
	return b.String()
}

// diff fails the test when two dumps differ, with the first lines that do.
func diff(t testing.TB, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Fatalf("%s: state differs at line %d:\n got %s\nwant %s", what, i, a, b)
		}
	}
}

// copyLog copies the log as a crash would leave it, cut to size bytes when size is not negative.
func copyLog(t testing.TB, from string, size int64) string {
	t.Helper()
	dir := t.TempDir()
	src, err := os.Open(filepath.Join(from, logName))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	r := io.Reader(src)
	if size >= 0 {
		r = io.LimitReader(src, size)
	}
	if _, err := io.Copy(dst, r); err != nil {
		t.Fatal(err)
	}
	return dir
}
