package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// waitBlocked waits until n waiters are registered for the key.
func waitBlocked(t *testing.T, s *Server, key string, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		got := len(s.waiters.byKey[key])
		s.mu.Unlock()
		if got == n {
			return
		}
	}
	t.Fatalf("%d waiters for %q did not come", n, key)
}

// TestBlocking: a blocked connection holds up nobody, gets what comes, and what it took is gone after a restart.
func TestBlocking(t *testing.T) {
	cases := []struct{ wait, key, feed, want string }{
		{"BLPOP none l 0", "l", "RPUSH l a b", "[l a]"},
		{"BRPOP l 20", "l", "RPUSH l a b", "[l b]"},
		{"BLMOVE l l2 LEFT RIGHT 20", "l", "RPUSH l a b", "a"},
		{"BRPOPLPUSH l l2 20", "l", "LPUSH l a b", "a"},
		{"BZPOPMIN z 20", "z", "ZADD z 2 b 1 a", "[z a 1]"},
		{"BZPOPMAX z 20", "z", "ZADD z 2 b 1 a", "[z b 2]"},
		{"BLPOP l 20", "l", `EVAL "redis.call('RPUSH', 'l', 'x')" 0`, "[l x]"},
		{"BLPOP l 20", "l", "RENAME other l", "[l o]"},
		{"XREAD COUNT 5 BLOCK 20000 STREAMS x $", "x", "XADD x 7-7 a b", "map[x:[[7-7 [a b]]]]"},
		{"XREAD BLOCK 0 STREAMS none x 0 0", "x", "XADD x 7-7 a b", "map[x:[[7-7 [a b]]]]"},
		{"XREADGROUP GROUP g c BLOCK 20000 STREAMS gx >", "gx", "XADD gx 7-7 a b", "map[gx:[[7-7 [a b]]]]"},
	}
	for _, tc := range cases {
		t.Run(tc.wait, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, Options{Dir: dir})
			c := dial(t, s)
			for _, line := range []string{"RPUSH other o", "XGROUP CREATE gx g 0 MKSTREAM"} {
				if _, err := do(t, c, line); err != nil {
					t.Fatal(err)
				}
			}
			var got any
			var err error
			var wg sync.WaitGroup
			wg.Go(func() { got, err = do(t, c, tc.wait) })
			waitBlocked(t, s, tc.key, 1)
			if _, err := do(t, c, tc.feed); err != nil && !errors.Is(err, redis.Nil) {
				t.Fatal(err)
			}
			wg.Wait()
			text := fmt.Sprint(got)
			if strings.HasPrefix(text, "[[") { // RESP2 shape of a stream read
				text = "map[" + strings.Replace(text[2:len(text)-2], " ", ":", 1) + "]"
			}
			if err != nil || text != tc.want {
				t.Errorf("got %v, %v; want %s", got, err, tc.want)
			}
			waitBlocked(t, s, tc.key, 0)
			if !strings.HasPrefix(tc.wait, "XREADGROUP") {
				diff(t, "after kill", dump(open(t, Options{Dir: copyLog(t, dir, -1)})), dump(s))
			}
		})
	}
}

func TestBlockingEnds(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	c := dial(t, s)
	if _, err := do(t, c, "BLPOP l 0.01"); !errors.Is(err, redis.Nil) {
		t.Errorf("timeout: %v", err)
	}
	for _, line := range []string{"BLPOP l -1", "BLPOP l x", "BLPOP l", "XREAD BLOCK x STREAMS a 0", "XREAD BLOCK 1 STREAMS a", "BLMOVE a b LEFT 1"} {
		if _, err := do(t, c, line); err == nil || errors.Is(err, redis.Nil) {
			t.Errorf("%s: %v", line, err)
		}
	}
	conn, err := s.Dial(context.Background(), "", "") // a client that goes away while it waits
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(appendCommand(nil, "BLPOP", "gone", "0")); err != nil {
		t.Fatal(err)
	}
	waitBlocked(t, s, "gone", 1)
	conn.Close()
	waitBlocked(t, s, "gone", 0)

	var wg sync.WaitGroup // a store that closes while somebody waits
	wg.Go(func() { _, _ = do(t, c, "BLPOP closing 0") })
	waitBlocked(t, s, "closing", 1)
	closeStore(t, s)
	wg.Wait()
	if _, err := s.Dial(context.Background(), "", ""); !errors.Is(err, ErrClosed) {
		t.Errorf("dial after close: %v", err)
	}
	if err := s.Compact(); !errors.Is(err, ErrClosed) {
		t.Errorf("compact after close: %v", err)
	}
}

