package harness

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/simulator/stats"
	"github.com/lightpush/lightpush/test/bench/load"
	"github.com/lightpush/lightpush/test/bench/procfs"
)

// latency is one with a curve through these percentiles.
func latency(p50, p99, p999 float64) load.Latency {
	l := load.Latency{Summary: stats.Summary{Count: 1000, P50: p50, P99: p99, P999: p999}}
	for _, p := range load.Points {
		switch {
		case p <= 50:
			l.Curve = append(l.Curve, p50)
		case p <= 99:
			l.Curve = append(l.Curve, p99)
		default:
			l.Curve = append(l.Curve, p999)
		}
	}
	return l
}

// sample is a run in which lightpush costs scale times what its budgets allow.
func sample(scale float64) *Result {
	delivery := func(us float64) *Delivery {
		return &Delivery{Room: 5000, Messages: 40, Expected: 1000, Received: 1000, InPlace: 1000, CPU: us, PerSecond: 1e5, Latency: latency(1, 2, 3)}
	}
	ours := &Figures{
		Target: Lightpush, Version: "this tree",
		Memory: &Memory{Clients: 10_000, Before: 10 << 20, Settled: 10<<20 + int64(scale*10_000*3000), Pauses: Pauses{Max: scale * 4.9}},
		Vanish: &Vanish{Stayed: 8000, Vanished: 10_000, BaselineRSS: 100e6, FullRSS: 200e6, AfterRSS: int64(scale * 119e6), Seconds: 3, GoneSeconds: 2, BaseGoroutines: 30, Goroutines: 30},
		Storm:  &Storm{Runs: 20, Clients: 5000, CPU: scale * 119, CPU3: 130, PerSecond: 5000, Pauses: Pauses{Max: scale * 4.9}},
		Single: delivery(scale * 8), Burst: delivery(scale * 3.9), Loop: delivery(4),
		Rate:   &Rate{PerSecond: 1000, Messages: 8000, Expected: 8000, Received: 8000, CPU: 50, Latency: latency(1, scale*4.9, 9)},
		Acks:   &Acks{Sent: 100_000, Recorded: 100_000, PerSecond: 101_000 / scale, CPU: 3},
		Events: &Events{Sent: 1000, Answered: 1000, InPlace: 1000},
	}
	if scale > 1 {
		ours.Storm.Failed, ours.Storm.Never, ours.Loop.InPlace, ours.Events.InPlace, ours.Vanish.Left = 7, 7, 999, 999, " 3 clients"
	}
	line := Timeline{{0, 10}, {10, 40}, {20, 30}}
	ours.Memory.Timeline, ours.Storm.Timeline, ours.Vanish.Timeline = line, line, line
	ours.Rooms = ours.Rate
	return &Result{
		Commit: "0123456789ab+", Machine: procfs.Machine{CPU: "Some CPU", Cores: 2, MemoryMB: 8000, Kernel: "6.1"},
		Versions: Versions{Go: "go1.26", Node: "v20", Redis: "7", Packages: map[string]string{"redis": "5.0", "@socket.io/redis-adapter": "8", "@socket.io/redis-streams-adapter": "1"}}, Sizes: Full,
		Clusters: sampleClusters(),
		Targets: []*Figures{
			ours,
			{Target: Node, Version: "4.8.4", Memory: &Memory{Clients: 10_000, Settled: 10_000 * 18_100}},
			{Target: Floor, Version: "epoll", Single: delivery(8), Burst: delivery(7), Joined: delivery(0.2)},
		},
	}
}

func TestBudgets(t *testing.T) {
	for _, b := range sample(1).budgets() {
		bare := b.Reached == "–" && b.Verdict == notMeasured // of the engine alone, which the sample lacks
		if b.Verdict != "reached" && !bare {
			t.Errorf("%+v", b)
		}
	}
	missed := 0
	for _, b := range sample(1.2).budgets() {
		switch {
		case strings.HasPrefix(b.Verdict, "missed"):
			missed++
		case b.Verdict != notMeasured:
			t.Errorf("%+v", b)
		}
	}
	if missed != 13 {
		t.Errorf("%d budgets missed", missed)
	}
	for _, b := range (&Result{Sizes: Full}).budgets() {
		if b.Verdict != notMeasured {
			t.Errorf("nothing was measured, and yet %+v", b)
		}
	}
}

func TestTable(t *testing.T) {
	table := sample(1).Table()
	var text, markdown bytes.Buffer
	WriteText(&text, table)
	WriteMarkdown(&markdown, table)
	for _, want := range []string{"2.93 KB", "× 0.17", "8 µs", "× 1", "119 µs", "–"} {
		if !strings.Contains(text.String(), want) || !strings.Contains(markdown.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	for _, line := range table {
		if len(line) != len(table[0]) {
			t.Errorf("%d cells in %q, %d in the head", len(line), line[0], len(table[0]))
		}
	}
	if strings.Contains(text.String(), "NaN") || strings.Contains(text.String(), "Inf") {
		t.Error(text.String())
	}
}

// The page can be written from the JSON file alone, whatever is missing in it.
func TestPage(t *testing.T) {
	for name, r := range map[string]*Result{"full": sample(1), "slow": sample(1.2), "empty": {Sizes: Quick}} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			again := &Result{}
			if err := json.Unmarshal(text, again); err != nil {
				t.Fatal(err)
			}
			page, err := again.Page()
			if err != nil {
				t.Fatal(err)
			}
			wants := []string{"# Performance", "## Budgets", "make bench"}
			if name != "empty" {
				wants = append(wants, "Some CPU, 2 cores, 8 GB", "socket.io 4.8.4", "0123456789ab (with changes", "10,000 of 18,000 clients vanish", "0.20 µs",
					"## Three nodes", "the client `redis` 5.0", "redis-adapter failed", "2,391 of 239,100")
			}
			for _, want := range wants {
				if !strings.Contains(string(page), want) {
					t.Errorf("no %q in\n%s", want, page)
				}
			}
			for _, bad := range []string{"<no value>", "NaN", "%!", "0x"} {
				if strings.Contains(string(page), bad) {
					t.Errorf("%q in\n%s", bad, page)
				}
			}
		})
	}
}
