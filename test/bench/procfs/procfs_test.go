package procfs

import (
	"math"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const tail = " S 1 12 12 0 -1 4194560 1000 0 3 0 250 75 0 0 20 0 9 0 8400 1261 3300 18446744073709551615 1 1 0"
	tests := []struct {
		name, text string
		want       Stat
		bad        bool
	}{
		{name: "plain", text: "12 (connector)" + tail + "\n", want: Stat{2500 * time.Millisecond, 750 * time.Millisecond, 9}},
		{name: "blanks and parentheses in the name", text: "12 (a) R 1 (b c)" + tail, want: Stat{2500 * time.Millisecond, 750 * time.Millisecond, 9}},
		{name: "empty", bad: true},
		{name: "cut", text: "12 (connector) S 1 12", bad: true},
		{name: "no numbers", text: "12 (c) S a b c d e f g h i j k l m n o p q r s", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseStat([]byte(tt.text))
			if got != tt.want || (err != nil) != tt.bad {
				t.Errorf("got %+v, %v", got, err)
			}
			if !tt.bad && got.CPU() != 3250*time.Millisecond {
				t.Errorf("CPU %v", got.CPU())
			}
		})
	}
}

func TestParseKB(t *testing.T) {
	const status = "Name:\tconnector\nVmRSS:\t    1234 kB\nRssAnon:\t 5 kB\nOdd:\t7\nMinus:\t-3 kB\n"
	tests := []struct {
		key  string
		want int64
		bad  bool
	}{
		{"VmRSS", 1234 << 10, false}, {"RssAnon", 5 << 10, false}, {"Odd", 0, true}, {"Minus", 0, true}, {"Rss", 0, true}, {"Name", 0, true},
	}
	for _, tt := range tests {
		if got, err := ParseKB([]byte(status), tt.key); got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %d, %v", tt.key, got, err)
		}
	}
}

func TestParseGCTrace(t *testing.T) {
	tests := []struct {
		line string
		want [2]time.Duration
		ok   bool
	}{
		{"gc 4 @0.060s 3%: 0.012+1.2+0.004 ms clock, 0.024+0.1/1.1/2.1+0.008 ms cpu, 4->4->2 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P",
			[2]time.Duration{12 * time.Microsecond, 4 * time.Microsecond}, true},
		{"gc 12 @120.5s 0%: 1.5+30+0.25 ms clock, 3+0/0/0+0.5 ms cpu, 90->91->40 MB, 92 MB goal, 1 MB stacks, 0 MB globals, 2 P (forced)",
			[2]time.Duration{1500 * time.Microsecond, 250 * time.Microsecond}, true},
		{"gc 4 @0.060s 3%: 0.012+1.2 ms clock, …", [2]time.Duration{}, false},
		{"gc 4 @0.060s 3%: a+b+c ms clock", [2]time.Duration{}, false},
		{"scvg: 8 MB released", [2]time.Duration{}, false},
		{`{"level":"info","message":"gc 4 @0.060s 3%: 0.012+1.2+0.004 ms clock"}`, [2]time.Duration{}, false},
		{"", [2]time.Duration{}, false},
	}
	for _, tt := range tests {
		if got, ok := ParseGCTrace(tt.line); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %v, %v", tt.line, got, ok)
		}
	}
}

func TestParseMetrics(t *testing.T) {
	got := ParseMetrics("# HELP go_goroutines Number.\n# TYPE go_goroutines gauge\ngo_goroutines 42\n" +
		"lightpush_sessions{protocol=\"3\",transport=\"polling\"} 3\nlightpush_sessions{protocol=\"4\",transport=\"a b\"} 9997\nodd\nbad x\n")
	if len(got) != 2 || got["go_goroutines"] != 42 || got["lightpush_sessions"] != 10000 {
		t.Errorf("%v", got)
	}
}

func TestParseMachine(t *testing.T) {
	if got := CPUModel("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: other\n"); got != "Some CPU @ 2 GHz" {
		t.Error(got)
	}
	if got := CPUModel("processor\t: 0\n"); got != "" {
		t.Error(got)
	}
	for release, want := range map[string]string{"6.8.0-51-generic\n": "6.8.0", "6.1.0": "6.1.0", "6.1.-x": "6.1", "custom": ""} {
		if got := KernelVersion(release); got != want {
			t.Errorf("%q: %q", release, got)
		}
	}
	if load, err := ParseLoad("0.50 1.25 2.00 3/444 5555\n"); err != nil || load != [3]float64{0.5, 1.25, 2} {
		t.Error(load, err)
	}
	for _, bad := range []string{"", "1 2", "a b c"} {
		if _, err := ParseLoad(bad); err == nil {
			t.Errorf("load %q passed", bad)
		}
	}
	if busy, err := ParseBusy("cpu  100 1 50 9000 800 2 3 4 0 0\ncpu0 1 2 3\n"); err != nil || busy != 160*Tick {
		t.Error(busy, err)
	}
	for _, bad := range []string{"", "cpu 1 2", "cpu0 1 2 3 4 5 6 7 8 9", "cpu a 2 3 4 5 6 7 8"} {
		if _, err := ParseBusy(bad); err == nil {
			t.Errorf("stat %q passed", bad)
		}
	}
}

// The parsers read what this kernel writes.
func TestLive(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/proc is Linux")
	}
	if rss, err := RSS(os.Getpid()); err != nil || rss < 1<<20 {
		t.Error("RSS", rss, err)
	}
	if stat, err := ReadStat(os.Getpid()); err != nil || stat.Threads < 1 {
		t.Error("stat", stat, err)
	}
	if busy, err := Busy(); err != nil || busy <= 0 {
		t.Error("busy", busy, err)
	}
	if load, err := Load(); err != nil || math.IsNaN(load[0]) {
		t.Error("load", load, err)
	}
	if m := ReadMachine(2); m.Cores != 2 || m.MemoryMB == 0 || m.Kernel == "" {
		t.Errorf("%+v", m)
	}
}