// TestTransactions: MULTI/EXEC is one record, WATCH aborts, refused commands abort.
func TestTransactions(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	c := dial(t, s)
	ctx := context.Background()
	before := s.Stats().RecordsWritten
	cmds, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "a", 1, time.Hour)
		p.Incr(ctx, "a")
		p.LPush(ctx, "a", "wrong type")
		p.TTL(ctx, "a")
		p.XAdd(ctx, &redis.XAddArgs{Stream: "x", Values: []any{"f", "v"}})
		p.Eval(ctx, "redis.call('SET', KEYS[1], 'x') return redis.call('GET', KEYS[1])", []string{"b"})
		return nil
	})
	if err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE") {
		t.Errorf("transaction: %v", err)
	}
	if got := cmds[3].(*redis.DurationCmd).Val(); got != time.Hour {
		t.Errorf("TTL inside: %v", got)
	}
	if got := cmds[5].(*redis.Cmd).Val(); got != "x" {
		t.Errorf("script inside: %v", got)
	}
	if n := s.Stats().RecordsWritten - before; n != 1 {
		t.Errorf("%d records for one transaction", n)
	}
	watched := func(change func()) error {
		return c.Watch(ctx, func(tx *redis.Tx) error {
			change()
			_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Set(ctx, "w", "tx", 0); return nil })
			return err
		}, "w")
	}
	if err := watched(func() {}); err != nil {
		t.Errorf("undisturbed WATCH: %v", err)
	}
	if err := watched(func() { c.Set(ctx, "w", "other", 0) }); !errors.Is(err, redis.TxFailedErr) {
		t.Errorf("disturbed WATCH: %v", err)
	}
	if err := watched(func() { _ = s.Compact() }); !errors.Is(err, redis.TxFailedErr) {
		t.Errorf("WATCH over a compaction: %v", err)
	}
	conn := c.Conn()
	defer conn.Close()
	for _, step := range []struct{ line, want string }{
		{"MULTI", "OK"}, {"SET q 1", "QUEUED"}, {"MULTI", "!nested"}, {"EXEC", "!EXECABORT"}, {"EXEC", "!without MULTI"},
		{"MULTI", "OK"}, {"BLPOP l 1", "!inside MULTI"}, {"DISCARD", "OK"}, {"DISCARD", "!without MULTI"},
		{"MULTI", "OK"}, {"COPY a b", "!does not support"}, {"EXEC", "!EXECABORT"},
		{"MULTI", "OK"}, {"WATCH k", "!WATCH"}, {"EXEC", "!EXECABORT"}, {"MULTI", "OK"}, {"EXEC", "[]"}, {"EXISTS q", "0"},
	} {
		v, err := do(t, &doer{conn}, step.line)
		got := fmt.Sprint(v)
		if err != nil {
			got = "!" + err.Error()
		}
		if !strings.Contains(got, strings.TrimPrefix(step.want, "!")) || strings.HasPrefix(step.want, "!") != (err != nil) {
			t.Errorf("%s: %s, want %s", step.line, got, step.want)
		}
	}
	diff(t, "after kill", dump(open(t, Options{Dir: copyLog(t, dir, -1)})), dump(s))
}

