package harness

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"strings"
	"text/template"
	"time"
)

//go:embed page.md.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": count, "number": number,
	"percent":  func(v float64) string { return number(100*v) + " %" },
	"title":    func(target string) string { return titles[target] },
	"duration": seconds,
}).Parse(pageText))

// pageData is what the template shows beside the result.
type pageData struct {
	*Result
	Tree      string
	Changed   bool
	MemoryGB  float64
	TableText string
	Budgets   []budget
	Missed    []budget
	Joined    *Delivery // of the floor
	Vanishes  []string
	Beside    string // what other processes of lightpush cost
	Loads     []loadRow
	Clusters  string // table, empty when there are none
	Faults    string
}

// pictures are the charts of the page, with what they show.
var pictures = map[string]string{
	"cpu":             "CPU time of the server for one operation, by server",
	"latency":         "latency over percentiles, by server",
	"memory":          "resident memory over time, by server",
	"cluster-cpu":     "CPU time of a delivery in a cluster, by process",
	"cluster-latency": "latency over percentiles in a cluster",
	"cluster-faults":  "deliveries per second around the failure of Redis and of a node",
}

// Picture is a paragraph with a chart, empty when there is none.
func (d pageData) Picture(name string) string {
	for _, c := range d.charts() {
		if c.Name == name {
			return fmt.Sprintf("\n![%s](images/%s)\n", pictures[name], c.File())
		}
	}
	return ""
}

// Page is doc/performance.md, written from the result alone.
func (r *Result) Page() ([]byte, error) {
	markdown := func(table [][]string) string {
		var b bytes.Buffer
		WriteMarkdown(&b, table)
		return strings.TrimSuffix(b.String(), "\n")
	}
	data := pageData{
		Result: r, MemoryGB: math.Round(float64(r.Machine.MemoryMB) / 1024),
		TableText: markdown(r.Table()), Clusters: markdown(r.ClusterTable()), Faults: markdown(r.FaultTable()),
		Budgets: r.budgets(), Vanishes: r.vanishes(), Beside: r.beside(), Loads: r.loads(),
	}
	data.Tree, data.Changed = strings.CutSuffix(r.Commit, "+")
	for _, b := range data.Budgets {
		if strings.HasPrefix(b.Verdict, "missed") {
			data.Missed = append(data.Missed, b)
		}
	}
	if f := r.Of(Floor); f != nil {
		data.Joined = f.Joined
	}
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

func seconds(d time.Duration) string { return number(d.Seconds()) + " s" }

// vanishes tells what was left when many clients had ended at once.
func (r *Result) vanishes() (list []string) {
	mb := func(bytes int64) string { return number(float64(bytes) / 1e6) }
	when := func(seconds float64) string {
		if seconds < 0 {
			return "not within " + number(r.Sizes.VanishWait.Seconds()) + " s"
		}
		return "after " + number(seconds) + " s"
	}
	for _, f := range r.Targets {
		v := f.Vanish
		if v == nil {
			continue
		}
		left := v.Left
		if left == "" {
			left = " nothing"
		}
		list = append(list, fmt.Sprintf("%s, %s of %s clients vanish: %s MB with those that stay, %s MB with all, %s MB afterwards. Memory within "+
			"20 %% of the base line: %s. Entries and goroutines gone: %s (%d goroutines before, %d after). Left behind:%s.",
			titles[f.Target], count(v.Vanished), count(v.Stayed+v.Vanished), mb(v.BaselineRSS), mb(v.FullRSS), mb(v.AfterRSS),
			when(v.Seconds), when(v.GoneSeconds), v.BaseGoroutines, v.Goroutines, left))
	}
	return list
}

// beside tells what the other processes of lightpush used.
func (r *Result) beside() string {
	f := r.Of(Lightpush)
	if f == nil || f.Storm == nil || f.Rate == nil || f.Acks == nil {
		return ""
	}
	costs := func(helpers map[string]float64) string {
		return fmt.Sprintf("logic %s µs, redis-server %s µs", number(helpers["logic"]), number(helpers["redis"]))
	}
	return fmt.Sprintf("Beside the connector's, CPU time of lightpush's other processes: %s per connect; %s per push at %s pushes/s, which were answered within "+
		"%s ms (p50) and %s ms (p99); %s per ack.",
		costs(f.Storm.Helpers), costs(f.Rate.Helpers), number(f.Rate.PerSecond),
		number(f.Rate.Sender.Answer.P50), number(f.Rate.Sender.Answer.P99), costs(f.Acks.Helpers))
}

// loadRow is what the load client used while it measured one target.
type loadRow struct {
	Target               string
	Storm, Single, Burst *LoadCost
}

func (r *Result) loads() (list []loadRow) {
	for _, f := range r.Targets {
		row := loadRow{Target: titles[f.Target]}
		if f.Storm != nil {
			row.Storm = &f.Storm.Load
		}
		if f.Single != nil {
			row.Single = &f.Single.Load
		}
		if f.Burst != nil {
			row.Burst = &f.Burst.Load
		}
		list = append(list, row)
	}
	return list
}
