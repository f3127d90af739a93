package ring

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lightpush/lightpush/test/chaos/ledger"
)

// Result is what a run showed.
type Result struct {
	Options  Options         `json:"options"`
	Took     time.Duration   `json:"took"`
	Tally    ledger.Tally    `json:"tally"`
	Verdict  *ledger.Verdict `json:"verdict"`
	Waits    Waits           `json:"waits"`
	Faults   map[string]int  `json:"faults"`
	Devices  map[string]int  `json:"devices"`
	Timeline []ledger.Fault  `json:"timeline"`
	// First is the history of the first finding of each kind.
	First   map[string]string `json:"first,omitempty"`
	Samples []Sample          `json:"-"`

	ledger *ledger.Ledger
}

// Waits are percentiles of the time from the request to the first arrival.
type Waits struct {
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

func (r *ring) result(v *ledger.Verdict) *Result {
	res := &Result{
		Options: r.options, Took: r.now(), Tally: r.ledger.Tally(), Verdict: v, Faults: map[string]int{},
		Devices: map[string]int{}, Timeline: r.ledger.Faults(), First: map[string]string{}, Samples: r.samples, ledger: r.ledger,
	}
	for _, f := range r.options.Plan {
		res.Faults[string(f.Kind)]++
	}
	for _, d := range r.fleet.devices {
		res.Devices[fmt.Sprintf("%s, Engine.IO %d", d.spec.Platform, d.spec.EIO)]++
	}
	if n := len(v.Waits); n > 0 {
		res.Waits = Waits{v.Waits[n/2], v.Waits[n*99/100], v.Waits[n-1]}
	}
	for _, f := range v.Findings {
		if _, ok := res.First[f.Kind]; !ok {
			res.First[f.Kind] = r.ledger.History(f)
		}
	}
	return res
}

// Namespace returns the namespace of the push of a finding.
func (r *Result) Namespace(f ledger.Finding) string { return r.ledger.Namespace(f.Marker) }

// historiesMax bounds what WriteHistories tells.
const historiesMax = 100

// WriteHistories writes every finding, each with its history for the first of its device.
func (r *Result) WriteHistories(file string) error {
	var b strings.Builder
	told := map[string]bool{}
	for _, f := range r.Verdict.Findings {
		key := f.Kind + " " + f.Device
		if told[key] || len(told) == historiesMax {
			fmt.Fprintln(&b, f)
			continue
		}
		told[key] = true
		fmt.Fprintln(&b, r.ledger.History(f))
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// promises in the order they are listed.
var promises = []string{
	ledger.PromiseInbox, ledger.PromiseIOS, ledger.PromiseLive, ledger.PromiseRecovery, ledger.PromiseOrder, ledger.PromiseSettled,
}

// Pairs are the promised deliveries and those that arrived.
func (r *Result) Pairs() (promised, delivered int) {
	for _, p := range promises {
		promised += r.Verdict.Promised[p]
		delivered += r.Verdict.Delivered[p]
	}
	return promised, delivered
}

// WriteTable writes the summary for people.
func (r *Result) WriteTable(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	t := r.Tally
	row("seed", "%d", r.Options.Seed)
	row("time", "%s of pushes and faults, %s in all", r.Options.Duration, r.Took.Round(time.Second))
	for _, d := range slices.Sorted(maps.Keys(r.Devices)) {
		row("devices "+d, "%d", r.Devices[d])
	}
	for _, f := range slices.Sorted(maps.Keys(r.Faults)) {
		row("faults "+f, "%d", r.Faults[f])
	}
	row("pushes", "%d: %d accepted, %d refused, %d not taken, %d unanswered", t.Sent, t.Accepted, t.Refused, t.Nothing, t.Unknown)
	row("connections", "%d, broken or ended %d; sessions continued %d, new %d", t.Connects, t.Breaks, t.Recovered, t.NewSessions)
	row("arrivals", "%d live, %d replayed, %d offline, %d by APNs", t.Receipts[ledger.Live], t.Receipts[ledger.Replay],
		t.Receipts[ledger.Offline], t.Receipts[ledger.APNs])
	row("request to arrival", "p50 %s, p99 %s, longest %s", round(r.Waits.P50), round(r.Waits.P99), round(r.Waits.Max))
	for _, p := range promises {
		if n := r.Verdict.Promised[p]; n > 0 {
			row("promised: "+p, "%d, arrived %d", n, r.Verdict.Delivered[p])
		}
	}
	promised, delivered := r.Pairs()
	row("promised", "%d, arrived %d", promised, delivered)
	row("arrived without a promise", "%d", r.Verdict.Extra)
	for _, how := range slices.Sorted(maps.Keys(r.Verdict.Repeats)) {
		row("repeats "+how, "%d", r.Verdict.Repeats[how])
	}
	for _, kind := range []string{ledger.Lost, ledger.Unwanted, ledger.Disorder, ledger.Twin} {
		row(kind, "%d", len(r.Verdict.Of(kind)))
	}
	_ = w.Flush()
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}
