package store

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/store/redistest"
)

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"nothing":          {},
		"braces":           {Addresses: []string{"a:1"}, Prefix: "{x}"},
		"both":             {Addresses: []string{"a:1"}, Cluster: true, SentinelMaster: "m", Sentinels: []string{"s:1"}},
		"no sentinel":      {SentinelMaster: "m"},
		"several, no seed": {Addresses: []string{"a:1", "b:1"}},
	} {
		if s, err := Open(t.Context(), o); err == nil {
			_ = s.Close()
			t.Errorf("%s was accepted", name)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr := l.Addr().String()
	_ = l.Close()
	if _, err := Open(t.Context(), Options{Addresses: []string{addr}, Timeout: time.Second}); err == nil {
		t.Error("opened without a server")
	}
}

func TestSentinel(t *testing.T) {
	r, err := redistest.StartSentinel("secret")
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	check(t, err)
	defer r.Stop()
	s, err := Open(t.Context(), Options{SentinelMaster: redistest.Master, Sentinels: r.Sentinels, Password: "secret"})
	check(t, err)
	defer s.Close()
	device(t, s, "/a", "u", client.Web, "n1", "r")
	if _, err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	d := s.Dedicated()
	defer d.Close()
	check(t, d.Ping(t.Context()).Err())
}

// TestTimeout holds that a server that does not answer is not waited for.
func TestTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	start := time.Now()
	if _, err := Open(t.Context(), Options{Addresses: []string{l.Addr().String()}, Timeout: 200 * time.Millisecond}); err == nil {
		t.Error("opened a mute server")
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("waited %v", took)
	}
}

func TestDialer(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		dials := make(chan string, 100)
		s := b.open(t, func(o *Options) {
			o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				dials <- addr
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
		})
		device(t, s, "/a", "u", client.Web, "n1", "r")
		if len(dials) == 0 {
			t.Error("the dialer was not used")
		}
		d := s.Dedicated()
		defer d.Close()
		check(t, d.Ping(t.Context()).Err())
	})
}

// TestScriptsForgotten holds that a server which lost its scripts, as a
// promoted replica has, is given them again, also inside a pipeline.
func TestScriptsForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		for range 3 {
			check(t, s.rdb.ScriptFlush(t.Context()).Err())
			m := device(t, s, "/a", "u", client.Web, "n1", "r1", "r2", "r3")
			check(t, s.rdb.ScriptFlush(t.Context()).Err())
			check(t, s.Join(t.Context(), m, []string{"r4", "r5"}))
			check(t, s.Release(t.Context(), m, []string{"r1", "r2", "r3", "r4", "r5"}, client.ReasonNetwork, true))
		}
		if got := must[[]string](t)(s.OnlineRooms(t.Context(), "/a")); len(got) != 0 {
			t.Errorf("rooms %v", got)
		}
	})
}

// TestScriptsNeverRemembered: a server that forgets faster than it can be told still gets its work done.
func TestScriptsNeverRemembered(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		forget := func(ctx context.Context, ops []*op) {
			check(t, s.rdb.ScriptFlush(ctx).Err())
			s.exec(ctx, ops)
		}
		call := clientRelease.call([]string{s.keys.client("/a", "c")}, 1, 1, client.ReasonNetwork, "")
		check(t, s.runBy(t.Context(), forget, []*op{call}))
	})
}

// TestScriptHeads holds the rules every script must keep.
func TestScriptHeads(t *testing.T) {
	forbidden := regexp.MustCompile(`'(RANDOMKEY|SPOP|SRANDMEMBER|XADD|KEYS)'`)
	files, err := luaFiles.ReadDir("lua")
	check(t, err)
	if len(files) != len(allScripts) {
		t.Errorf("%d files, %d scripts", len(files), len(allScripts))
	}
	for _, s := range allScripts {
		head, _, _ := strings.Cut(s.text, "\nlocal ")
		for _, part := range []string{"-- KEYS: ", "-- ARGV: ", "-- Reply: "} {
			if !strings.Contains(head, part) {
				t.Errorf("%s: no %q on the first lines", s.name, part)
			}
		}
		if bad := forbidden.FindString(strings.ToUpper(s.text)); bad != "" {
			t.Errorf("%s: %s has another result every time", s.name, bad)
		}
	}
}

func TestCheck(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		h, err := s.Check(t.Context())
		check(t, err)
		if (h.Version == "") != (b.mini != nil) {
			t.Errorf("version %q", h.Version)
		}
		if left := keysLeft(t, s); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	})
}

