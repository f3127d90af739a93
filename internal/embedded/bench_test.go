package embedded

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// nullFile takes everything and keeps nothing: the store without the disk.
type nullFile struct{ logFile }

func (nullFile) Write(b []byte) (int, error) { return len(b), nil }
func (nullFile) Sync() error                 { return nil }

// BenchmarkPipeline measures commands per second of go-redis pipelines of 100 on one connection: with the log, without
// the disk, and on miniredis itself over its net.Pipe (in pipelines of 10, longer ones wait for ever there).
func BenchmarkPipeline(b *testing.B) {
	ctx := context.Background()
	script := redis.NewScript("redis.call('INCR', KEYS[1]) return redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])")
	commands := map[string]func(redis.Pipeliner, int){
		"INCR": func(p redis.Pipeliner, i int) { p.Incr(ctx, "n") },
		"GET":  func(p redis.Pipeliner, i int) { p.Get(ctx, "n") },
		"HSET": func(p redis.Pipeliner, i int) {
			p.HSet(ctx, fmt.Sprint("h", i%1000), "field", "a value of some length")
		},
		"SETEX": func(p redis.Pipeliner, i int) {
			p.Set(ctx, fmt.Sprint("s", i%1000), "a value of some length", time.Hour)
		},
		"EVALSHA": func(p redis.Pipeliner, i int) { script.EvalSha(ctx, p, []string{"n", "h"}, i%1000, "value") },
	}
	null := func(f logFile) logFile { return nullFile{f} }
	stores := map[string]func(*testing.B) *redis.Client{
		"log": func(b *testing.B) *redis.Client {
			return dial(b, open(b, Options{Dir: b.TempDir(), CompactMinBytes: -1}))
		},
		"null": func(b *testing.B) *redis.Client {
			return dial(b, open(b, Options{Dir: b.TempDir(), CompactMinBytes: -1, wrap: null}))
		},
		"miniredis": func(b *testing.B) *redis.Client {
			m := miniredis.NewMiniRedis()
			b.Cleanup(m.Close)
			c := redis.NewClient(&redis.Options{Addr: "m", DisableIdentity: true,
				Dialer: func(context.Context, string, string) (net.Conn, error) { return m.Dial() }})
			b.Cleanup(func() { c.Close() })
			return c
		},
	}
	for _, store := range []string{"log", "null", "miniredis"} {
		for _, name := range []string{"INCR", "GET", "HSET", "SETEX", "EVALSHA"} {
			b.Run(store+"/"+name, func(b *testing.B) {
				c := stores[store](b)
				if err := script.Load(ctx, c).Err(); err != nil {
					b.Fatal(err)
				}
				c.Set(ctx, "n", "1", 0)
				size := 100
				if store == "miniredis" {
					size = 10
				}
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < b.N; {
					p := c.Pipeline()
					for range size {
						commands[name](p, i)
						i++
					}
					if _, err := p.Exec(ctx); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cmd/s")
			})
		}
	}
}

// BenchmarkSingle is one command per round trip.
func BenchmarkSingle(b *testing.B) {
	ctx := context.Background()
	for name, every := range map[string]time.Duration{"fsync-1s": time.Second, "fsync-always": -1} {
		b.Run(name, func(b *testing.B) {
			c := dial(b, open(b, Options{Dir: b.TempDir(), FsyncInterval: every}))
			for b.Loop() {
				if err := c.Incr(ctx, "n").Err(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// populate makes a data set like a push service's: hashes and strings with a lifetime, lists, a large set.
func populate(b *testing.B, s *Server, keys int) {
	ctx := context.Background()
	c := dial(b, s)
	for i := 0; i < keys; {
		p := c.Pipeline()
		for range 1000 {
			k := fmt.Sprintf("lp:{ns%d}:message:%08d", i%20, i)
			switch i % 4 {
			case 0, 1:
				p.Set(ctx, k, strings.Repeat("payload ", 30), time.Hour)
			case 2:
				p.HSet(ctx, k, "platform", "android", "userid", i, "uuid", strings.Repeat("u", 36), "rooms", "a,b")
				p.Expire(ctx, k, time.Hour)
			case 3:
				p.RPush(ctx, fmt.Sprint("inbox:", i%5000), i)
				p.SAdd(ctx, fmt.Sprint("room:", i%500), i)
			}
			i++
		}
		if _, err := p.Exec(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompact reports how long commands wait per MB of the resulting log, BenchmarkReplay how long a start takes.
func BenchmarkCompact(b *testing.B) {
	s := open(b, Options{Dir: b.TempDir(), CompactMinBytes: -1})
	populate(b, s, 100_000)
	var pause time.Duration
	for b.Loop() {
		if err := s.Compact(); err != nil {
			b.Fatal(err)
		}
		pause += s.Stats().CompactionPause
	}
	mb := float64(s.Stats().LogBytes) / 1e6
	b.ReportMetric(mb, "MB")
	b.ReportMetric(float64(pause.Microseconds())/1000/float64(b.N)/mb, "pause-ms/MB")
}

func BenchmarkReplay(b *testing.B) {
	dir := b.TempDir()
	s := open(b, Options{Dir: dir, CompactMinBytes: -1})
	populate(b, s, 100_000)
	size := float64(s.Stats().LogBytes) / 1e6
	closeStore(b, s)
	var records int64
	for b.Loop() {
		s := open(b, Options{Dir: dir, CompactMinBytes: -1})
		records = s.Stats().RecordsReplayed
		closeStore(b, s)
	}
	b.ReportMetric(size, "MB")
	b.ReportMetric(float64(records*int64(b.N))/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkExpireTick is a tick with 100,000 keys that have a lifetime and are not due; BenchmarkFastForward is what
// miniredis' own clock takes for the same.
func BenchmarkExpireTick(b *testing.B) {
	s := open(b, Options{Dir: b.TempDir(), CompactMinBytes: -1})
	populate(b, s, 134_000)
	for b.Loop() {
		s.expire()
	}
	b.ReportMetric(float64(s.Stats().ExpiringKeys), "keys")
}

func BenchmarkFastForward(b *testing.B) {
	s := open(b, Options{Dir: b.TempDir(), CompactMinBytes: -1})
	populate(b, s, 134_000)
	for b.Loop() {
		s.engine.m.FastForward(1)
	}
}

// BenchmarkScript is one EVALSHA without connection and disk: the join of a room (6 commands), a script whose state has
// to be checked afterwards, one without commands, and the join as miniredis itself executes it.
func BenchmarkScript(b *testing.B) {
	join, err := os.ReadFile(filepath.Join("..", "store", "lua", "room_join.lua"))
	if err != nil {
		b.Fatal(err)
	}
	for _, bm := range []struct{ name, text string }{
		{"room_join", string(join)}, {"checked", "local t = {} t[1] = 1 return t[1]"}, {"checked-all", "local t = setmetatable({}, {}) return 1"},
		{"empty", "return 1"},
		{"loop", "local n = 0 for i = 1, 10000 do n = n + i % 7 end return n"}, {"miniredis", string(join)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s := open(b, Options{Dir: b.TempDir(), CompactMinBytes: -1, ExpireInterval: time.Hour})
			s.mu.Lock()
			defer s.mu.Unlock()
			spec := s.table.lookup("EVALSHA")
			run := func(args ...string) {
				s.beginLocked()
				var reply []byte
				if bm.name == "miniredis" {
					reply = s.engine.run(args...)
				} else {
					reply = s.engine.execute(spec, args)
				}
				if reply[0] == '-' {
					b.Fatal(string(reply))
				}
			}
			s.engine.run("SCRIPT", "LOAD", bm.text)
			s.engine.scripts.load(sha1Hex(bm.text), bm.text)
			b.ReportAllocs()
			i, sha := 0, sha1Hex(bm.text)
			for b.Loop() {
				run("EVALSHA", sha, "4", "m", "i", "u", "d", strconv.Itoa(i%1000), strconv.Itoa(i+1), "web", "n1", "user"+strconv.Itoa(i%1000))
				i++
			}
		})
	}
}

// BenchmarkCrowd is many connections at once, each with pipelines of 5 scripts.
func BenchmarkCrowd(b *testing.B) {
	ctx := context.Background()
	join, err := os.ReadFile(filepath.Join("..", "store", "lua", "room_join.lua"))
	if err != nil {
		b.Fatal(err)
	}
	script := redis.NewScript(string(join))
	s := open(b, Options{Dir: b.TempDir(), CompactMinBytes: -1})
	c := redis.NewClient(&redis.Options{Addr: "embedded", Dialer: s.Dial, MaxRetries: -1, PoolSize: 200, ReadTimeout: time.Minute, PoolTimeout: time.Minute, DisableIdentity: true})
	b.Cleanup(func() { c.Close() })
	if err := script.Load(ctx, c).Err(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(100)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			p := c.Pipeline()
			for n := range 5 {
				script.EvalSha(ctx, p, []string{"m", "i", "u", "d"}, i*5+n, i+1, "web", "n1", "user")
			}
			if _, err := p.Exec(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)*5/b.Elapsed().Seconds(), "scripts/s")
}

// BenchmarkCommand is one command without connection and disk, on keys whose
// size does not change.
func BenchmarkCommand(b *testing.B) {
	for _, line := range []string{
		"GET text", "SET text value", "HGET hash field", "HSET hash field value", "INCRBY number 1", "ZADD zset 1 member", "SADD set member",
		"PEXPIREAT hash 1900000000000", "XADD stream MAXLEN 1 * d value", "HKEYS hash",
	} {
		b.Run(strings.Fields(line)[0], func(b *testing.B) {
			s := open(b, Options{Dir: b.TempDir(), CompactMinBytes: -1, ExpireInterval: time.Hour})
			s.mu.Lock()
			defer s.mu.Unlock()
			args := strings.Fields(line)
			spec := s.table.lookup(args[0])
			run := func() {
				s.beginLocked()
				if reply := s.engine.execute(spec, args); reply[0] == '-' {
					b.Fatal(string(reply))
				}
			}
			for _, name := range []string{"text", "number"} {
				s.engine.run("SET", name, "1")
			}
			s.engine.run("HSET", "hash", "field", "value")
			for range 10 {
				run()
			}
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}
