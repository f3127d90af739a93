package harness

import (
	"maps"
	"slices"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/stats"
	"github.com/lightpush/lightpush/test/bench/load"
	"github.com/lightpush/lightpush/test/bench/procfs"
)

// Result is one run, as it is written to the JSON file.
type Result struct {
	Time     time.Time      `json:"time"`
	Seconds  float64        `json:"seconds"`
	Commit   string         `json:"commit"` // of the tree, with "+" when it had changes
	Machine  procfs.Machine `json:"machine"`
	Versions Versions       `json:"versions"`
	Sizes    Sizes          `json:"sizes"`

	LoadBefore [3]float64 `json:"load_before"` // averages of 1, 5 and 15 minutes
	// Foreign is the share of the machine that programs outside of the
	// benchmark used while it ran, 0 to 1.
	Foreign float64 `json:"foreign"`

	Targets  []*Figures `json:"targets"`
	Clusters []*Cluster `json:"clusters,omitempty"`
}

// Of returns the figures of a target, nil when it was not measured.
func (r *Result) Of(target string) *Figures {
	for _, f := range r.Targets {
		if f.Target == target {
			return f
		}
	}
	return nil
}

// Figures of one target; scenarios that were not played are nil.
type Figures struct {
	Target  string `json:"target"`
	Version string `json:"version"`
	Failed  string `json:"failed,omitempty"` // why figures are missing

	Memory *Memory   `json:"memory,omitempty"`
	Vanish *Vanish   `json:"vanish,omitempty"`
	Storm  *Storm    `json:"storm,omitempty"`
	Single *Delivery `json:"single,omitempty"`
	Burst  *Delivery `json:"burst,omitempty"`
	Joined *Delivery `json:"joined,omitempty"` // the floor only
	Loop   *Delivery `json:"loop,omitempty"`
	Rate   *Rate     `json:"rate,omitempty"`  // one to one
	Rooms  *Rate     `json:"rooms,omitempty"` // many small rooms
	Acks   *Acks     `json:"acks,omitempty"`
	Events *Events   `json:"events,omitempty"`
}

// Memory of idle clients.
type Memory struct {
	Clients   int                `json:"clients"`
	Before    int64              `json:"rss_before"`
	Connected int64              `json:"rss_connected"` // soon after the last client
	Settled   int64              `json:"rss_settled"`
	Entries   map[string]float64 `json:"entries,omitempty"` // gauges at the end
	Pauses    Pauses             `json:"gc_pauses"`
	Timeline  Timeline           `json:"timeline,omitempty"` // from before the first client
}

// PerClient is the settled memory of one client in bytes.
func (m *Memory) PerClient() float64 { return float64(m.Settled-m.Before) / float64(m.Clients) }

// Vanish is what is left when many clients end at once.
type Vanish struct {
	Stayed, Vanished int
	Baseline         census `json:"-"`
	began            time.Time
	BaselineRSS      int64   `json:"rss_baseline"` // with those that stay
	FullRSS          int64   `json:"rss_full"`
	AfterRSS         int64   `json:"rss_after"`
	Seconds          float64 `json:"seconds"`      // until memory is within 20 % of the baseline; -1: never within the wait
	GoneSeconds      float64 `json:"gone_seconds"` // until no entry or goroutine of them is left; -1: never
	BaseGoroutines   int     `json:"goroutines_baseline"`
	Goroutines       int     `json:"goroutines_after"`
	Left             string  `json:"left,omitempty"` // what stayed behind
	// Timeline begins a little before the clients vanish, at 0.
	Timeline Timeline `json:"timeline,omitempty"`
}

