package harness

import (
	"fmt"
	"strings"
)

// budget is a figure to reach beside what was reached.
type budget struct {
	What, Limit, Reached string
	Verdict              string // "reached", "missed …", or why there is none
}

const notMeasured = "not measured"

// Budgets compares a result with what design and plan ask for. A budget whose
// figures are missing says so.
func (r *Result) budgets() []budget {
	ours, engine, node, floor := r.Of(Lightpush), r.Of(Engine), r.Of(Node), r.Of(Floor)
	list := []budget{r.memoryBudget(ours), r.ratioToNode(ours, node), r.connectBudget(ours), r.neverBudget(ours, engine)}
	for _, f := range []*Figures{ours, engine} {
		list = append(list, deliveryBudget(f, floor, r.Sizes))
	}
	for _, f := range []*Figures{ours, engine} {
		list = append(list, burstBudget(f, floor, r.Sizes))
	}
	list = append(list, r.latencyBudget(ours), r.ackBudget(ours), r.loopBudget(ours, engine), r.eventsBudget(ours, engine),
		idlePauseBudget(ours), busyPauseBudget(ours), vanishBudget(ours))
	for i := range list {
		if list[i].Reached == "" {
			list[i].Reached, list[i].Verdict = "–", notMeasured
		}
	}
	return list
}

// atMost judges a figure that should be small; atLeast one that should be
// large.
func atMost(v, limit float64) string {
	if v <= limit {
		return "reached"
	}
	return fmt.Sprintf("missed, × %s of the budget", number(v/limit))
}

func atLeast(v, limit float64) string {
	if v >= limit {
		return "reached"
	}
	return fmt.Sprintf("missed, × %s of the budget", number(v/limit))
}

func (r *Result) memoryBudget(f *Figures) budget {
	b := budget{What: "memory per idle client with its full push session", Limit: "≤ 3 KB"}
	if f != nil && f.Memory != nil {
		kb := f.Memory.PerClient() / 1024
		b.Reached, b.Verdict = cell(kb, true, "KB"), atMost(kb, 3)
	}
	return b
}

func (r *Result) ratioToNode(f, node *Figures) budget {
	b := budget{What: "the same, against socket.io without any session", Limit: "≥ 6 × less"}
	if f != nil && f.Memory != nil && node != nil && node.Memory != nil {
		less := node.Memory.PerClient() / f.Memory.PerClient()
		b.Reached, b.Verdict = "× "+number(less), atLeast(less, 6)
	}
	return b
}

func (r *Result) connectBudget(f *Figures) budget {
	b := budget{What: "CPU of the connector per complete connect, presence in Redis", Limit: "≤ 120 µs"}
	if f != nil && f.Storm != nil {
		b.Reached, b.Verdict = cell(f.Storm.CPU, true, "µs"), atMost(f.Storm.CPU, 120)
	}
	return b
}

func (r *Result) neverBudget(all ...*Figures) budget {
	b := budget{What: fmt.Sprintf("handshakes that never complete, %d runs of %s connects", r.Sizes.StormRuns, count(r.Sizes.StormClients)), Limit: "0"}
	return perFigures(b, all, func(f *Figures) (string, bool, bool) {
		if f.Storm == nil {
			return "", false, false
		}
		return count(f.Storm.Failed), f.Storm.Failed == 0, true
	})
}

// perFigures joins the figures of several targets into one budget.
func perFigures(b budget, all []*Figures, read func(f *Figures) (text string, good, ok bool)) budget {
	var texts []string
	good := true
	for _, f := range all {
		if f == nil {
			continue
		}
		if text, fine, ok := read(f); ok {
			texts = append(texts, titles[f.Target]+" "+text)
			good = good && fine
		}
	}
	if b.Reached = strings.Join(texts, ", "); good {
		b.Verdict = "reached"
	} else {
		b.Verdict = "missed"
	}
	return b
}

func deliveryBudget(f, floor *Figures, s Sizes) budget {
	b := budget{What: fmt.Sprintf("delivery of one message to a room of %s", count(s.Room)), Limit: "≤ 1.1 × floor"}
	if f != nil && f.Single != nil && floor != nil && floor.Single != nil {
		b.What += ", " + titles[f.Target]
		v := f.Single.CPU / floor.Single.CPU
		b.Reached, b.Verdict = "× "+number(v), atMost(v, 1.1)
	}
	return b
}

