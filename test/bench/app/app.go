// Package app is what every server under test but the whole product runs: the
// same small Socket.IO application, and the control of it by JSON lines on
// stdin. It knows no engine; each program of cmd connects one to it.
//
// The application has one namespace. A client that connects enters the room
// user_<userid>, with the userid of its URL, and gets the event ok. joinRoom
// and leaveRoom are acknowledged with {"status":200,"msg":"ok"}; ackPush is
// counted; n counts too, and its argument tells whether events of one client
// are handled in the order they were sent.
package app

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/lightpush/lightpush/test/bench/procfs"
)

// Namespace all programs serve.
const Namespace = "/bench"

// Message is the argument of the push event. Its fields stand in the order in
// which lightpush writes them.
type Message struct {
	ID        int64  `json:"id"`
	Namespace string `json:"namespace"`
	Room      string `json:"room"`
	PushData  Data   `json:"pushData"`
	SendDate  int64  `json:"sendDate"`
}

// Data is what the business system pushes.
type Data struct {
	N   int    `json:"n"` // its place among those of one command
	T   int64  `json:"t"` // CLOCK_MONOTONIC in ns at the moment of sending
	Pad string `json:"pad"`
}

// NewData returns the data of message n, sent now, filled with pad bytes.
func NewData(n, pad int) Data {
	return Data{N: n, T: int64(procfs.Monotonic()), Pad: strings.Repeat("x", pad)}
}

// Answer acknowledges joinRoom and leaveRoom.
type Answer struct {
	Status int    `json:"status"`
	Msg    string `json:"msg"`
}

// OK is the only answer there is.
var OK = Answer{200, "ok"}

// UserRooms is what the names of the rooms of users begin with.
const UserRooms = "user_"

// UserRoom is the room of one user's devices.
func UserRoom(userid string) string { return UserRooms + userid }

// Counters are what the application has seen of its clients. Safe for
// concurrent use.
type Counters struct {
	Sockets    atomic.Int64 // connected now
	Acks       atomic.Int64 // ackPush events
	Events     atomic.Int64 // n events
	Misordered atomic.Int64 // n events handled at another place than they were sent at
}

// Event counts an n event that is handled now. One client sends them, and the
// counters are set to zero before.
func (c *Counters) Event(n int64) {
	if place := c.Events.Add(1) - 1; place != n {
		c.Misordered.Add(1)
	}
}

// Emitter sends the push event to the members of a room.
type Emitter func(room string, m Message)

// Pace calls f for each of n due times, 1/rate s apart; it catches up when it
// is late. cancelled ends it early.
func Pace(n int, rate float64, cancelled func() bool, f func(i int)) {
	start := time.Now()
	for i := range n {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if cancelled() {
			return
		}
		f(i)
	}
}
