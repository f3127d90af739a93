package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/stats"
)

// Report is what a run has shown. Durations are in milliseconds where the name says so, sizes in bytes.
type Report struct {
	Started     time.Time         `json:"started"`
	Seconds     float64           `json:"seconds"`
	Interrupted bool              `json:"interrupted"`
	Processes   int               `json:"processes"`
	Config      map[string]string `json:"config"`

	Clients        int              `json:"clients"`
	Ready          int              `json:"ready_at_end"`
	Attempts       int64            `json:"connect_attempts"`
	Connects       int64            `json:"connects"`
	Failures       map[string]int64 `json:"connect_failures"`
	GivenUp        int64            `json:"clients_given_up"`
	RampSeconds    float64          `json:"ramp_seconds"`
	ConnectsPerSec float64          `json:"connects_per_second"` // in the ramp
	Connect        stats.Summary    `json:"connect_latency"`
	Drops          map[string]int64 `json:"dropped_by_server"`
	Left           int64            `json:"churn_left"`
	Cut            int64            `json:"storm_cut"`

	PushAttempts int64            `json:"push_attempts"`
	Accepted     int64            `json:"push_accepted"`
	PushFailures map[string]int64 `json:"push_failures"`
	Late         int64            `json:"push_not_sent"` // due, but all callers were too far behind
	PushSeconds  float64          `json:"push_seconds"`
	PushesPerSec float64          `json:"pushes_per_second"`
	PushAnswer   stats.Summary    `json:"push_answer_latency"`

	Delivered        int64         `json:"delivered"`
	DeliveriesPerSec float64       `json:"deliveries_per_second"`
	SlowDelivered    int64         `json:"delivered_to_slow_readers"`
	Latency          stats.Summary `json:"delivery_latency"`
	Lost             int64         `json:"lost"`
	SlowLost         int64         `json:"not_yet_at_slow_readers"`
	Repeated         int64         `json:"repeated"`
	Reordered        int64         `json:"out_of_order"`
	Stray            int64         `json:"stray"`
	Foreign          int64         `json:"foreign"`
	Offline          int64         `json:"offline_messages"`
	FirstLost        *loss         `json:"first_lost"`
	FirstRepeated    *loss         `json:"first_repeated"`
	FirstReordered   *loss         `json:"first_out_of_order"`

	AcksSent    int64 `json:"acks_sent"`
	Samples     int   `json:"reports_read"`         // messages whose report was compared
	Got         int64 `json:"sampled_delivered"`    // of these messages, to our clients
	GotServer   int64 `json:"sampled_online_count"` // what the server says
	Acked       int64 `json:"sampled_acked"`
	AckedServer int64 `json:"sampled_acked_known"` // at most what was sent, message by message
	AcksServer  int64 `json:"sampled_ack_count"`   // all, by whoever

	Server *ServerFigures `json:"server,omitempty"`
	Self   SelfFigures    `json:"simulator"`

	Findings []Finding `json:"slo,omitempty"`
	Verdict  string    `json:"verdict"` // ok, missed, none
}

// ServerFigures are of the measured server process.
type ServerFigures struct {
	MemoryBefore    int64   `json:"memory_before"`
	MemoryConnected int64   `json:"memory_connected"`
	MemoryPerConn   int64   `json:"memory_per_connection"`
	MemoryEnd       int64   `json:"memory_at_end"`
	CPURamp         float64 `json:"cpu_seconds_ramp"`
	CPUPerConnect   float64 `json:"cpu_us_per_connect"`
	CPURun          float64 `json:"cpu_seconds_run"`
	CPUPerDelivery  float64 `json:"cpu_us_per_delivery"`
}

// SelfFigures are of the simulator, all processes together.
type SelfFigures struct {
	MemoryPerClient int64   `json:"memory_per_client"`
	CPU             float64 `json:"cpu_seconds"`
}

// configOf is every key but secrets.
func configOf(c *Config) map[string]string {
	m := map[string]string{}
	for _, k := range keys {
		if !k.Secret {
			m[k.Name] = k.Get(c)
		}
	}
	return m
}

func (r *Report) take(t *tally, j judged) {
	r.Attempts, r.Connects, r.Failures, r.GivenUp = t.Attempts, t.Connects, t.Failures, t.GivenUp
	r.Drops, r.Left, r.Cut = t.Drops, t.Left, t.Cut
	r.Delivered, r.SlowDelivered, r.Repeated, r.Reordered = t.Delivered, t.Slow, t.Repeated, t.Reordered
	r.Stray, r.Foreign, r.Offline, r.AcksSent = t.Stray, t.Foreign, t.Offline, t.Acks
	r.Lost, r.SlowLost, r.FirstLost = j.Lost+t.Uncounted, j.SlowLost, j.First
	r.FirstRepeated, r.FirstReordered = t.FirstRepeated, t.FirstReordered
	for _, l := range []*loss{r.FirstRepeated, r.FirstReordered} {
		if l != nil {
			l.Position = 0
		}
	}
	r.Connect, r.Latency = t.Connect.Summary(), t.Latency.Summary()
	if r.PushSeconds > 0 {
		r.DeliveriesPerSec = float64(r.Delivered) / r.PushSeconds
	}
}

