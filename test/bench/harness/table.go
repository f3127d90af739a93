package harness

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// row is one figure of the table: how to read it, and nothing else.
type row struct {
	name string
	// value is the figure of one target; ok is false when it was not measured.
	value func(f *Figures) (v float64, ok bool)
	// ratio is false for figures that are counted and not compared.
	ratio bool
	unit  string
}

// part reads a figure from a scenario that may not have been played.
func part[T any](of func(f *Figures) *T, value func(*T) float64) func(*Figures) (float64, bool) {
	return func(f *Figures) (float64, bool) {
		p := of(f)
		if p == nil {
			return 0, false
		}
		v := value(p)
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	}
}

func share(part, all int) float64 { return 100 * float64(part) / float64(all) }

func rows(s Sizes) []row {
	memory := func(f *Figures) *Memory { return f.Memory }
	storm := func(f *Figures) *Storm { return f.Storm }
	single := func(f *Figures) *Delivery { return f.Single }
	burst := func(f *Figures) *Delivery { return f.Burst }
	loop := func(f *Figures) *Delivery { return f.Loop }
	rate := func(f *Figures) *Rate { return f.Rate }
	rooms := func(f *Figures) *Rate { return f.Rooms }
	acks := func(f *Figures) *Acks { return f.Acks }
	events := func(f *Figures) *Events { return f.Events }
	return []row{
		{fmt.Sprintf("memory per idle client, %s clients", count(s.Idle)), part(memory, func(m *Memory) float64 { return m.PerClient() / 1024 }), true, "KB"},
		{"CPU per complete connect", part(storm, func(s *Storm) float64 { return s.CPU }), true, "µs"},
		{"the same, with lightpush's logic and Redis", part(storm, (*Storm).All), true, "µs"},
		{"the same without them, Engine.IO 3", part(storm, func(s *Storm) float64 { return s.CPU3 }), true, "µs"},
		{"complete connects per second", part(storm, func(s *Storm) float64 { return s.PerSecond }), true, ""},
		{fmt.Sprintf("connects that never completed, of %s", count(s.StormRuns*s.StormClients)), part(storm, func(s *Storm) float64 { return float64(s.Never) }), false, ""},
		{"connects that were refused or broke", part(storm, func(s *Storm) float64 { return float64(s.Failed - s.Never) }), false, ""},
		{fmt.Sprintf("CPU per delivery, room of %s, one message at a time", count(s.Room)), part(single, func(d *Delivery) float64 { return d.CPU }), true, "µs"},
		{"the same, with lightpush's logic and Redis", part(single, (*Delivery).All), true, "µs"},
		{"deliveries per second, the same", part(single, func(d *Delivery) float64 { return d.PerSecond }), true, ""},
		{"latency p50, the same", part(single, func(d *Delivery) float64 { return d.Latency.P50 }), true, "ms"},
		{"latency p99", part(single, func(d *Delivery) float64 { return d.Latency.P99 }), true, "ms"},
		{"latency p99.9", part(single, func(d *Delivery) float64 { return d.Latency.P999 }), true, "ms"},
		{fmt.Sprintf("CPU per delivery, bursts of %d", s.Burst), part(burst, func(d *Delivery) float64 { return d.CPU }), true, "µs"},
		{"deliveries per second, the same", part(burst, func(d *Delivery) float64 { return d.PerSecond }), true, ""},
		{"arrived of these", part(burst, func(d *Delivery) float64 { return share(d.Received, d.Expected) }), false, "%"},
		{"out of order of these", part(burst, func(d *Delivery) float64 { return share(d.Misordered, d.Expected) }), false, "%"},
		{fmt.Sprintf("%d broadcasts in one loop to %s clients: arrived", s.Loop, count(s.LoopClients)), part(loop, func(d *Delivery) float64 { return share(d.Received, d.Expected) }), false, "%"},
		{"the same: arrived at their place", part(loop, func(d *Delivery) float64 { return share(d.InPlace, d.Expected) }), false, "%"},
		{fmt.Sprintf("%s events of one client at once: handled in order", count(s.Events)), part(events, func(e *Events) float64 { return share(e.Sent-max(e.Misordered, e.Sent-e.InPlace), e.Sent) }), false, "%"},
		{fmt.Sprintf("CPU per delivery, %s rooms of %d in turn, %s messages/s", count(s.Rooms), s.RoomSize, number(s.Rate)), part(rooms, func(r *Rate) float64 { return r.CPU }), true, "µs"},
		{"the same, with lightpush's logic and Redis", part(rooms, (*Rate).All), true, "µs"},
		{"latency p50", part(rooms, func(r *Rate) float64 { return r.Latency.P50 }), true, "ms"},
		{"latency p99", part(rooms, func(r *Rate) float64 { return r.Latency.P99 }), true, "ms"},
		{"arrived of these", part(rooms, func(r *Rate) float64 { return share(r.Received, r.Expected) }), false, "%"},
		{"out of order of these", part(rooms, func(r *Rate) float64 { return share(r.Misordered, r.Expected) }), false, "%"},
		{fmt.Sprintf("CPU per delivery, one to one, %s messages/s", number(s.Rate)), part(rate, func(r *Rate) float64 { return r.CPU }), true, "µs"},
		{"the same, with lightpush's logic and Redis", part(rate, (*Rate).All), true, "µs"},
		{"latency p50", part(rate, func(r *Rate) float64 { return r.Latency.P50 }), true, "ms"},
		{"latency p99", part(rate, func(r *Rate) float64 { return r.Latency.P99 }), true, "ms"},
		{"latency p99.9", part(rate, func(r *Rate) float64 { return r.Latency.P999 }), true, "ms"},
		{fmt.Sprintf("acks recorded per second, %s at once", count(s.AckMessages*s.Room)), part(acks, func(a *Acks) float64 { return a.PerSecond }), true, ""},
		{"CPU per ack", part(acks, func(a *Acks) float64 { return a.CPU }), true, "µs"},
		{"longest GC pause while idle clients connect and stay", part(memory, func(m *Memory) float64 { return m.Pauses.Max }), false, "ms"},
		{"longest GC pause in connect storms", part(storm, func(s *Storm) float64 { return s.Pauses.Max }), false, "ms"},
		{"longest GC pause while delivering", part(single, func(d *Delivery) float64 { return d.Pauses.Max }), false, "ms"},
	}
}