// Storm is many clients that connect at the same moment, several times.
type Storm struct {
	Runs, Clients int
	Failed        int                `json:"failed"` // refused, broken or never completed
	Never         int                `json:"never"`
	Reason        string             `json:"reason,omitempty"`
	RunsFailed    int                `json:"runs_failed"`
	CPU           float64            `json:"cpu_us"`       // of the server, per complete connect of Engine.IO 4
	CPU3          float64            `json:"cpu3_us"`      // the same of Engine.IO 3
	System        float64            `json:"system_share"` // of CPU, in the kernel
	Helpers       map[string]float64 `json:"helpers_cpu_us,omitempty"`
	PerSecond     float64            `json:"per_second"`
	Latency       stats.Summary      `json:"latency"` // of the last run
	Load          LoadCost           `json:"load"`
	Pauses        Pauses             `json:"gc_pauses"`
	Timeline      Timeline           `json:"timeline,omitempty"`
}

// All is CPU with what helpers use for a connect.
func (s *Storm) All() float64 { return s.CPU + sum(s.Helpers) }

// Delivery of messages to a room.
type Delivery struct {
	Room, Messages int
	Expected       int                `json:"expected"`
	Received       int                `json:"received"`
	Misordered     int                `json:"misordered"`
	InPlace        int                `json:"in_place"`
	CPU            float64            `json:"cpu_us"` // of the server, per delivery
	System         float64            `json:"system_share"`
	Helpers        map[string]float64 `json:"helpers_cpu_us,omitempty"` // per message
	PerSecond      float64            `json:"per_second"`               // while it delivers
	Latency        load.Latency       `json:"latency"`
	Load           LoadCost           `json:"load"`
	Pauses         Pauses             `json:"gc_pauses"`
}

// All is CPU with what helpers use for a delivery.
func (d *Delivery) All() float64 {
	return d.CPU + sum(d.Helpers)*float64(d.Messages)/float64(d.Received)
}

// Rate is messages to many rooms in turn at a steady rate.
type Rate struct {
	PerSecond  float64            `json:"per_second"`
	Messages   int                `json:"messages"`
	Expected   int                `json:"expected"`
	Received   int                `json:"received"`
	Repeated   int                `json:"repeated"` // only where they are checked one by one
	Misordered int                `json:"misordered"`
	Latency    load.Latency       `json:"latency"`
	Sender     pushing            `json:"sender"`
	CPU        float64            `json:"cpu_us"` // of the server, per delivery
	Helpers    map[string]float64 `json:"helpers_cpu_us,omitempty"`
	Load       LoadCost           `json:"load"`
	Pauses     Pauses             `json:"gc_pauses"`
}

// All is CPU with what helpers use for a delivery.
func (r *Rate) All() float64 { return r.CPU + sum(r.Helpers) }

func sum(helpers map[string]float64) (all float64) {
	for _, name := range slices.Sorted(maps.Keys(helpers)) { // floats: the order decides the last digit
		all += helpers[name]
	}
	return all
}

// Acks is a flood of ackPush.
type Acks struct {
	Sent      int                `json:"sent"`
	Recorded  int                `json:"recorded"`
	PerSecond float64            `json:"per_second"`
	CPU       float64            `json:"cpu_us"` // of the server, per ack
	Helpers   map[string]float64 `json:"helpers_cpu_us,omitempty"`
	Load      LoadCost           `json:"load"`
	Pauses    Pauses             `json:"gc_pauses"`
}

// Events of one client, sent at once.
type Events struct {
	Sent       int `json:"sent"`
	Answered   int `json:"answered"`
	InPlace    int `json:"in_place"` // answers at the place of their event
	Misordered int `json:"misordered"`
}

// Pauses for garbage collection, in milliseconds.
type Pauses struct {
	Count int     `json:"count"`
	Max   float64 `json:"max_ms"`
	Sum   float64 `json:"sum_ms"`
}

func pauses(list []float64) (p Pauses) {
	for _, ms := range list {
		p.Count++
		p.Sum += ms
		p.Max = max(p.Max, ms)
	}
	return p
}

// LoadCost is what the load client itself used.
type LoadCost struct {
	PerFrame float64 `json:"cpu_us_per_frame"`
	Busy     float64 `json:"busy"` // share of the one core it can use, 0 to 1
}