func TestCheckFindings(t *testing.T) {
	r, err := redistest.StartServer("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	check(t, err)
	defer r.Stop()
	s, err := Open(t.Context(), Options{Addresses: r.Addresses})
	check(t, err)
	defer s.Close()
	h, err := s.Check(t.Context())
	if err != nil || len(h.Warnings) != 2 || !strings.Contains(h.Warnings[0], "allkeys-lru") || !strings.Contains(h.Warnings[1], "append-only") {
		t.Errorf("found %+v, %v", h, err)
	}
	for name, tt := range map[string]struct{ rights, names string }{
		"no streams": {"+@all -xadd", "XADD"},
		"no info":    {"+@all -info", ""},
	} {
		rules := append([]any{"ACL", "SETUSER", "limited", "reset", "on", ">secret", "~*", "&*"}, anys(strings.Fields(tt.rights))...)
		check(t, s.rdb.Do(t.Context(), rules...).Err())
		limited, err := Open(t.Context(), Options{Addresses: r.Addresses, Username: "limited", Password: "secret"})
		check(t, err)
		_, err = limited.Check(t.Context())
		if tt.names == "" && err != nil || tt.names != "" && (!errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), tt.names)) {
			t.Errorf("%s: %v", name, err)
		}
		_ = limited.Close()
	}
	if _, err := Open(t.Context(), Options{Addresses: r.Addresses, Username: "limited", Password: "wrong"}); err == nil {
		t.Error("a wrong password was accepted")
	}
}

func anys(list []string) []any {
	all := make([]any, len(list))
	for i, s := range list {
		all[i] = s
	}
	return all
}

func TestVersion(t *testing.T) {
	for v, want := range map[string]bool{"6.0.16": false, "5.9.9": false, "6.2.0": true, "7.0.15": true, "10.1": true, "unstable": true} {
		if atLeast(v, 6, 2) != want {
			t.Errorf("%s: %v", v, !want)
		}
	}
}

// TestRedisAway holds that operations fail while Redis is away and work again
// afterwards, and that room transitions noted in between are not lost.
func TestRedisAway(t *testing.T) {
	r, err := redistest.StartServer()
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	check(t, err)
	defer r.Stop()
	failures := make(chan error, 1000)
	s, err := Open(t.Context(), Options{Addresses: r.Addresses, Timeout: 300 * time.Millisecond, OnError: func(err error) { failures <- err }})
	check(t, err)
	defer s.Close()
	m := device(t, s, "/a", "u", client.Web, "n1", "r1")
	check(t, s.rooms.flush(t.Context()))
	admin := redis.NewClient(&redis.Options{Addr: r.Addresses[0]})
	defer admin.Close()
	check(t, admin.Do(t.Context(), "CLIENT", "PAUSE", 1500, "ALL").Err())
	s.rooms.note("/a", "r2", 1) // what a join would note
	<-failures
	if err := s.Join(t.Context(), m, []string{"r3"}); err == nil {
		t.Error("joined a server that does not answer")
	}
	eventually(t, "the server answers", func() bool { return s.Join(t.Context(), m, []string{"r3"}) == nil })
	eventually(t, "the transition is written", func() bool {
		rooms, err := s.OnlineRooms(t.Context(), "/a")
		return err == nil && len(rooms) >= 2
	})
}

// TestRoundTrips: whoever waits for Redis is observed, also when it does not answer.
func TestRoundTrips(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		var trips, failures atomic.Int64
		s := b.open(t, func(o *Options) {
			o.OnRoundTrip = func(took time.Duration, err error) {
				if took <= 0 {
					t.Errorf("took %v", took)
				}
				trips.Add(1)
				if err != nil {
					failures.Add(1)
				}
			}
		})
		check(t, s.Ping(t.Context()))
		before := trips.Load()
		check(t, s.run(t.Context(), do("PING"), do("PING")))
		check(t, s.runShared(t.Context(), do("PING")))
		if trips.Load() != before+2 || failures.Load() != 0 {
			t.Errorf("%d round trips, %d failures", trips.Load()-before, failures.Load())
		}
		if err := s.run(t.Context(), do("NOSUCHCOMMAND")); err == nil || failures.Load() != 1 {
			t.Errorf("%v, %d failures", err, failures.Load())
		}
		if used, idle, timeouts := s.Pool(); used+idle == 0 || timeouts != 0 {
			t.Errorf("%d in use, %d idle, %d time-outs", used, idle, timeouts)
		}
	})
}
