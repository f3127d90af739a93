package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"time"
)

// Command is one line on stdin of a server.
type Command struct {
	// Op is "emit": Count messages to Room in one loop; "rate": Count messages,
	// Rate per second, to Room, or with Rooms to the rooms named by Room and a
	// number from First to First+Rooms-1 in turn; "reset": counters to zero; or
	// "stats".
	Op    string  `json:"op"`
	Room  string  `json:"room,omitempty"`
	Count int     `json:"count,omitempty"`
	Pad   int     `json:"pad,omitempty"`
	Rate  float64 `json:"rate,omitempty"`
	First int     `json:"first,omitempty"`
	Rooms int     `json:"rooms,omitempty"`
	// Joined asks for all messages of one socket in one write, where a server
	// can do that.
	Joined bool `json:"joined,omitempty"`
}

// Reply is one line on stdout, the answer to one Command.
type Reply struct {
	Error      string    `json:"error,omitempty"`
	FirstID    int64     `json:"first_id,omitempty"` // of the messages emitted
	Sockets    int64     `json:"sockets"`
	Acks       int64     `json:"acks"`
	Events     int64     `json:"events"`
	Misordered int64     `json:"misordered"`
	Goroutines int       `json:"goroutines,omitempty"`
	Troubles   int       `json:"troubles,omitempty"`     // errors nobody asked for, as of a lost Redis
	GCPauses   []float64 `json:"gc_pauses_ms,omitempty"` // since the last stats; only where the harness cannot see them itself
}

// Ready is the first line on stdout of a server.
type Ready struct {
	Addr    string `json:"addr"` // host:port
	Version string `json:"version"`
}

// Control serves commands. Emit or Burst may be nil; with both, Burst gets
// only what is to be joined.
type Control struct {
	Counters *Counters
	Emit     Emitter
	Burst    func(room string, messages []Message, joined bool)

	lastID int64
}

// Serve writes the Ready line and then answers commands until in ends.
func (c *Control) Serve(in io.Reader, out io.Writer, ready Ready) error {
	encoder := json.NewEncoder(out)
	if err := encoder.Encode(ready); err != nil {
		return fmt.Errorf("app: %w", err)
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var command Command
		reply := Reply{}
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			reply.Error = err.Error()
		} else {
			reply = c.do(command)
		}
		if err := encoder.Encode(reply); err != nil {
			return fmt.Errorf("app: %w", err)
		}
	}
	return lines.Err()
}

func (c *Control) do(command Command) Reply {
	first := c.lastID + 1
	switch command.Op {
	case "emit":
		c.emit(command)
	case "rate":
		if command.Rate <= 0 || command.Room == "" {
			return Reply{Error: "rate needs rate and room"}
		}
		Pace(command.Count, command.Rate, func() bool { return false }, func(i int) {
			room, n := InTurn(command.Room, command.First, command.Rooms, i)
			c.send(room, c.message(room, n, command.Pad))
		})
	case "reset":
		c.Counters.Acks.Store(0)
		c.Counters.Events.Store(0)
		c.Counters.Misordered.Store(0)
	case "stats":
	default:
		return Reply{Error: fmt.Sprintf("unknown command %q", command.Op)}
	}
	return Reply{
		FirstID: first, Sockets: c.Counters.Sockets.Load(), Acks: c.Counters.Acks.Load(),
		Events: c.Counters.Events.Load(), Misordered: c.Counters.Misordered.Load(), Goroutines: runtime.NumGoroutine(),
	}
}

// InTurn is the room of message i at a steady rate, and its number among those
// of that room.
func InTurn(room string, first, rooms, i int) (name string, n int) {
	if rooms <= 0 {
		return room, i
	}
	return room + strconv.Itoa(first+i%rooms), i / rooms
}

func (c *Control) emit(command Command) {
	if c.Burst == nil || c.Emit != nil && !command.Joined {
		for i := range command.Count {
			c.Emit(command.Room, c.message(command.Room, i, command.Pad))
		}
		return
	}
	messages := make([]Message, command.Count)
	for i := range messages {
		messages[i] = c.message(command.Room, i, command.Pad)
	}
	c.Burst(command.Room, messages, command.Joined)
}

func (c *Control) send(room string, m Message) {
	if c.Emit != nil {
		c.Emit(room, m)
		return
	}
	c.Burst(room, []Message{m}, false)
}

func (c *Control) message(room string, n, pad int) Message {
	c.lastID++
	return Message{ID: c.lastID, Namespace: Namespace, Room: room, PushData: NewData(n, pad), SendDate: time.Now().UnixMilli()}
}
