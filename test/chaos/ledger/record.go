package ledger

import (
	"fmt"
	"time"
)

// Record is the book of one device. Its fields are guarded by the mutex of its Ledger.
type Record struct {
	Device
	l *Ledger

	conns    []*conn
	sessions []*session
	rooms    map[string]*membership
	receipts map[int64][]receipt // by marker, in order of arrival
	events   []event
	token    time.Duration // when the server confirmed its device token; -1 before
}

// session is what the server continues: one connection, or several with recovery.
type session struct {
	joined map[string]time.Duration // rooms of this session, by the time of the answer
	conns  int
	open   bool
	// settled: it was ended by the harness itself after everything was quiet, so that it counts as open.
	settled bool
}

// conn is one connection, from the attempt to its end.
type conn struct {
	session *session // nil until the CONNECT answer
	started time.Duration
	up      time.Duration
	end     time.Duration // 0 while open
	harmed  time.Duration // when the harness first interfered with its bytes; 0 never
	// unordered: its node was swept while it lived, and sends late what was missed.
	unordered bool
	// last is the newest message per room and lane that came live.
	last map[source]int64
}

type source struct {
	room string
	lane int
}

type receipt struct {
	at   time.Duration
	via  Via
	conn *conn // nil for APNs
}

type event struct {
	at   time.Duration
	text string
}

// membership is the history of one device in one room.
type membership struct {
	steps []step
}

type step struct {
	at   time.Duration
	join bool
	done bool // answered with 200; else asked
}

func (r *Record) note(at time.Duration, format string, args ...any) {
	r.events = append(r.events, event{at, fmt.Sprintf(format, args...)})
}

func (r *Record) current() *conn {
	if len(r.conns) == 0 {
		return nil
	}
	return r.conns[len(r.conns)-1]
}

// Connecting begins a connection; what arrives from now on belongs to it.
func (r *Record) Connecting(at time.Duration) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	r.conns = append(r.conns, &conn{started: at, last: map[source]int64{}})
	// The server may count the device as a member of its own room from now on.
	r.step(r.userRoom(), step{at: at, join: true})
}

func (r *Record) userRoom() string { return "user_" + r.User }

// Connected notes the CONNECT answer: continued when it names the session before.
func (r *Record) Connected(at time.Duration, continued bool) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	c := r.current()
	c.up = at
	r.l.tally.Connects++
	r.l.tally.Online++
	if continued && len(r.sessions) > 0 {
		c.session = r.sessions[len(r.sessions)-1]
		r.l.tally.Recovered++
		r.note(at, "connected, session %d continued", len(r.sessions))
	} else {
		r.endSession()
		c.session = &session{joined: map[string]time.Duration{}}
		r.sessions = append(r.sessions, c.session)
		r.l.tally.NewSessions++
		r.note(at, "connected, new session %d", len(r.sessions))
	}
	c.session.open = true
	c.session.conns++
	if _, ok := c.session.joined[r.userRoom()]; !ok {
		c.session.joined[r.userRoom()] = at
	}
	r.step(r.userRoom(), step{at: at, join: true, done: true})
}

func (r *Record) endSession() {
	if n := len(r.sessions); n > 0 {
		r.sessions[n-1].open = false
	}
}

// Gone notes the end of the connection, or of the attempt. forGood: the device will not ask to continue its session.
func (r *Record) Gone(at time.Duration, how string, forGood bool) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	c := r.current()
	if c == nil || c.end != 0 {
		return
	}
	c.end = at
	if c.session != nil {
		r.l.tally.Online--
		r.l.tally.Breaks++
		r.note(at, "gone: %s", how)
	}
	if forGood {
		r.endSession()
	}
}

// Settled ends the connection as Gone does, after a time of quiet in which it must have got everything.
func (r *Record) Settled(at time.Duration, forGood bool) {
	r.l.mu.Lock()
	if c := r.current(); c != nil && c.session != nil && c.end == 0 {
		c.session.settled = true
	}
	r.l.mu.Unlock()
	r.Gone(at, "reconnects at the end of the run", forGood)
}

// Harmed notes that the harness freezes or swallows the bytes of the connection.
func (r *Record) Harmed(at time.Duration, how string) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	if c := r.current(); c != nil && c.end == 0 {
		if c.harmed == 0 {
			c.harmed = at
		}
		r.note(at, "connection harmed: %s", how)
	}
}

// Unordered notes that the node of the connection was frozen for longer than its lease: what it missed comes late.
func (r *Record) Unordered(at time.Duration) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	if c := r.current(); c != nil && c.end == 0 && !c.unordered {
		c.unordered = true
		r.note(at, "on a node that is frozen or was a moment ago")
	}
}

// Asked notes that the device is about to join or leave a room.
func (r *Record) Asked(at time.Duration, room string, join bool) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	r.step(room, step{at: at, join: join})
	if c := r.current(); !join && c != nil && c.session != nil {
		delete(c.session.joined, room)
	}
	r.note(at, "asks to %s %s", verb(join), room)
}

// Confirmed notes the answer 200 to it.
func (r *Record) Confirmed(at time.Duration, room string, join bool) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	r.step(room, step{at: at, join: join, done: true})
	if c := r.current(); join && c != nil && c.session != nil {
		if _, ok := c.session.joined[room]; !ok {
			c.session.joined[room] = at
		}
	}
	r.note(at, "answered: %s %s", verb(join), room)
}

func verb(join bool) string {
	if join {
		return "join"
	}
	return "leave"
}

func (r *Record) step(room string, s step) {
	m := r.rooms[room]
	if m == nil {
		m = &membership{}
		r.rooms[room] = m
	}
	m.steps = append(m.steps, s)
}

// Token notes that the server has confirmed the device token.
func (r *Record) Token(at time.Duration) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	if r.token < 0 {
		r.token = at
	}
	r.note(at, "device token confirmed")
}

// TokenIs announces the token of the device, before it is sent.
func (r *Record) TokenIs(token string) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	r.l.tokens[token] = r
}

// Note adds a line to the history of the device.
func (r *Record) Note(at time.Duration, text string) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	r.note(at, "%s", text)
}

// Got notes an arrival. It reports whether it is the first of this message.
func (r *Record) Got(at time.Duration, marker, id int64, via Via) (first bool) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	return r.got(at, marker, id, via)
}

func (r *Record) got(at time.Duration, marker, id int64, via Via) (first bool) {
	m := r.l.messages[marker]
	if m == nil {
		r.l.stray = append(r.l.stray, Finding{Kind: Unwanted, Marker: marker, Device: r.ID, At: at, Reason: "nobody pushed it"})
		return true
	}
	r.l.identify(m, id, at, r.ID)
	earlier := r.receipts[marker]
	rec := receipt{at: at, via: via}
	if via != APNs {
		rec.conn = r.current()
	}
	if rec.conn != nil && via == Live {
		from := source{m.Room, m.Lane}
		rec.conn.last[from] = max(rec.conn.last[from], marker)
	}
	r.receipts[marker] = append(earlier, rec)
	r.l.tally.Receipts[via]++
	if len(earlier) > 0 {
		r.l.tally.Repeats++
	}
	return len(earlier) == 0
}
