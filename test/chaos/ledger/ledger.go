// Package ledger is the book-keeping of the chaos ring: what was pushed and how it was answered, where every device was
// at every moment, and what it got. Judge compares the two with the promises of doc/guarantees.md.
//
// It knows nothing of sockets and processes, imports only the standard library, starts no goroutine and has no clock:
// every time is given by the caller, as the time since the start of the run. A Ledger and its Records are safe for
// concurrent use; one Record is written by one device.
package ledger

import (
	"fmt"
	"sync"
	"time"
)

// Via is the way a message came.
type Via string

// Ways to a device.
const (
	Live    Via = "live"    // event push
	Replay  Via = "replay"  // event push before the CONNECT answer: a continued session
	Offline Via = "offline" // event offlineMessage
	APNs    Via = "apns"    // the gateway took a notification for the device
)

// Outcome is what the sender of a push knows of it.
type Outcome int

// Outcomes of a push.
const (
	Pending  Outcome = iota
	Accepted         // 200
	Refused          // 4xx
	Nothing          // 503 with code 1201: nothing was done
	Unknown          // another 5xx, or no answer: it may or may not arrive
)

func (o Outcome) String() string {
	return [...]string{"pending", "accepted", "refused", "not taken", "unknown"}[o]
}

// Push is one request; a repeat of the same content is another Push.
type Push struct {
	Marker    int64 // unique, growing; travels in pushData and in apsData
	Namespace string
	Room      string
	Leave     bool   // leaveMessage
	Except    string // client id
	// Expire is its lifetime when that is short, 0 when it is longer than the run.
	Expire time.Duration
	// Illegal: it breaks a rule of the API and must be refused.
	Illegal bool
	Lane    int // of the sender: a lane sends one after the other, each after the answer to the one before
	Logic   int // process it was sent to
}

// message is a push with what became of it. Guarded by Ledger.mu.
type message struct {
	Push
	sent, answered time.Duration
	outcome        Outcome
	answer         string
	id             int64
}

// Device is a client of the run.
type Device struct {
	ID        string // client id
	Namespace string
	User      string
	Platform  string // web, ios, android
	EIO       int
	Recovers  bool // its library continues broken sessions
	Confirms  bool // it acks what it gets
}

// Rules are what the judgement depends on.
type Rules struct {
	Inbox map[string]bool // platforms with an inbox; iOS never
	// Settle is the time within which a connected device has got a message, whatever fault of the plan is on.
	Settle time.Duration
	// Grace is how long after its end of life a message may still come from inbox or gateway.
	Grace time.Duration
}

// Fault is one line of the fault timeline.
type Fault struct {
	From, To time.Duration // To is 0 while it lasts
	Text     string
}

// Ledger keeps everything.
type Ledger struct {
	rules Rules

	mu       sync.Mutex
	messages map[int64]*message
	order    []*message // by time of sending
	devices  map[string]*Record
	list     []*Record // in order of AddDevice
	tokens   map[string]*Record
	faults   []*Fault
	stray    []Finding // arrivals nobody can be blamed for by message and device
	twins    []Finding
	tally    Tally
}

// Tally counts as the run goes.
type Tally struct {
	Sent, Accepted, Refused, Nothing, Unknown int
	Receipts                                  map[Via]int
	Repeats                                   int
	Connects, Recovered, NewSessions, Breaks  int
	Online                                    int
}

// New returns an empty ledger.
func New(rules Rules) *Ledger {
	return &Ledger{
		rules: rules, messages: map[int64]*message{}, devices: map[string]*Record{}, tokens: map[string]*Record{},
		tally: Tally{Receipts: map[Via]int{}},
	}
}

// AddDevice enters a device that has never been connected.
func (l *Ledger) AddDevice(d Device) *Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &Record{Device: d, l: l, rooms: map[string]*membership{}, receipts: map[int64][]receipt{}, token: -1}
	l.devices[d.ID] = r
	l.list = append(l.list, r)
	return r
}

// Send notes that a push is about to be sent.
func (l *Ledger) Send(at time.Duration, p Push) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &message{Push: p, sent: at}
	l.messages[p.Marker] = m
	l.order = append(l.order, m)
	l.tally.Sent++
}

// Answer notes how it was answered; id counts for Accepted.
func (l *Ledger) Answer(at time.Duration, marker int64, o Outcome, id int64, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.messages[marker]
	m.answered, m.outcome, m.answer = at, o, text
	switch o {
	case Accepted:
		l.tally.Accepted++
		if m.Illegal {
			l.stray = append(l.stray, Finding{Kind: Unwanted, Marker: marker, At: at, Reason: "an illegal push was accepted"})
		}
		l.identify(m, id, at, "answer")
	case Refused:
		l.tally.Refused++
	case Nothing:
		l.tally.Nothing++
	default:
		l.tally.Unknown++
	}
}

// identify holds that one push has one id: with two, no client could tell a repeat.
func (l *Ledger) identify(m *message, id int64, at time.Duration, who string) {
	switch {
	case id <= 0 || m.id == id:
	case m.id == 0:
		m.id = id
	default:
		l.twins = append(l.twins, Finding{Kind: Twin, Marker: m.Marker, Device: who, At: at,
			Reason: fmt.Sprintf("has id %d and id %d", m.id, id)})
	}
}

// Gateway notes a notification that the gateway accepted.
func (l *Ledger) Gateway(at time.Duration, token string, marker int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.tokens[token]
	if r == nil {
		l.stray = append(l.stray, Finding{Kind: Unwanted, Marker: marker, At: at, Reason: "a notification for the unknown token " + token})
		return
	}
	r.got(at, marker, 0, APNs)
}

// FaultBegins notes a fault; call the result when it is over.
func (l *Ledger) FaultBegins(at time.Duration, text string) (over func(at time.Duration)) {
	f := &Fault{From: at, Text: text}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, f)
	return func(at time.Duration) {
		l.mu.Lock()
		defer l.mu.Unlock()
		f.To = at
	}
}

// Faults returns a copy of the timeline.
func (l *Ledger) Faults() []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Fault, len(l.faults))
	for i, f := range l.faults {
		all[i] = *f
	}
	return all
}

// Tally returns the counters.
func (l *Ledger) Tally() Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tally
	t.Receipts = map[Via]int{}
	for via, n := range l.tally.Receipts {
		t.Receipts[via] = n
	}
	return t
}

// Namespace returns the namespace of a push, "" for none.
func (l *Ledger) Namespace(marker int64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.messages[marker]; m != nil {
		return m.Namespace
	}
	return ""
}
