package simulator

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Several processes talk in lines of JSON over one TCP connection each. The coordinator asks, the other answers in order;
// besides that the other sends its figures by itself, and asks for the state of the journal when clients have joined.

// linkVersion is of the protocol; both sides must have the same.
const linkVersion = 1

// op of a line.
type op string

const (
	opHello   op = "hello"   // ← version
	opStart   op = "start"   // → configuration and devices
	opReady   op = "ready"   // ← clients exist
	opBegin   op = "begin"   // → connect
	opChurn   op = "churn"   // →
	opStorm   op = "storm"   // →
	opLive    op = "live"    // ← figures of the moment
	opMark    op = "mark"    // ← how long is the journal; → the entries since the last mark
	opEntries op = "entries" // → a part of the journal
	opMissing op = "missing" // → and ←
	opResult  op = "result"  // → and ←
	opEnd     op = "end"     // →
	opError   op = "error"   // ←
)

// line is any message; which fields count depends on Op.
type line struct {
	Op      op                `json:"op"`
	Version int               `json:"version,omitempty"`
	Config  map[string]string `json:"config,omitempty"`
	Pushes  bool              `json:"pushes,omitempty"` // somebody pushes: the rate, but no password
	Every   bool              `json:"every_sender,omitempty"`
	Run     string            `json:"run,omitempty"`
	First   int32             `json:"first,omitempty"`
	Count   int               `json:"count,omitempty"`
	Clock   int64             `json:"clock,omitempty"`
	Rate    float64           `json:"rate,omitempty"`
	On      bool              `json:"on,omitempty"`
	Share   float64           `json:"share,omitempty"`
	Live    *live             `json:"live,omitempty"`
	From    int64             `json:"from,omitempty"`
	Entries []byte            `json:"entries,omitempty"`
	Missing bool              `json:"missing,omitempty"`
	Outcome *outcome          `json:"outcome,omitempty"`
	Error   string            `json:"error,omitempty"`
}

// Bounds of the link.
const (
	maxLine     = 16 << 20         // bytes
	partEntries = 100_000          // of the journal in one line
	linkTimeout = 30 * time.Second // for a line to be taken
)

// link is one end; send is safe for concurrent use, receive is not.
type link struct {
	conn  net.Conn
	lines *bufio.Scanner
	mu    sync.Mutex
}

func newLink(conn net.Conn) *link {
	l := &link{conn: conn, lines: bufio.NewScanner(conn)}
	l.lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	return l
}

func (l *link) send(m line) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.conn.SetWriteDeadline(time.Now().Add(linkTimeout)); err != nil {
		return err
	}
	_, err = l.conn.Write(append(text, '\n'))
	return err
}

var errLinkEnd = errors.New("the connection between the processes has ended")

func (l *link) receive() (m line, err error) {
	if !l.lines.Scan() {
		if err := l.lines.Err(); err != nil {
			return m, fmt.Errorf("%w: %w", errLinkEnd, err)
		}
		return m, errLinkEnd
	}
	if err := json.Unmarshal(l.lines.Bytes(), &m); err != nil {
		return m, fmt.Errorf("line of another process: %w", err)
	}
	return m, nil
}

// entrySize is one push between processes: id, stream, fate.
const entrySize = 8 + 4 + 1

func packEntries(entries []push) []byte {
	b := make([]byte, 0, len(entries)*entrySize)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint64(b, uint64(e.id))
		b = binary.LittleEndian.AppendUint32(b, uint32(e.stream))
		b = append(b, byte(e.fate))
	}
	return b
}

var errEntries = errors.New("broken part of the journal")

func unpackEntries(b []byte) ([]push, error) {
	if len(b)%entrySize != 0 {
		return nil, errEntries
	}
	entries := make([]push, 0, len(b)/entrySize)
	for ; len(b) > 0; b = b[entrySize:] {
		e := push{id: int64(binary.LittleEndian.Uint64(b)), stream: int32(binary.LittleEndian.Uint32(b[8:])), fate: fate(b[12])}
		if e.fate > void {
			return nil, errEntries
		}
		entries = append(entries, e)
	}
	return entries, nil
}
