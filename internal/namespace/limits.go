package namespace

import (
	"fmt"
	"math"
	"time"

	"github.com/lightpush/lightpush/internal/input"
)

// Limits bound what one namespace may use. 0 is none; in a record it is "as
// the configuration says". Times are hours.
type Limits struct {
	Connections        int `json:"max_connections,omitempty"`          // of one connector
	ConnectionsPerUser int `json:"max_connections_per_user,omitempty"` // of one connector
	EventsPerSecond    int `json:"max_events_per_second,omitempty"`    // of one client
	RoomsPerClient     int `json:"max_rooms_per_client,omitempty"`
	PushBytes          int `json:"max_push_bytes,omitempty"`        // of pushData
	PushesPerSecond    int `json:"max_pushes_per_second,omitempty"` // by REST, of one logic process
	DefaultExpire      int `json:"default_expire,omitempty"`        // of a push that names none
	MaxExpire          int `json:"max_expire,omitempty"`            // the longest a push may name
	InboxMax           int `json:"inbox_max,omitempty"`             // messages of one inbox
	HistoryMax         int `json:"history_max,omitempty"`           // messages of the history
	ClientExpire       int `json:"client_expire,omitempty"`         // until a device that is not seen is forgotten
}

// PublicLimits are Limits as the API answers them.
type PublicLimits struct {
	Connections        int `json:"max_connections"`
	ConnectionsPerUser int `json:"max_connections_per_user"`
	EventsPerSecond    int `json:"max_events_per_second"`
	RoomsPerClient     int `json:"max_rooms_per_client"`
	PushBytes          int `json:"max_push_bytes"`
	PushesPerSecond    int `json:"max_pushes_per_second"`
	DefaultExpire      int `json:"default_expire"`
	MaxExpire          int `json:"max_expire"`
	InboxMax           int `json:"inbox_max"`
	HistoryMax         int `json:"history_max"`
	ClientExpire       int `json:"client_expire"`
}

// limitFields are the names of the limits in a save request, the most each may
// be, and where it is.
var limitFields = []struct {
	name string
	most int
	of   func(*Limits) *int
}{
	{"max_connections", 1_000_000_000, func(l *Limits) *int { return &l.Connections }},
	{"max_connections_per_user", 1_000_000_000, func(l *Limits) *int { return &l.ConnectionsPerUser }},
	{"max_events_per_second", 1_000_000, func(l *Limits) *int { return &l.EventsPerSecond }},
	{"max_rooms_per_client", 100_000, func(l *Limits) *int { return &l.RoomsPerClient }},
	{"max_push_bytes", 16 << 20, func(l *Limits) *int { return &l.PushBytes }},
	{"max_pushes_per_second", 1_000_000, func(l *Limits) *int { return &l.PushesPerSecond }},
	{"default_expire", 87_600, func(l *Limits) *int { return &l.DefaultExpire }},
	{"max_expire", 87_600, func(l *Limits) *int { return &l.MaxExpire }},
	{"inbox_max", 100_000, func(l *Limits) *int { return &l.InboxMax }},
	{historyMax, 100_000, func(l *Limits) *int { return &l.HistoryMax }},
	{"client_expire", 87_600, func(l *Limits) *int { return &l.ClientExpire }},
}

const (
	historyMax    = "history_max"
	defaultExpire = "default_expire"
)

// parseLimits reads the limits that are given; null, "" and 0 leave them to the
// configuration.
func (p *Patch) parseLimits(f input.Fields) error {
	for _, field := range limitFields {
		if _, given := f[field.name]; !given {
			continue
		}
		value, _, err := f.Number(field.name)
		if err != nil || value != math.Trunc(value) || value < 0 || value > float64(field.most) {
			return &input.FieldError{Field: field.name, Problem: fmt.Sprintf(
				"must be a whole number from 0 to %d; 0 and empty are as the configuration says", field.most)}
		}
		if p.Limits == nil {
			p.Limits = map[string]int{}
		}
		p.Limits[field.name] = int(value)
	}
	return nil
}

// applyLimits changes the limits of n. An administrator may set anything; the
// namespace itself only what tightens the administrator's limit, or else the
// configured one, and takes its own back with 0. A limit that is sent back as
// it was shown stays as it is, whoever has set it.
func (p *Patch) applyLimits(n *Namespace) error {
	changed := false
	for _, field := range limitFields {
		value, given := p.Limits[field.name]
		own, granted, configured := field.of(&n.Limits), field.of(&n.Granted), *field.of(&p.Configured)
		if !given || value == shownLimit(*own, *granted) {
			continue
		}
		changed = true
		switch ceiling := ceilingOf(*granted, configured); {
		case field.name == defaultExpire: // no limit: a choice below one
			*own = value
		case field.name == historyMax && value > configured && configured > 0:
			// Readers look no further, and nobody should pay for what nobody sees.
			return &input.FieldError{Field: field.name, Problem: fmt.Sprintf("must be at most %d: more is not kept (push_message_list_max_limit)", configured)}
		case p.ByAdmin:
			*granted, *own = value, 0
		case ceiling > 0 && value > ceiling:
			return &input.FieldError{Field: field.name, Problem: fmt.Sprintf("must be at most %d: only an administrator may raise it", ceiling)}
		default:
			*own = value
		}
	}
	if most := n.InForce(p.Configured).MaxExpire; changed && most > 0 && n.Limits.DefaultExpire > most {
		return &input.FieldError{Field: defaultExpire, Problem: fmt.Sprintf("must be at most %d, the longest life of a message here", most)}
	}
	return nil
}