func burstBudget(f, floor *Figures, s Sizes) budget {
	b := budget{What: fmt.Sprintf("delivery in bursts of %d", s.Burst), Limit: "≤ 0.5 × floor of single messages"}
	if f != nil && f.Burst != nil && floor != nil && floor.Single != nil {
		b.What += ", " + titles[f.Target]
		v := f.Burst.CPU / floor.Single.CPU
		b.Reached, b.Verdict = "× "+number(v), atMost(v, 0.5)
	}
	return b
}

func (r *Result) latencyBudget(f *Figures) budget {
	b := budget{What: fmt.Sprintf("push over REST to client at %.0f pushes/s, p99", r.Sizes.Rate), Limit: "≤ 5 ms"}
	if f != nil && f.Rate != nil {
		ms := f.Rate.Latency.P99
		b.Reached, b.Verdict = cell(ms, true, "ms"), atMost(ms, 5)
		if f.Rate.Received < f.Rate.Messages {
			b.Verdict = fmt.Sprintf("missed: %d of %d arrived", f.Rate.Received, f.Rate.Messages)
		}
	}
	return b
}

func (r *Result) ackBudget(f *Figures) budget {
	b := budget{What: "acks recorded in Redis", Limit: "≥ 100,000/s"}
	if f != nil && f.Acks != nil {
		b.Reached, b.Verdict = number(f.Acks.PerSecond)+"/s", atLeast(f.Acks.PerSecond, 100_000)
		if f.Acks.Recorded < f.Acks.Sent {
			b.Verdict = fmt.Sprintf("missed: %d of %d recorded", f.Acks.Recorded, f.Acks.Sent)
		}
	}
	return b
}

func (r *Result) loopBudget(all ...*Figures) budget {
	b := budget{What: fmt.Sprintf("%d broadcasts in one loop to %s clients, in order", r.Sizes.Loop, count(r.Sizes.LoopClients)), Limit: "100 %"}
	return perFigures(b, all, func(f *Figures) (string, bool, bool) {
		if f.Loop == nil {
			return "", false, false
		}
		return number(share(f.Loop.InPlace, f.Loop.Expected)) + " %", f.Loop.InPlace == f.Loop.Expected, true
	})
}

func (r *Result) eventsBudget(all ...*Figures) budget {
	b := budget{What: count(r.Sizes.Events) + " events of one client at once, handled in order", Limit: "all"}
	return perFigures(b, all, func(f *Figures) (string, bool, bool) {
		if f.Events == nil {
			return "", false, false
		}
		return count(f.Events.InPlace), f.Events.InPlace == f.Events.Sent && f.Events.Misordered == 0, true
	})
}

func idlePauseBudget(f *Figures) budget {
	b := budget{What: "GC pauses of the connector with idle clients", Limit: "≤ 5 ms"}
	if f != nil && f.Memory != nil {
		b.Reached, b.Verdict = cell(f.Memory.Pauses.Max, true, "ms"), atMost(f.Memory.Pauses.Max, 5)
	}
	return b
}

func busyPauseBudget(f *Figures) budget {
	b := budget{What: "the same in connect storms and while delivering", Limit: "≤ 5 ms"}
	if f == nil || f.Storm == nil || f.Single == nil || f.Burst == nil || f.Rate == nil || f.Acks == nil {
		return b
	}
	longest := max(f.Storm.Pauses.Max, f.Single.Pauses.Max, f.Burst.Pauses.Max, f.Rate.Pauses.Max, f.Acks.Pauses.Max)
	b.Reached, b.Verdict = cell(longest, true, "ms"), atMost(longest, 5)
	return b
}

func vanishBudget(f *Figures) budget {
	b := budget{What: "memory after a mass disconnect", Limit: "≤ 1.2 × base line, nothing stays behind"}
	if f == nil || f.Vanish == nil {
		return b
	}
	v := f.Vanish
	b.What = fmt.Sprintf("%s clients, of which %s vanish at once: memory afterwards", count(v.Stayed+v.Vanished), count(v.Vanished))
	times := float64(v.AfterRSS) / float64(v.BaselineRSS)
	b.Reached = "× " + number(times)
	b.Verdict = atMost(times, 1.2)
	if v.Seconds >= 0 && times <= 1.2 {
		b.Reached += fmt.Sprintf(" after %s s", number(v.Seconds))
	}
	if v.Left != "" {
		b.Verdict = "missed; left behind:" + v.Left
	}
	return b
}
