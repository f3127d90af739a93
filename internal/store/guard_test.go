package store

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// garbage is what something answers that is no Redis, or none in its right mind. TestRedisAnswersGarbage of
// cmd/lightpush has the whole process before such a server.
var garbage = []struct{ name, reply string }{
	{"HTTP", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"},
	{"binary", "\x00\xff\x16\x03\x01\x02\x00\x01"},
	{"half a reply", "$100\r\nabc"},
	{"a length without an end", "$1"},
	{"2^40 bytes announced", "$1099511627776\r\n"},
	{"2^62 bytes announced", "$4611686018427387904\r\n"},
	{"more digits than a number has", "$" + strings.Repeat("9", 100) + "\r\n"},
	{"2^40 elements announced", "*1099511627776\r\n"},
	{"200,000,000 elements announced", "*200000000\r\n"},
	{"a map of 2^30 announced", "%1073741824\r\n"},
	{"arrays in arrays without end", strings.Repeat("*1\r\n", 500_000)},
	{"a line without end", "-" + strings.Repeat("x", 3<<20)},
	{"a negative length", "$-7\r\n"},
	{"nil for everything", "$-1\r\n"},
	{"the wrong type", ":1\r\n"},
	{"an answer too many", "+OK\r\n+OK\r\n+OK\r\n+OK\r\n"},
	{"LOADING", "-LOADING Redis is loading the dataset in memory\r\n"},
}

// answering is a server that gives one answer to whatever comes.
func answering(t *testing.T, reply string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the client's connection
				defer func() { _ = conn.Close() }()
				buf := make([]byte, 64<<10)
				for {
					if _, err := conn.Read(buf); err != nil {
						return
					}
					if _, err := conn.Write([]byte(reply)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// TestGarbage: opening the store at such a server is refused in time, and takes no memory to speak of.
func TestGarbage(t *testing.T) {
	for _, c := range garbage {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			addr := answering(t, c.reply)
			runtime.ReadMemStats(&before)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			s, err := Open(ctx, Options{Addresses: []string{addr}, Timeout: 300 * time.Millisecond})
			if err == nil {
				_ = s.Close()
				t.Error("taken for a Redis")
			}
			if ctx.Err() != nil {
				t.Error("not given up in time")
			}
			runtime.ReadMemStats(&after)
			if taken := (after.TotalAlloc - before.TotalAlloc) >> 20; taken > 64 {
				t.Errorf("%d MiB were allocated", taken)
			}
		})
	}
}

// TestReplies: what a Redis says passes, however it is cut; the rest is stopped at the line that announces it.
func TestReplies(t *testing.T) {
	nested := strings.Repeat("*1\r\n", depthMax)
	for _, c := range []struct {
		name, stream string
		bad          bool
	}{
		{"lines", "+OK\r\n-ERR no\r\n:12\r\n,1.5\r\n_\r\n#t\r\n(123456789012345678901234567890\r\n", false},
		{"bulk strings", "$5\r\n$9999\r\n$0\r\n\r\n$-1\r\n=7\r\ntxt:a\r\n\r\n!3\r\nERR\r\n", false},
		{"arrays", "*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n*-1\r\n+OK\r\n", false},
		{"maps, sets and pushes", "%1\r\n+a\r\n*1\r\n:1\r\n~2\r\n:1\r\n:2\r\n>1\r\n+x\r\n|1\r\n+a\r\n+b\r\n", false},
		{"the largest", fmt.Sprintf("*%d\r\n", countMax), false},
		{"the deepest", nested + ":1\r\n" + nested + ":1\r\n", false},
		{"a bulk string too large", fmt.Sprintf("$%d\r\n", bulkMax+1), true},
		{"an array too large", fmt.Sprintf("*%d\r\n", countMax+1), true},
		{"a map too large", fmt.Sprintf("%%%d\r\n", countMax/2+1), true},
		{"too deep", nested + "*1\r\n", true},
		{"no size", "$abc\r\n", false},
		{"a line without end", "+" + strings.Repeat("x", lineMax+1), true},
	} {
		for _, size := range []int{1, 2, 7, 1 << 20} {
			var r replies
			var err error
			for rest := []byte(c.stream); len(rest) > 0 && err == nil; {
				n := min(size, len(rest))
				err = r.take(rest[:n])
				rest = rest[n:]
			}
			if (err != nil) != c.bad {
				t.Errorf("%s in pieces of %d: %v", c.name, size, err)
			}
			if !c.bad && c.name != "the largest" && (r.state != atKind || len(r.open) != 0) {
				t.Errorf("%s in pieces of %d: ends within a reply", c.name, size)
			}
		}
	}
}

// FuzzReplies: whatever passes, the client library reads without taking the process down.
func FuzzReplies(f *testing.F) {
	for _, c := range garbage {
		if len(c.reply) < 1000 {
			f.Add([]byte(c.reply))
		}
	}
	f.Add([]byte("*2\r\n$1\r\na\r\n%1\r\n+a\r\n:1\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		near, far := net.Pipe()
		go func() { // ends when the client hangs up
			defer func() { _ = far.Close() }()
			buf := make([]byte, 4096)
			if _, err := far.Read(buf); err != nil {
				return
			}
			_, _ = far.Write(stream)
		}()
		client := redis.NewClient(&redis.Options{
			Dialer:   func(context.Context, string, string) (net.Conn, error) { return &guarded{Conn: near}, nil },
			Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: 1, ReadTimeout: time.Second, DialerRetries: 1,
		})
		_ = client.Do(context.Background(), "GET", "x").Err()
		_ = client.Close()
	})
}
