// Package load is the load client: many Socket.IO clients on one epoll loop,
// cheap enough not to be what is measured. It speaks Engine.IO 3 and 4 over
// WebSocket and of Socket.IO only what a push service needs: CONNECT, joinRoom
// with its ack, acks, the push event with the time it carries, and the return
// of a client that continues its session.
//
// A Client owns one goroutine, the one that calls Run; it ends with its
// context. Commands are carried out one after the other. It needs Linux and
// imports packages of this ring only, nothing of the servers it measures.
package load

import (
	"time"

	"github.com/lightpush/lightpush/internal/simulator/stats"
)

// Op is what the load client is asked to do.
type Op string

// Operations. All but OpExpect and OpClose return when they are complete, when
// nothing has happened for Stall, or after Timeout.
const (
	// OpConnect opens Count clients into Group, numbered from First. A client
	// is complete when the namespace is connected and the event ok has come.
	OpConnect Op = "connect"
	// OpJoin has every client of Group emit joinRoom for Room, or with Size for
	// one of many rooms of that size, Room0, Room1 …; complete when all are
	// acknowledged.
	OpJoin Op = "join"
	// OpExpect sets the counters of Group to zero and tells how many push
	// events follow: Messages for each client, or Total in all.
	OpExpect Op = "expect"
	// OpWait is complete when the expected push events have come, or Total of
	// them since OpExpect.
	OpWait Op = "wait"
	// OpAck has every client of Group emit ackPush for each of IDs, at once;
	// complete when everything is written.
	OpAck Op = "ack"
	// OpEvents has the first client of Group emit Count events at once and
	// wants their acks in order. Event is "n", with the number as argument, or
	// "rooms" for joinRoom and leaveRoom in turn.
	OpEvents Op = "events"
	// OpClose closes the last Count clients of Group, all of them with 0;
	// Reset sends RST, which frees the port at once.
	OpClose Op = "close"
	// OpReturn has up to Count clients of Group whose connections have ended (0:
	// all) connect again, to Addr, with what they need to continue their
	// sessions, and join the Room of the last OpJoin again. Counting goes on.
	// The group must have been connected with Check.
	OpReturn Op = "return"
	// OpTally returns, for the numbers below Messages, how many clients of Group
	// have got them since OpExpect.
	OpTally Op = "tally"
	// OpStats only returns the figures of Group and of the process.
	OpStats Op = "stats"
)

// Command is one line on stdin.
type Command struct {
	Op    Op     `json:"op"`
	Group string `json:"group"`

	Addr      string `json:"addr,omitempty"`      // host:port of the server
	Namespace string `json:"namespace,omitempty"` // with its slash
	Count     int    `json:"count,omitempty"`
	First     int    `json:"first,omitempty"`
	EIO       int    `json:"eio,omitempty"`    // 3 or 4; 0 alternates
	Window    int    `json:"window,omitempty"` // handshakes under way at once; 0 means all

	Check bool `json:"check,omitempty"` // OpConnect: note every message of every client of Group

	Room     string  `json:"room,omitempty"`
	Size     int     `json:"size,omitempty"`
	Messages int     `json:"messages,omitempty"`
	Total    int     `json:"total,omitempty"`
	IDs      []int64 `json:"ids,omitempty"`
	Event    string  `json:"event,omitempty"`
	Reset    bool    `json:"reset,omitempty"`

	Timeout time.Duration `json:"timeout,omitempty"` // 60 s
	Stall   time.Duration `json:"stall,omitempty"`   // 5 s
}

// Reply is one line on stdout, the answer to one command.
type Reply struct {
	Error string `json:"error,omitempty"`

	// OpConnect and OpJoin: clients by their fate.
	Completed int           `json:"completed,omitempty"`
	Refused   int           `json:"refused,omitempty"`   // by an answer of the server
	Broken    int           `json:"broken,omitempty"`    // the connection ended before completion
	Never     int           `json:"never,omitempty"`     // nothing came any more
	Reason    string        `json:"reason,omitempty"`    // of the first that was refused or broken
	Connect   stats.Summary `json:"connect,omitzero"`    // from the SYN to completion
	Continued int           `json:"continued,omitempty"` // OpReturn: sessions that went on, of those that were completed

	// OpWait and OpEvents.
	Expected   int     `json:"expected,omitempty"`
	Received   int     `json:"received,omitempty"`
	Misordered int     `json:"misordered,omitempty"` // an id not above the one before it
	InPlace    int     `json:"in_place,omitempty"`   // the k-th to come was the k-th sent
	Latency    Latency `json:"latency,omitzero"`     // from the time in the message to its reading
	Repeated   int     `json:"repeated,omitempty"`   // the same number again, only where messages are checked
	Silence    float64 `json:"silence,omitempty"`    // seconds, the longest between two push events
	Arrivals   []int   `json:"arrivals,omitempty"`   // push events per quarter of a second since OpExpect, only where they are checked

	// OpTally.
	Seen    []int `json:"seen,omitempty"`     // by number
	SeenCut []int `json:"seen_cut,omitempty"` // of these, clients whose connections have ended since OpExpect
	Cut     int   `json:"cut,omitempty"`      // such clients

	Open    int `json:"open"`    // clients of the group that are connected
	Dropped int `json:"dropped"` // clients of the group that the server has closed

	// Of this process since the command, or since the OpExpect before an
	// OpWait, that began the measurement.
	//
	// Seconds reaches to the last thing that came; with messages it begins at
	// the time in the earliest of them.
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Frames  int     `json:"frames"`
	Reads   int     `json:"reads"`
	Bytes   int64   `json:"bytes"`
}

// ArrivalStep is how much time one entry of Reply.Arrivals covers.
const ArrivalStep = 250 * time.Millisecond

// Failed is the number of clients that did not complete.
func (r Reply) Failed() int { return r.Refused + r.Broken + r.Never }

const (
	defaultTimeout = 60 * time.Second
	defaultStall   = 5 * time.Second
)
