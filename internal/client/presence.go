package client

import "errors"

// Member is one live connection of one device as the store sees it. Gen is
// the generation the store gave to this connection: it grows with every
// connect of the device, and every write compares it, so that a late cleanup
// of an older connection never touches what a newer one has written.
type Member struct {
	Namespace string
	ClientID  string
	UserID    string // effective user, the one the connect callback named
	Platform  string
	Node      string
	Gen       int64
	// PID and SID are the private and the public id of its socket, for
	// recovery; empty when the connection cannot be recovered.
	PID, SID string
	// Announce is the uuid to tell with every join and leave of this
	// connection; "" when nobody is to be told.
	Announce string
	// Farewell is what the business system is told when the connection has
	// ended: the body of a job of queue.Callback; "" for nothing. Refused
	// means that it never was a connection, so that nothing is told.
	Farewell string
	Refused  bool
}

// Claim is what the store answers to a connection that claims its client id.
type Claim struct {
	Gen     int64 // of the new connection
	Prev    Holder
	Session Session // the one a recovery would continue; zero when there is none
	At      int64   // ms on the clock of the store's server; 0 when nothing is recovered
}

// Session is the last connection of a device that entered and was not left on
// purpose, as long as it can be recovered.
type Session struct {
	PID, SID string
	UserID   string
	Gen      int64
	// Alive is a time, ms, by which the device was still connected, as far
	// as its node knew; 0 while it has not been released.
	Alive int64
}

// Holder is the connection that held a client id before a claim. Node is
// empty when the device was offline.
type Holder struct {
	Node string
	Gen  int64
}

// ErrSuperseded is returned when a newer connection of the same device has
// claimed the client id; nothing was written.
var ErrSuperseded = errors.New("client id is held by a newer connection")

// Reasons a device went offline, kept in its record.
const (
	ReasonNetwork = "network"
	ReasonClear   = "clear"
)

// Record is what is remembered of a device; all values are decimal or plain
// text as light-push answered them (light-push-wire.md 1.4.6). Absent fields
// are absent from the map.
type Record map[string]string

// Kick tells a node to end connections of a client id: those with a
// generation below Gen, because a newer connection has taken over.
type Kick struct {
	Namespace string
	ClientID  string
	Gen       int64
}