// doer gives a single connection the method the helpers call.
type doer struct{ *redis.Conn }

func (d *doer) Do(ctx context.Context, args ...any) *redis.Cmd {
	cmd := redis.NewCmd(ctx, args...)
	_ = d.Process(ctx, cmd)
	return cmd
}

// TestLongPipelines writes more than any buffer before it reads.
func TestLongPipelines(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	c := dial(t, s)
	ctx := context.Background()
	big := strings.Repeat("x", 300_000)
	pipe := c.Pipeline()
	for i := range 20_000 {
		pipe.Set(ctx, fmt.Sprint("k", i%100), i, 0)
		if i%500 == 0 {
			pipe.Set(ctx, "big", big, 0)
			pipe.Get(ctx, "big")
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	diff(t, "after kill", dump(open(t, Options{Dir: copyLog(t, dir, -1)})), dump(s))
}

func TestPubSub(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	c := dial(t, s)
	ctx := context.Background()
	sub := c.Subscribe(ctx, "news")
	psub := c.PSubscribe(ctx, "n*")
	for _, p := range []*redis.PubSub{sub, psub} {
		if _, err := p.Receive(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"PUBLISH news one", `EVAL "return redis.call('PUBLISH', 'news', 'two')" 0`} {
		if n, err := do(t, c, line); err != nil || fmt.Sprint(n) != "2" {
			t.Errorf("%s: %v, %v", line, n, err)
		}
	}
	for _, want := range []string{"one", "two"} {
		for _, p := range []*redis.PubSub{sub, psub} {
			if m, err := p.ReceiveMessage(ctx); err != nil || m.Payload != want {
				t.Errorf("got %v, %v; want %s", m, err, want)
			}
		}
	}
	if n := s.Stats().RecordsWritten; n != 0 {
		t.Errorf("%d records for messages", n)
	}
	sub.Close()
	psub.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if n, err := do(t, c, "PUBLISH news three"); err == nil && fmt.Sprint(n) == "0" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("subscriptions outlive their connections")
		}
	}
}

// TestPipe holds the connection to what go-redis expects of a net.Conn.
func TestPipe(t *testing.T) {
	p := newPipe()
	c := clientConn{p}
	buf := make([]byte, 8)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read past the deadline: %v", err)
	}
	var ne net.Error
	if _, err := c.Read(buf); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("no timeout error: %v", err)
	}
	_ = c.SetDeadline(time.Time{})
	if _, err := p.replies.write([]byte("hello, client")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(buf); n != 8 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
	_ = c.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
	if n, err := c.Write(make([]byte, requestBuffer+1)); n != requestBuffer || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write into a full pipe: %d, %v", n, err)
	}
	if _, err := p.replies.write(make([]byte, maxUnread)); !errors.Is(err, errUnread) {
		t.Errorf("unread replies: %v", err)
	}
	c.Close()
	rest, err := io.ReadAll(c)
	if string(rest) != "client"[1:] && string(rest) != "lient" || err != nil {
		t.Errorf("after close: %q, %v", rest, err)
	}
	if _, err := c.Write(buf); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write after close: %v", err)
	}
}

// TestProtocolErrors: what is no request ends the connection, with an error where one can be said.
func TestProtocolErrors(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	for _, in := range []string{"PING\r\n", "*1\r\n+PING\r\n", "*1\r\n$-1\r\n", "*9999999999\r\n", "*1\r\n$99999999999\r\n",
		"*1\r\n$4\r\nPINGxx", "*-1\r\n", "*1\n$4\nPING\n", "*1\r\n$67108865\r\n", "*x\r\n", strings.Repeat("*", 20_000)} {
		conn, err := s.Dial(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(in)); err != nil {
			t.Fatal(err)
		}
		if out, err := io.ReadAll(conn); err != nil || !bytes.HasPrefix(out, []byte("-ERR protocol error")) {
			t.Errorf("%.40q: %q, %v", in, out, err)
		}
	}
}
