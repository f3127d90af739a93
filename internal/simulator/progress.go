package simulator

import (
	"fmt"
	"io"
	"time"
)

// Progress is the line that lives while a run does; the zero value is silent. It is used by one goroutine.
type Progress struct {
	Out      io.Writer
	Terminal bool          // the line is written over; else every line stays
	Every    time.Duration // between two lines; 1 s

	last      time.Time
	delivered int64
	pushed    int64
	phase     string
	open      bool // the cursor is on a line of ours
}

func (p *Progress) show(elapsed time.Duration, phase string, l live, pushed int64) {
	every := p.Every
	if every <= 0 {
		every = time.Second
	}
	now := time.Now()
	since := now.Sub(p.last)
	if p.Out == nil || since < every && phase == p.phase {
		return
	}
	rate := func(n int64) float64 {
		if p.last.IsZero() || since <= 0 {
			return 0
		}
		return float64(n) / since.Seconds()
	}
	line := fmt.Sprintf("%6.1fs %-7s clients %d/%d  failed %d  pushes %d (%.0f/s)  deliveries %d (%.0f/s)  p99 %.1f ms  repeated %d  out of order %d",
		elapsed.Seconds(), phase, l.Ready, l.Clients, l.Failures, pushed, rate(pushed-p.pushed), l.Delivered, rate(l.Delivered-p.delivered), l.P99, l.Repeated, l.Reordered)
	p.last, p.phase, p.delivered, p.pushed = now, phase, l.Delivered, pushed
	if p.Terminal {
		fmt.Fprintf(p.Out, "\r\x1b[K%s", line)
		p.open = true
		return
	}
	fmt.Fprintln(p.Out, line)
}

// end leaves the line.
func (p *Progress) end() {
	if p.open {
		fmt.Fprintln(p.Out)
		p.open = false
	}
}