func (r *Report) takePushes(f pushFigures, failures map[string]int64, seconds float64) {
	r.PushAttempts, r.Accepted, r.Late, r.PushFailures = f.attempts, f.accepted, f.late, failures
	r.PushAnswer, r.PushSeconds = f.http.Summary(), seconds
	if seconds > 0 {
		r.PushesPerSec = float64(f.accepted) / seconds
	}
}

// WriteFile writes the report as JSON.
func (r *Report) WriteFile(name string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644) //nolint:gosec // figures, not secrets
}

// Print writes the report as a table.
func (r *Report) Print(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-26s %s\n", name, fmt.Sprintf(format, args...))
	}
	title := "Simulation"
	if r.Interrupted {
		title = "Simulation, interrupted"
	}
	fmt.Fprintf(w, "\n%s: %d clients, %.1f s, %d process(es)\n", title, r.Clients, r.Seconds, max(r.Processes, 1))
	line("connects", "%d of %d attempts, %.0f/s in the ramp of %.1f s; ready at the end: %d", r.Connects, r.Attempts, r.ConnectsPerSec, r.RampSeconds, r.Ready)
	latencyLine(line, "connect latency", r.Connect)
	reasons(line, "  failed", r.Failures)
	if r.GivenUp > 0 {
		line("clients given up", "%d", r.GivenUp)
	}
	reasons(line, "dropped by the server", r.Drops)
	if r.Left+r.Cut > 0 {
		line("left and cut", "%d by churn, %d in storms", r.Left, r.Cut)
	}
	if r.PushAttempts+r.Late > 0 {
		line("pushes accepted", "%d of %d, %.0f/s", r.Accepted, r.PushAttempts, r.PushesPerSec)
		latencyLine(line, "answer latency", r.PushAnswer)
		reasons(line, "  failed", r.PushFailures)
		if r.Late > 0 {
			line("  not sent", "%d: all %s callers were behind", r.Late, r.Config["push_senders"])
		}
	}
	line("deliveries", "%d, %.0f/s", r.Delivered, r.DeliveriesPerSec)
	latencyLine(line, "delivery latency", r.Latency)
	line("lost", "%d%s", r.Lost, named(r.FirstLost))
	line("repeated", "%d%s", r.Repeated, named(r.FirstRepeated))
	line("out of order", "%d%s", r.Reordered, named(r.FirstReordered))
	for _, rare := range []struct {
		name string
		n    int64
	}{{"slow readers still behind", r.SlowLost}, {"not in that room", r.Stray}, {"pushes of others", r.Foreign}, {"offline messages", r.Offline}} {
		if rare.n > 0 {
			line(rare.name, "%d", rare.n)
		}
	}
	line("acks sent", "%d", r.AcksSent)
	if r.Samples > 0 {
		line("message reports", "%d read: delivered %d, the server says %d; acked %d, the server has %d of them", r.Samples, r.Got, r.GotServer, r.Acked, r.AckedServer)
	}
	if s := r.Server; s != nil {
		line("server memory", "%.1f MB before, %.1f MB connected: %.2f KB per connection; %.1f MB at the end",
			mb(s.MemoryBefore), mb(s.MemoryConnected), float64(s.MemoryPerConn)/1024, mb(s.MemoryEnd))
		line("server CPU", "%.2f s in the ramp, %.0f µs per connect; %.2f s after it, %.2f µs per delivery", s.CPURamp, s.CPUPerConnect, s.CPURun, s.CPUPerDelivery)
	}
	line("simulator", "%.2f KB per client, %.1f s CPU", float64(r.Self.MemoryPerClient)/1024, r.Self.CPU)
	for _, f := range r.Findings {
		mark := "ok    "
		if !f.OK {
			mark = "MISSED"
		}
		fmt.Fprintf(w, "  %s %-20s %s\n", mark, f.Objective, f.Measured)
	}
	if len(r.Findings) > 0 {
		fmt.Fprintf(w, "verdict: %s\n", r.Verdict)
	}
}

func mb(n int64) float64 { return float64(n) / (1 << 20) }

func latencyLine(line func(string, string, ...any), name string, s stats.Summary) {
	if s.Count > 0 {
		line(name, "p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms", s.P50, s.P90, s.P99, s.P999, s.Max)
	}
}

func reasons(line func(string, string, ...any), name string, m map[string]int64) {
	for _, why := range slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return int(m[b] - m[a])
		}
		return strings.Compare(a, b)
	}) {
		line(name, "%d × %s", m[why], why)
		name = ""
	}
}

// named says which message it was.
func named(l *loss) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf("; the first: message %d, room %s, device %s, number %d of its sender there", l.ID, l.Room, l.Device, l.Seq)
}
