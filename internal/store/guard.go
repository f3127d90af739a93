package store

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"time"
)

// What a reply may announce. The client library believes a server: it takes
// memory for a bulk string or an array before the first byte of it is there,
// and goes down into nested arrays as deep as they are. So whatever answers in
// place of Redis could end the process. No reply of a Redis comes near these.
const (
	bulkMax  = 256 << 20 // bytes; four times the largest REST body
	countMax = 16 << 20  // elements of one array
	depthMax = 32        // of arrays in arrays
	lineMax  = 1 << 20   // bytes of a line, as an error
)

var errReply = errors.New("what answers is no Redis: a reply announces more than one may have")

// guarded checks what is read from a connection to Redis.
type guarded struct {
	net.Conn
	replies replies
}

func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if bad := g.replies.take(p[:n]); bad != nil {
		_ = g.Close()
		return 0, bad
	}
	return n, err
}

// guardedTCP lets the client library look whether the server has hung up.
type guardedTCP struct {
	guarded
	tcp *net.TCPConn
}

func (g *guardedTCP) SyscallConn() (syscall.RawConn, error) { return g.tcp.SyscallConn() }

// guard dials as the client library does, but guarded.
func guard(config *tls.Config, timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if config != nil {
			conn, err := (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &guarded{Conn: conn}, nil
		}
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			return &guardedTCP{guarded: guarded{Conn: conn}, tcp: tcp}, nil
		}
		return &guarded{Conn: conn}, nil
	}
}

// replies follows a stream of replies (RESP 2 and 3) as far as their sizes go.
type replies struct {
	state replyState
	kind  byte
	size  int64 // announced by the line that is being read
	minus bool
	skip  int64 // bytes of a bulk string to come
	line  int   // bytes of a line so far
	open  []int64
}

type replyState uint8

const (
	atKind replyState = iota
	inLine            // nothing in it matters
	inSize
	inBulk
)

// take looks at the next bytes.
func (r *replies) take(p []byte) error {
	for i := 0; i < len(p); {
		switch r.state {
		case inBulk:
			n := min(r.skip, int64(len(p)-i))
			i += int(n)
			if r.skip -= n; r.skip == 0 {
				r.ended()
			}
		case atKind:
			r.begin(p[i])
			i++
		default:
			if err := r.inside(p[i]); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

func (r *replies) begin(kind byte) {
	r.kind, r.size, r.minus, r.line = kind, 0, false, 0
	switch kind {
	case '$', '!', '=', '*', '~', '>', '%', '|':
		r.state = inSize
	default:
		r.state = inLine
	}
}

// inside takes a byte of a line.
func (r *replies) inside(b byte) error {
	if r.line++; r.line > lineMax {
		return errReply
	}
	if b == '\n' {
		return r.lineEnds()
	}
	if r.state != inSize {
		return nil
	}
	switch {
	case b >= '0' && b <= '9':
		if r.size = r.size*10 + int64(b-'0'); r.size > bulkMax {
			return errReply
		}
	case b == '-' && r.line == 1:
		r.minus = true
	case b != '\r' && b != '?': // no size at all: the client library says so
		r.state = inLine
	}
	return nil
}

func (r *replies) lineEnds() error {
	state := r.state
	r.state = atKind
	if state == inLine || r.minus {
		r.ended()
		return nil
	}
	switch r.kind {
	case '$', '!', '=':
		r.state, r.skip = inBulk, r.size+2
		return nil
	case '%', '|':
		r.size *= 2
	}
	if r.size > countMax || (r.size > 0 && len(r.open) == depthMax) {
		return errReply
	}
	if r.size == 0 {
		r.ended()
		return nil
	}
	r.open = append(r.open, r.size)
	return nil
}

// ended counts one element of the arrays around it.
func (r *replies) ended() {
	r.state = atKind
	for len(r.open) > 0 {
		last := len(r.open) - 1
		if r.open[last]--; r.open[last] > 0 {
			return
		}
		r.open = r.open[:last]
	}
}
