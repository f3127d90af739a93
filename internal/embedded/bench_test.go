package embedded

import (
	"context"
	"fmt"
	"net"
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