// titles of the targets and clusters in tables; shortTitles those in pictures.
var titles = map[string]string{
	PubSub: "socket.io, redis-adapter", Streams: "socket.io, redis-streams-adapter",
	Lightpush: "lightpush", Engine: "bare engine", Node: "socket.io", Reference: "zishang520", Floor: "floor",
}

var shortTitles = map[string]string{Lightpush: "lightpush", PubSub: "redis-adapter", Streams: "streams-adapter"}

// Table is the figures of all targets side by side, with the ratio of ours to
// the floor and to each peer.
func (r *Result) Table() [][]string {
	head := []string{""}
	for _, f := range r.Targets {
		head = append(head, titles[f.Target])
	}
	pairs := r.pairs()
	for _, p := range pairs {
		head = append(head, titles[p[0].Target]+" ÷ "+titles[p[1].Target])
	}
	table := [][]string{head}
	for _, row := range rows(r.Sizes) {
		cells := []string{row.name}
		any := false
		for _, f := range r.Targets {
			v, ok := row.value(f)
			any = any || ok
			cells = append(cells, cell(v, ok, row.unit))
		}
		for _, p := range pairs {
			ours, ok := row.value(p[0])
			theirs, both := row.value(p[1])
			cells = append(cells, ratio(ours, theirs, ok && both && row.ratio))
		}
		if any {
			table = append(table, cells)
		}
	}
	return table
}

// pairs are ours and theirs.
func (r *Result) pairs() (pairs [][2]*Figures) {
	for _, ours := range []string{Lightpush, Engine} {
		for _, theirs := range []string{Floor, Node, Reference} {
			if a, b := r.Of(ours), r.Of(theirs); a != nil && b != nil {
				pairs = append(pairs, [2]*Figures{a, b})
			}
		}
	}
	return pairs
}

func cell(v float64, ok bool, unit string) string {
	if !ok {
		return "–"
	}
	text := number(v)
	return strings.TrimSpace(text + " " + unit)
}

// number has three significant digits, and separators from a thousand on.
func number(v float64) string {
	switch abs := math.Abs(v); {
	case v == math.Trunc(v) && abs < 1000, abs >= 100 && abs < 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case abs >= 1000:
		return count(int(math.Round(v)))
	case abs >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case abs >= 0.01:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	if v < 0 {
		return "> -0.01"
	}
	return "< 0.01"

}

// count writes thousands with commas.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func ratio(ours, theirs float64, ok bool) string {
	if !ok || theirs == 0 {
		return "–"
	}
	return "× " + number(ours/theirs)
}

// Print writes all tables for a terminal.
func (r *Result) Print(w io.Writer) {
	for _, table := range [][][]string{r.Table(), r.ClusterTable(), r.FaultTable()} {
		if len(table) > 1 {
			fmt.Fprintln(w)
			WriteText(w, table)
		}
	}
	fmt.Fprintf(w, "\nload before %.2f %.2f %.2f, other programs used %.1f %% of the machine, %.0f s\n",
		r.LoadBefore[0], r.LoadBefore[1], r.LoadBefore[2], 100*r.Foreign, r.Seconds)
}

// WriteText writes a table for a terminal.
func WriteText(w io.Writer, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, c := range line {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for _, line := range table {
		var b strings.Builder
		for i, c := range line {
			fill := strings.Repeat(" ", widths[i]-len([]rune(c)))
			if i == 0 {
				b.WriteString(c + fill)
			} else {
				b.WriteString("  " + fill + c)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// WriteMarkdown writes a table for a page.
func WriteMarkdown(w io.Writer, table [][]string) {
	for i, line := range table {
		fmt.Fprintln(w, "| "+strings.Join(line, " | ")+" |")
		if i == 0 {
			fmt.Fprintln(w, "|---"+strings.Repeat("|--:", len(line)-1)+"|")
		}
	}
}
