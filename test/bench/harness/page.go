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
}

// Page is doc/performance.md, written from the result alone.
func (r *Result) Page() ([]byte, error) {
	var table bytes.Buffer
	WriteMarkdown(&table, r.Table())
	data := pageData{
		Result: r, MemoryGB: math.Round(float64(r.Machine.MemoryMB) / 1024),
		TableText: strings.TrimSuffix(table.String(), "\n"),
		Budgets:   r.budgets(), Vanishes: r.vanishes(), Beside: r.beside(), Loads: r.loads(),
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
		number(f.Rate.Sender.Answer.P50/1e3), number(f.Rate.Sender.Answer.P99/1e3), costs(f.Acks.Helpers))
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
