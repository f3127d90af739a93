package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How far around a message the history of a finding goes.
const (
	historyBefore = 30 * time.Second
	historyAfter  = 2 * time.Minute
	historyLines  = 200
)

// History tells everything the ledger knows about a finding: the push, its arrivals anywhere, the life of the device
// around it and the faults of that time.
func (l *Ledger) History(f Finding) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []event
	add := func(at time.Duration, format string, args ...any) {
		lines = append(lines, event{at, fmt.Sprintf(format, args...)})
	}
	m := l.messages[f.Marker]
	around := f.At
	if m != nil {
		around = m.sent
		l.tell(m, add)
	}
	from, to := around-historyBefore, max(around+historyAfter, f.At+time.Second)
	for _, fault := range l.faults {
		if fault.From > to || (fault.To != 0 && fault.To < from) {
			continue
		}
		add(fault.From, "fault   %s", fault.Text)
		if fault.To > 0 {
			add(fault.To, "fault   over: %s", fault.Text)
		}
	}
	if r := l.devices[f.Device]; r != nil {
		for _, e := range r.events {
			// Joining the room counts however long ago.
			if (e.at >= from && e.at <= to) || (m != nil && strings.HasSuffix(e.text, " "+m.Room)) {
				add(e.at, "device  %s", e.text)
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", f)
	for i, line := range lines {
		if i == historyLines {
			fmt.Fprintf(&b, "  … %d more\n", len(lines)-i)
			break
		}
		fmt.Fprintf(&b, "  %9.3f s  %s\n", line.at.Seconds(), line.text)
	}
	return b.String()
}

// tell lists what happened to a message.
func (l *Ledger) tell(m *message, add func(time.Duration, string, ...any)) {
	add(m.sent, "push    %d is sent to %s, namespace %s, leaveMessage %v, except %q, expire %s, by sender %d to logic %d",
		m.Marker, m.Room, m.Namespace, m.Leave, m.Except, m.Expire, m.Lane, m.Logic)
	if m.outcome != Pending {
		add(m.answered, "push    %d is %s, id %d %s", m.Marker, m.outcome, m.id, m.answer)
	}
	for _, r := range l.list {
		for _, g := range r.receipts[m.Marker] {
			add(g.at, "arrival %s gets it by %s", r.ID, g.via)
		}
	}
}
