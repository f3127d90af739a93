package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Kinds of findings. Every one is a failure of the run.
const (
	Lost     = "lost"     // promised and never arrived
	Unwanted = "unwanted" // arrived where or when it must not
	Disorder = "disorder" // arrived before one that was accepted earlier
	Twin     = "twin"     // one push, two ids
)

// Promises that apply to a message and a device; doc/reliability.md explains them.
const (
	PromiseInbox    = "inbox"    // leaveMessage, a platform with an inbox, a member that never left
	PromiseIOS      = "ios"      // leaveMessage, iOS with a token: socket or gateway
	PromiseLive     = "live"     // in the room before the push, and still connected
	PromiseRecovery = "recovery" // the same session was continued after the push
	PromiseOrder    = "order"    // a later message of the same sender to the same room came on this connection
	PromiseSettled  = "settled"  // connected for Rules.Settle after the answer
)

// Finding is one breach.
type Finding struct {
	Kind   string        `json:"kind"`
	Marker int64         `json:"marker"`
	ID     int64         `json:"id,omitempty"`
	Device string        `json:"device,omitempty"`
	At     time.Duration `json:"at"`
	Reason string        `json:"reason"`
	// Promise is what was broken, of Lost.
	Promise string `json:"promise,omitempty"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: push %d (id %d) at %.3f s, device %s: %s", f.Kind, f.Marker, f.ID, f.At.Seconds(), f.Device, f.Reason)
}

// Verdict is the judgement of a run.
type Verdict struct {
	// Promised pairs of message and device, and those of them that arrived, by promise. A pair counts under the
	// first promise that applies, in the order of the constants.
	Promised  map[string]int `json:"promised"`
	Delivered map[string]int `json:"delivered"`
	// Extra pairs arrived although nothing promised it.
	Extra int `json:"extra"`
	// Repeats by the way before and the way after, as "live, offline"; those of devices that never confirm apart.
	Repeats map[string]int `json:"repeats"`
	// Waits are the times from the request to the first arrival of pairs, sorted.
	Waits    []time.Duration `json:"-"`
	Findings []Finding       `json:"findings"`
}

// Of returns the findings of one kind, oldest push first.
func (v *Verdict) Of(kind string) []Finding {
	var found []Finding
	for _, f := range v.Findings {
		if f.Kind == kind {
			found = append(found, f)
		}
	}
	return found
}

// Judge compares what arrived with what was promised. It may be called while the run goes on: what is lost then may
// still come.
func (l *Ledger) Judge() *Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &Verdict{Promised: map[string]int{}, Delivered: map[string]int{}, Repeats: map[string]int{}, Findings: []Finding{}}
	tenants := map[string][]*Record{}
	for _, r := range l.list {
		tenants[r.Namespace] = append(tenants[r.Namespace], r)
	}
	for _, m := range l.order {
		for _, r := range tenants[m.Namespace] {
			l.pair(v, m, r)
		}
	}
	for _, r := range l.list {
		l.arrivals(v, r)
	}
	v.Findings = append(v.Findings, l.stray...)
	v.Findings = append(v.Findings, l.twins...)
	for i := range v.Findings {
		if m := l.messages[v.Findings[i].Marker]; m != nil {
			v.Findings[i].ID = m.id
		}
	}
	slices.SortStableFunc(v.Findings, func(a, b Finding) int { return cmp.Compare(a.Marker, b.Marker) })
	slices.Sort(v.Waits)
	return v
}

// pair judges whether a device has got what it was promised.
func (l *Ledger) pair(v *Verdict, m *message, r *Record) {
	got := r.receipts[m.Marker]
	if len(got) > 0 {
		v.Waits = append(v.Waits, got[0].at-m.sent)
	}
	promise, why := l.promise(m, r)
	switch {
	case promise == "" && len(got) > 0:
		v.Extra++
	case promise == "":
	case len(got) > 0:
		v.Promised[promise]++
		v.Delivered[promise]++
	default:
		v.Promised[promise]++
		v.Findings = append(v.Findings, Finding{Kind: Lost, Marker: m.Marker, Device: r.ID, At: m.sent, Promise: promise,
			Reason: "promised (" + promise + "): " + why})
	}
}

// promise returns what applies to a message and a device of its namespace, "" for nothing.
func (l *Ledger) promise(m *message, r *Record) (promise, why string) {
	if m.outcome != Accepted || m.Expire != 0 || m.Except == r.ID {
		return "", ""
	}
	room := r.rooms[m.Room]
	if room == nil {
		return "", ""
	}
	if m.Leave && room.certain(m.sent) {
		switch {
		case l.rules.Inbox[r.Platform]:
			return PromiseInbox, "it was a member and has an inbox"
		case r.Platform == "ios" && r.token >= 0 && r.token <= m.sent:
			return PromiseIOS, "it was a member and has a token"
		}
	}
	for i, s := range r.sessions {
		joined, ok := s.joined[m.Room]
		if !ok || joined > m.sent {
			continue
		}
		if s.open || s.settled {
			if s.conns > 1 {
				return PromiseRecovery, fmt.Sprintf("its session %d goes on, on its connection %d", i+1, s.conns)
			}
			return PromiseLive, fmt.Sprintf("its session %d goes on", i+1)
		}
	}
	for i, c := range r.conns {
		if c.session == nil {
			continue
		}
		joined, ok := c.session.joined[m.Room]
		if !ok || joined > m.sent {
			continue
		}
		switch {
		case c.started >= m.answered:
			// What a continued session has missed comes before the CONNECT answer.
			return PromiseRecovery, fmt.Sprintf("its session was continued at %.3f s", c.up.Seconds())
		case c.up > m.sent:
		case c.last[source{m.Room, m.Lane}] > m.Marker:
			return PromiseOrder, fmt.Sprintf("push %d of the same sender to the same room came on connection %d", c.last[source{m.Room, m.Lane}], i+1)
		case c.settled(m.answered + l.rules.Settle):
			return PromiseSettled, fmt.Sprintf("it was connected until %.3f s", c.end.Seconds())
		}
	}
	return "", ""
}

// settled reports whether the connection lived unharmed until then.
func (c *conn) settled(until time.Duration) bool {
	return c.end >= until && (c.harmed == 0 || c.harmed >= until)
}

// certain reports whether the device was a member when a push was sent and has not asked to leave since.
func (m *membership) certain(sent time.Duration) bool {
	member, doubt := false, false
	for _, s := range m.steps {
		switch {
		case s.join && s.done && s.at <= sent:
			member = true
		case !s.join && !s.done:
			if s.at > sent {
				return false
			}
			member, doubt = false, true // until it is answered, it may take effect at any time
		case !s.join && s.done:
			doubt = false
		}
	}
	return member && !doubt
}

// possible reports whether the device may get a push of that time at that time.
func (m *membership) possible(sent, at time.Duration) bool {
	possible := false
	for _, s := range m.steps {
		if s.at > at {
			break
		}
		switch {
		case s.join:
			possible = true
		case s.done && s.at < sent:
			possible = false
		}
	}
	return possible
}

// arrivals judges what a device has got.
func (l *Ledger) arrivals(v *Verdict, r *Record) {
	type place struct {
		c *conn
		s source
	}
	var firsts []arrival
	for marker, got := range r.receipts {
		m := l.messages[marker]
		firsts = append(firsts, arrival{m, got[0]})
		for i, g := range got {
			if why := l.offence(m, r, g); why != "" {
				v.Findings = append(v.Findings, Finding{Kind: Unwanted, Marker: marker, Device: r.ID, At: g.at, Reason: why})
			}
			if i > 0 {
				how := string(got[i-1].via) + ", " + string(g.via)
				if g.conn != nil && g.conn == got[i-1].conn {
					how += ", one connection"
				}
				if !r.Confirms {
					how += ", never confirms"
				}
				v.Repeats[how]++
			}
		}
	}
	// The clock may not tell two arrivals apart; then they came in order.
	slices.SortFunc(firsts, func(a, b arrival) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.m.Marker, b.m.Marker)) })
	newest := map[place]*message{}
	for _, a := range firsts {
		if a.via != Live || a.conn == nil || a.conn.session == nil || a.conn.unordered || a.m.outcome != Accepted {
			continue
		}
		// Only what was sent when the device was already there came by the road that keeps the order.
		if joined, ok := a.conn.session.joined[a.m.Room]; !ok || joined > a.m.sent || a.conn.up > a.m.sent {
			continue
		}
		at := place{a.conn, source{a.m.Room, a.m.Lane}}
		if n := newest[at]; n != nil && n.Marker > a.m.Marker {
			v.Findings = append(v.Findings, Finding{Kind: Disorder, Marker: a.m.Marker, Device: r.ID, At: a.at,
				Reason: fmt.Sprintf("came after push %d (id %d), which was sent after it had been answered", n.Marker, n.id)})
			continue
		}
		newest[at] = a.m
	}
}

type arrival struct {
	m *message
	receipt
}

// offence returns why an arrival must not have been, "" when it may.
func (l *Ledger) offence(m *message, r *Record, g receipt) string {
	room := r.rooms[m.Room]
	switch {
	case m.outcome == Refused || m.outcome == Nothing:
		return "the push was " + m.outcome.String() + ": " + m.answer
	case m.Namespace != r.Namespace:
		return "it belongs to " + m.Namespace
	case m.Except == r.ID:
		return "the push excepts this device"
	case room == nil || !room.possible(m.sent, g.at):
		return "the device was no member of " + m.Room
	case !m.Leave && (g.via == Offline || g.via == APNs):
		return "the push has no leaveMessage and came by " + string(g.via)
	case g.via == APNs && r.Platform != "ios":
		return "a notification for a device that is not iOS"
	case g.via == Offline && !l.rules.Inbox[r.Platform]:
		return "offlineMessage for a platform without inbox"
	case m.Expire > 0 && m.outcome == Accepted && (g.via == Offline || g.via == APNs) && g.at > m.answered+m.Expire+l.rules.Grace:
		return fmt.Sprintf("came by %s %.1f s after its end of life", g.via, (g.at - m.answered - m.Expire).Seconds())
	}
	return ""
}
