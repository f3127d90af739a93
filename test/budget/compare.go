package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// slow is the factor above the noted ratio from which on a warning is printed.
const slow = 2

type row struct {
	suite  *suite
	budget *budget
	result result
	ran    bool
}

func compare(packages []*suite, results map[string]map[string]result) (rows []row) {
	for _, s := range packages {
		for _, b := range s.Benchmarks {
			r, ran := results[s.Package][b.Name]
			rows = append(rows, row{s, b, r, ran})
		}
	}
	return rows
}

func (r row) above() bool {
	allocs, bytes := r.budget.most()
	return r.ran && (r.result.allocs > allocs || r.result.bytes > bytes)
}

// below is asked only of what is exact.
func (r row) below() bool {
	return r.ran && !r.above() && r.budget.Tolerance == nil && (r.result.allocs < r.budget.Allocs || r.result.bytes < r.budget.Bytes)
}

func (r row) slow() bool { return r.ran && r.result.ratio > slow*r.budget.Ratio }

func (r row) verdict() string {
	switch {
	case !r.ran:
		return "MISSING"
	case r.above():
		return "ABOVE"
	case r.below():
		return "below"
	case r.slow():
		return "slow?"
	case !r.result.steady && r.budget.Tolerance == nil:
		return "unsteady"
	}
	return ""
}

func writeTable(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "benchmark\tallocs\tbudget\tbytes\tbudget\tratio\tbudget\t")
	last := ""
	for _, r := range rows {
		if r.suite.Package != last {
			last = r.suite.Package
			fmt.Fprintf(w, "%s\t\t\t\t\t\t\t\n", last)
		}
		allocs, bytes := r.budget.most()
		if !r.ran {
			fmt.Fprintf(w, "  %s\t-\t%d\t-\t%d\t-\t%s\t%s\n", r.budget.Name, allocs, bytes, short(r.budget.Ratio), r.verdict())
			continue
		}
		fmt.Fprintf(w, "  %s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", r.budget.Name, r.result.allocs, allocs, r.result.bytes, bytes,
			short(r.result.ratio), short(r.budget.Ratio), r.verdict())
	}
	return w.Flush()
}

type summary struct{ above, missing, below, slow int }

func summarize(rows []row) (s summary) {
	count := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	for _, r := range rows {
		count(&s.above, r.above())
		count(&s.missing, !r.ran)
		count(&s.below, r.below())
		count(&s.slow, r.slow())
	}
	return s
}

func (s summary) lines() (list []string) {
	add := func(n int, format string) {
		if n > 0 {
			list = append(list, fmt.Sprintf(format, n))
		}
	}
	add(s.above, "ABOVE: %d allocate more than their budget. Mend it, or raise the budget with the reason in the change: UPDATE=1 make budget")
	add(s.missing, "MISSING: %d have a budget and did not run.")
	add(s.below, "below: %d allocate less than their budget. Lower it: UPDATE=1 make budget")
	add(s.slow, "slow?: %d took more than twice their usual ratio to the reference loop. A busy machine does that, too: only a warning.")
	return list
}

// lower writes what was measured into the budgets. A ratio is only replaced
// when it is far off, so that a change shows no noise.
func lower(rows []row) {
	for _, r := range rows {
		if !r.ran {
			continue
		}
		b := r.budget
		if b.Tolerance == nil || r.above() || r.result.allocs+b.Tolerance.Allocs < b.Allocs || r.result.bytes+b.Tolerance.Bytes < b.Bytes {
			b.Allocs, b.Bytes = r.result.allocs, r.result.bytes
		}
		if b.Ratio == 0 || r.result.ratio > 1.5*b.Ratio || r.result.ratio < b.Ratio/1.5 {
			b.Ratio = r.result.ratio
		}
	}
}
