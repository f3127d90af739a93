package simulator

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Objective is one thing that must hold.
type Objective struct {
	Name  string
	Text  string        // as it was asked for
	Limit float64       // a number, or a share when Share
	Share bool          // given in percent
	Time  time.Duration // of latencies
}

// objectives are the names there are: what a number counts.
var objectives = map[string]string{
	"p50": "latency", "p90": "latency", "p99": "latency", "p999": "latency", "max": "latency", "connect_p99": "latency",
	"loss": "count", "dup": "count", "order": "count", "stray": "count", "drops": "count", "push_errors": "count",
	"connect": "least", "ack_loss": "count",
}

// ParseSLO reads "p99=200ms,loss=0,dup=0,order=0,connect=99.9%".
func ParseSLO(text string) ([]Objective, error) {
	var list []Objective
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		kind, known := objectives[name]
		switch {
		case !known:
			return nil, fmt.Errorf("%q is no objective; there are p50, p90, p99, p999, max, connect_p99, loss, dup, order, stray, drops, push_errors, ack_loss, connect", clip(name))
		case !ok || seen[name]:
			return nil, fmt.Errorf("%q; want each name once, with = and a limit", clip(part))
		}
		seen[name] = true
		o := Objective{Name: name, Text: part}
		var err error
		if kind == "latency" {
			if o.Time, err = time.ParseDuration(value); err != nil || o.Time <= 0 {
				return nil, fmt.Errorf("%q; want a duration such as 200ms", clip(part))
			}
		} else {
			number, percent := strings.CutSuffix(value, "%")
			o.Limit, err = strconv.ParseFloat(number, 64)
			if o.Share = percent || kind == "least"; percent {
				o.Limit /= 100
			}
			if err != nil || !(o.Limit >= 0 && o.Limit <= 1e15) || o.Share && o.Limit > 1 {
				return nil, fmt.Errorf("%q; want a number or a percentage", clip(part))
			}
		}
		list = append(list, o)
	}
	return list, nil
}

// rounding is what a percentage may be off by: 99.9 / 100 is a little more than 0.999.
const rounding = 1e-12

// Finding is an objective with what was measured.
type Finding struct {
	Objective string `json:"objective"`
	Measured  string `json:"measured"`
	OK        bool   `json:"ok"`
}

// Judge measures a report against the objectives. What was not measured is missed: a run without a single delivery has
// not shown its latency.
func Judge(r *Report, list []Objective) (findings []Finding, ok bool) {
	ok = true
	for _, o := range list {
		f := Finding{Objective: o.Text}
		switch objectives[o.Name] {
		case "latency":
			s, v := r.Latency, 0.0
			if o.Name == "connect_p99" {
				s = r.Connect
			}
			switch o.Name {
			case "p50":
				v = s.P50
			case "p90":
				v = s.P90
			case "p99", "connect_p99":
				v = s.P99
			case "p999":
				v = s.P999
			case "max":
				v = s.Max
			}
			f.Measured = fmt.Sprintf("%.3g ms", v)
			f.OK = s.Count > 0 && v <= float64(o.Time)/1e6
			if s.Count == 0 {
				f.Measured = "nothing was measured"
			}
		case "least":
			over := r.Connects + sum(r.Failures) // what was under way at the end is neither
			share := float64(r.Connects) / float64(max(over, 1))
			f.Measured = fmt.Sprintf("%d of %d attempts (%.3f %%)", r.Connects, over, 100*share)
			f.OK = over > 0 && share >= o.Limit-rounding
		default:
			n, of := r.count(o.Name)
			f.Measured = strconv.FormatInt(n, 10)
			f.OK = float64(n) <= o.Limit
			if o.Share {
				share := float64(n) / float64(max(of, 1))
				f.Measured = fmt.Sprintf("%d of %d (%.4f %%)", n, of, 100*share)
				f.OK = share <= o.Limit+rounding
			}
			if (o.Name == "loss" || o.Name == "dup" || o.Name == "order") && of == 0 {
				f.OK, f.Measured = false, "nothing was delivered or expected"
			}
		}
		ok = ok && f.OK
		findings = append(findings, f)
	}
	return findings, ok
}

// count is the figure an objective is about, and what it is a share of.
func (r *Report) count(name string) (n, of int64) {
	switch name {
	case "loss":
		return r.Lost, r.Delivered + r.Lost
	case "dup":
		return r.Repeated, r.Delivered
	case "order":
		return r.Reordered, r.Delivered
	case "stray":
		return r.Stray, r.Delivered
	case "drops":
		return sum(r.Drops), r.Connects
	case "push_errors":
		return r.PushAttempts - r.Accepted, r.PushAttempts
	case "ack_loss":
		return max(0, r.Acked-r.AckedServer), r.Acked
	}
	return 0, 0
}
