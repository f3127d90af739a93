package ring

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/leaktest"
	"github.com/lightpush/lightpush/test/chaos/ledger"
	"github.com/lightpush/lightpush/test/chaos/plan"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

// runFake is a short run against the fake, with clients that come and go and cut connections.
func runFake(t *testing.T, f *fake) *Result {
	t.Helper()
	o := Options{
		Seed: 7, Duration: 1500 * time.Millisecond, Clients: 40, Rate: 160, Leave: 0.6, Senders: 4,
		Plan: []plan.Fault{
			{At: 600 * time.Millisecond, Kind: plan.Cut, Count: 10},
			{At: 800 * time.Millisecond, For: 300 * time.Millisecond, Kind: plan.Stall, Count: 5},
		},
		Rules: ledger.Rules{Inbox: map[string]bool{"android": true}, Settle: time.Minute, Grace: 10 * time.Second},
		Quiet: 2500 * time.Millisecond, Drain: time.Second,
	}
	r, err := Run(context.Background(), o, f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestHonest holds that a service that keeps its promises is found to keep them, and that something was promised.
func TestHonest(t *testing.T) {
	r := runFake(t, startFake(t))
	for _, f := range r.Verdict.Findings {
		t.Errorf("%s", r.ledger.History(f))
	}
	for _, p := range []string{ledger.PromiseInbox, ledger.PromiseIOS, ledger.PromiseLive, ledger.PromiseOrder} {
		if r.Verdict.Promised[p] == 0 {
			t.Errorf("nothing was promised by %s: %v", p, r.Verdict.Promised)
		}
	}
	if r.Tally.Refused == 0 || r.Tally.Accepted == 0 || r.Tally.Breaks == 0 {
		t.Errorf("%+v", r.Tally)
	}
	checkOutput(t, r)
}

// checkOutput writes the summary, the picture and the JSON of a run.
func checkOutput(t *testing.T, r *Result) {
	t.Helper()
	var table strings.Builder
	r.WriteTable(&table)
	for _, want := range []string{"promised: inbox", "lost", "seed", "faults cut"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	file := filepath.Join(t.TempDir(), "timeline.svg")
	if err := r.WriteSVG(file); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(data), "<svg") || !strings.Contains(string(data), "cut") {
		t.Errorf("picture: %v, %.100s", err, data)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// once remembers the first delivery that a lie is told about, and all of that message to that device.
type once struct{ *ledger.Finding }

func (o *once) is(p fakePush, d *fakeDevice, candidate bool) bool {
	if o.Finding == nil && candidate {
		o.Finding = &ledger.Finding{Marker: p.marker, Device: d.id}
	}
	return o.Finding != nil && o.Marker == p.marker && o.Device == d.id
}

// wantOne wants exactly one finding of a kind, about this delivery.
func wantOne(t *testing.T, r *Result, kind string, want once, reason string) {
	t.Helper()
	if want.Finding == nil {
		t.Fatal("the fake had no occasion")
	}
	if n := len(r.Verdict.Findings); n != 1 {
		t.Fatalf("%d findings: %v", n, r.Verdict.Findings)
	}
	f := r.Verdict.Findings[0]
	if f.Kind != kind || f.Marker != want.Marker || f.Device != want.Device || !strings.Contains(f.Reason, reason) {
		t.Fatalf("found %v, want push %d and device %s", f, want.Marker, want.Device)
	}
	for _, part := range []string{want.Device, "push    ", "connected, new session"} {
		if !strings.Contains(r.First[kind], part) {
			t.Errorf("no %q in its history:\n%s", part, r.First[kind])
		}
	}
}

// joined reports that the device has done more than to connect, so that the ring knows that it is there.
func (d *fakeDevice) joined() bool { return len(d.members) > 1 }

// TestLosesOne: one delivery of the whole run is left out, and the ring names it.
func TestLosesOne(t *testing.T) {
	for _, platform := range []string{"android", "ios"} {
		t.Run(platform, func(t *testing.T) {
			t.Parallel()
			f := startFake(t)
			var lost once
			f.bend = func(p fakePush, to *fakeDevice) int {
				if lost.is(p, to, p.marker > 60 && p.leave && !p.dead && to.platform == platform && to.joined() &&
					(platform == "android" || to.token != "" && to.conn != nil) && to.members[p.room] && strings.HasPrefix(p.room, "user_")) {
					return 0
				}
				return 1
			}
			wantOne(t, runFake(t, f), ledger.Lost, lost, "promised")
		})
	}
}

// TestMisdirects: one delivery too many is found, whatever is wrong with it.
func TestMisdirects(t *testing.T) {
	for name, c := range map[string]struct {
		candidate func(p fakePush, to *fakeDevice) bool
		reason    string
	}{
		"refused": {func(p fakePush, to *fakeDevice) bool { return p.refused && to.namespace == p.ns }, "refused"},
		"tenant":  {func(p fakePush, to *fakeDevice) bool { return !p.refused && to.namespace != p.ns }, "belongs to"},
		"except":  {func(p fakePush, to *fakeDevice) bool { return !p.refused && to.id == p.except }, "excepts"},
		"no member": {func(p fakePush, to *fakeDevice) bool {
			return !p.refused && to.namespace == p.ns && strings.HasPrefix(p.room, "user_") && !to.members[p.room]
		}, "no member"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t)
			var leaked once
			f.leak = func(p fakePush, to *fakeDevice) bool {
				return leaked.is(p, to, p.marker > 60 && to.joined() && c.candidate(p, to))
			}
			wantOne(t, runFake(t, f), ledger.Unwanted, leaked, c.reason)
		})
	}
}

// TestRepeats: a message that comes twice is counted and is no failure.
func TestRepeats(t *testing.T) {
	f := startFake(t)
	var twice once
	f.bend = func(p fakePush, to *fakeDevice) int {
		if twice.is(p, to, p.marker > 60 && to.conn != nil && to.joined() && to.rooms[p.room] && !p.leave) {
			return 2
		}
		return 1
	}
	r := runFake(t, f)
	if len(r.Verdict.Findings) != 0 || r.Verdict.Repeats["live, live, one connection"]+r.Verdict.Repeats["live, live, one connection, never confirms"] != 1 {
		t.Errorf("repeats %v, findings %v", r.Verdict.Repeats, r.Verdict.Findings)
	}
}
