package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/bench/load"
)

func TestAnnounced(t *testing.T) {
	tests := []struct {
		line, title, want string
		ok                bool
	}{
		{"  Socket.IO  http://127.0.0.1:21314/socket.io/", "Socket.IO", "127.0.0.1:21314", true},
		{"  REST API   http://127.0.0.1:56789/api/", "REST API", "127.0.0.1:56789", true},
		{"  REST API   http://127.0.0.1:56789/api/", "Socket.IO", "", false},
		{"lightpush 0.1.0 is ready", "Socket.IO", "", false},
		{"  Socket.IO  none", "Socket.IO", "none", false},
		{"", "Socket.IO", "", false},
	}
	for _, tt := range tests {
		if got, ok := announced(tt.line, tt.title); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: %q, %v", tt.line, got, ok)
		}
	}
}

func TestRedisVersion(t *testing.T) {
	for text, want := range map[string]string{
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=x": "7.0.15", "": "unknown", "rev=1": "unknown",
	} {
		if got := redisVersion(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 17: "17", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", 7.456: "7.46", 12.34: "12.3",
		123.4: "123", 0.5: "0.50", 0.014: "0.01", 0.001: "< 0.01", -0.001: "> -0.01", 1000.4: "1,000",
	} {
		if got := number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 12: "12", 123: "123", 1234: "1,234", 100000: "100,000", -100000: "-100,000", 1000000: "1,000,000"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

func TestUsage(t *testing.T) {
	var u usage
	u.add(usage{server: 2 * time.Millisecond, system: 0.5, wall: time.Second, helpers: map[string]time.Duration{"redis": time.Millisecond}})
	u.add(usage{server: 6 * time.Millisecond, system: 1, wall: time.Second, helpers: map[string]time.Duration{"redis": time.Millisecond}})
	if got := u.perServer(4); got != 2000 {
		t.Error(got)
	}
	if got := u.perHelper(2)["redis"]; got != 1000 {
		t.Error(got)
	}
	if u.system != 0.875 || u.wall != 2*time.Second || u.perServer(0) != 0 {
		t.Errorf("%+v", u)
	}
	if (&usage{}).perHelper(3) != nil {
		t.Error("helpers out of nothing")
	}
}

func TestCost(t *testing.T) {
	c := cost(load.Reply{CPU: 0.5, Frames: 100_000}, time.Second)
	if c.PerFrame != 5 || c.Busy != 0.5 {
		t.Errorf("%+v", c)
	}
	if c := cost(load.Reply{}, 0); c != (LoadCost{}) {
		t.Errorf("%+v", c)
	}
}

func TestPauses(t *testing.T) {
	if p := pauses([]float64{0.5, 2, 1}); p.Count != 3 || p.Max != 2 || p.Sum != 3.5 {
		t.Errorf("%+v", p)
	}
	if p := pauses(nil); p != (Pauses{}) {
		t.Errorf("%+v", p)
	}
}

func TestLeftBehind(t *testing.T) {
	base := census{Clients: 10, Goroutines: 30, Entries: map[string]float64{"lightpush_devices": 10}}
	tests := []struct {
		name string
		now  census
		want string
	}{
		{"the same", base, ""},
		{"a goroutine more", census{Clients: 10, Goroutines: 31, Entries: base.Entries}, ""},
		{"less", census{}, ""},
		{"clients", census{Clients: 12, Goroutines: 30}, " 2 clients"},
		{"goroutines", census{Clients: 10, Goroutines: 300}, " 270 goroutines"},
		{"entries", census{Clients: 10, Entries: map[string]float64{"lightpush_devices": 13}}, " 3 lightpush_devices"},
	}
	for _, tt := range tests {
		if got := leftBehind(base, tt.now); got != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func TestOptions(t *testing.T) {
	good := Options{Targets: Targets, Scenarios: Scenarios, Sizes: Full}
	tests := []struct {
		name   string
		change func(*Options)
		files  int
		want   string // part of the error, "" for none
	}{
		{"all", func(*Options) {}, 20_000, ""},
		{"few files", func(*Options) {}, 10_000, "open files"},
		{"quick needs few", func(o *Options) { o.Sizes = Quick }, 2000, ""},
		{"unknown target", func(o *Options) { o.Targets = []string{"nginx"} }, 20_000, `"nginx"`},
		{"unknown scenario", func(o *Options) { o.Scenarios = []string{"rain"} }, 20_000, `"rain"`},
		{"nothing", func(o *Options) { o.Targets = nil }, 20_000, "no target"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			err := o.check(tt.files)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Error(err)
			}
		})
	}
}