// shownLimit is a limit as its namespace sees it.
func shownLimit(own, granted int) int {
	if own > 0 {
		return own
	}
	return granted
}

// ceilingOf is the most a namespace may set for itself, 0 for anything.
func ceilingOf(granted, configured int) int {
	if granted > 0 {
		return granted
	}
	return configured
}

// inForce is the limit that holds, 0 for none. The configuration may have been
// tightened since the namespace has set its own.
func inForce(own, granted, configured int) int {
	ceiling := ceilingOf(granted, configured)
	if own > 0 && (ceiling == 0 || own < ceiling) {
		return own
	}
	return ceiling
}

// shownLimits are the limits of n's own, without the configuration.
func (n *Namespace) shownLimits() (l Limits) {
	for _, field := range limitFields {
		*field.of(&l) = shownLimit(*field.of(&n.Limits), *field.of(&n.Granted))
	}
	return l
}

// InForce are the limits that hold for n beside those of the configuration.
// n may be nil: a namespace that is not known has no limits of its own.
func (n *Namespace) InForce(configured Limits) Limits {
	if n == nil {
		return configured
	}
	l := configured
	for _, field := range limitFields {
		at := field.of(&l)
		*at = inForce(*field.of(&n.Limits), *field.of(&n.Granted), *at)
	}
	if n.Limits.DefaultExpire > 0 { // not held against the configured one, but the longest
		l.DefaultExpire = n.Limits.DefaultExpire
	}
	if l.MaxExpire > 0 {
		l.DefaultExpire = min(l.DefaultExpire, l.MaxExpire)
	}
	return l
}

// Ceilings are the most n may set for itself; 0 is anything.
func (n *Namespace) Ceilings(configured Limits) Limits {
	l := configured
	for _, field := range limitFields {
		at := field.of(&l)
		*at = ceilingOf(*field.of(&n.Granted), *at)
	}
	l.DefaultExpire = n.InForce(configured).MaxExpire
	return l
}

// ExpireHours are the life of a message that names none, and the longest a
// push may name, where the configuration has these; it may have fractions of
// an hour.
func (n *Namespace) ExpireHours(life, longest float64) (float64, float64) {
	switch own, granted := float64(n.Limits.MaxExpire), float64(n.Granted.MaxExpire); {
	case granted > 0 && own > 0:
		longest = min(own, granted)
	case granted > 0:
		longest = granted
	case own > 0:
		longest = min(own, longest)
	}
	if n.Limits.DefaultExpire > 0 {
		life = float64(n.Limits.DefaultExpire)
	}
	return min(life, longest), longest
}

// PushBytes is how large pushData may be, 0 for any size.
func (n *Namespace) PushBytes() int { return inForce(n.Limits.PushBytes, n.Granted.PushBytes, 0) }

// PushesPerSecond is how many pushes a logic process accepts by REST, 0 for any
// number.
func (n *Namespace) PushesPerSecond() int {
	return inForce(n.Limits.PushesPerSecond, n.Granted.PushesPerSecond, 0)
}

// HistoryMax is how many messages the history keeps at most, 0 for as many as
// the configuration says.
func (n *Namespace) HistoryMax() int {
	return inForce(n.Limits.HistoryMax, n.Granted.HistoryMax, 0)
}

// ForgetAfter is for how long a device may not be seen before it is forgotten,
// where the configuration has this.
func (n *Namespace) ForgetAfter(configured time.Duration) time.Duration {
	if n == nil {
		return configured
	}
	own, granted := time.Duration(n.Limits.ClientExpire)*time.Hour, time.Duration(n.Granted.ClientExpire)*time.Hour
	switch {
	case own > 0 && granted > 0:
		return min(own, granted)
	case granted > 0:
		return granted
	case own > 0:
		return min(own, configured)
	}
	return configured
}

// Configure tells the limits of the configuration, which those of namespaces
// are held against. Safe for concurrent use.
func (r *Registry) Configure(l Limits) { r.configured.Store(&l) }

// Configured returns what Configure was told, zeros before.
func (r *Registry) Configured() Limits {
	if l := r.configured.Load(); l != nil {
		return *l
	}
	return Limits{}
}
