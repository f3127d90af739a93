package embedded

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/alicebob/miniredis/v2/server"
)

// session serves one connection on one goroutine. Replies are collected while the client's pipeline lasts and leave
// together, after the log write of everything that was executed before them.
type session struct {
	srv  *Server
	pipe *pipe
	in   *bufio.Reader
	peer *server.Peer // miniredis' state of the connection: protocol version, subscriptions, WATCH

	out     []byte  // replies that have not left
	logged  []reply // those of them whose command is in the log (or should be)
	lastSeq uint64  // what must be committed before out leaves
	backlog bool    // enough waits for the log to commit now

	tx         *transaction // not nil after MULTI
	watching   bool
	watchEpoch int
	subscribed bool // has ever been
}

// reply is where in out the answer to a logged command is.
type reply struct{ start, end int }

const flushBytes = 256 << 10

func (s *Server) newSession(p *pipe) *session {
	c := &session{srv: s, pipe: p, in: bufio.NewReaderSize(requestReader{p.requests}, 16<<10)}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.peer = s.engine.newConnection(replyWriter{p})
	return c
}

type requestReader struct{ s *stream }

func (r requestReader) Read(b []byte) (int, error) { return r.s.read(b) }

// replyWriter is where miniredis writes published messages, from its own goroutines.
type replyWriter struct{ p *pipe }

func (w replyWriter) Write(b []byte) (int, error) {
	n, err := w.p.replies.write(b)
	if err != nil {
		w.p.close()
	}
	return n, err
}

// serve runs until the client or the server closes the connection.
func (c *session) serve() {
	defer c.end()
	for {
		args, err := readCommand(c.in)
		if err != nil {
			if errors.Is(err, errProtocol) {
				c.answer(errorReply(errors.New("ERR " + err.Error())))
				c.flush()
			}
			return
		}
		if len(args) == 0 {
			continue
		}
		if !c.handle(args) {
			c.flush()
			return
		}
		if c.in.Buffered() == 0 || len(c.out) >= flushBytes || c.backlog {
			if !c.flush() {
				return
			}
		}
	}
}

// end releases what miniredis keeps for the connection.
func (c *session) end() {
	c.pipe.close()
	if !c.subscribed {
		return
	}
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	for _, cmd := range []string{"UNSUBSCRIBE", "PUNSUBSCRIBE"} {
		c.srv.engine.srv.Dispatch(c.peer, []string{cmd})
	}
}

// handle executes a command and collects its reply. It returns false when the connection ends.
func (c *session) handle(args []string) bool {
	s := c.srv.table.lookup(args[0])
	switch {
	case s == nil:
		s = &spec{name: strings.ToUpper(args[0]), kind: kindRead} // miniredis says that it does not know it
	case s.kind == kindRefused:
		c.refuse(errRefused(s.name))
		return true
	}
	if s.name == "QUIT" {
		c.answer([]byte("+OK\r\n"))
		return false
	}
	if c.tx != nil && s.kind != kindMulti {
		c.queue(s, args)
		return true
	}
	switch s.kind {
	case kindMulti:
		c.multi(s, args)
	case kindSession, kindPubSub:
		return c.connection(s, args)
	case kindBlocking:
		return c.block(s, args)
	default:
		if (s.name == "XREAD" || s.name == "XREADGROUP") && hasBlock(args) {
			return c.block(s, args)
		}
		c.execute(s, args)
	}
	return true
}

// execute runs a command that does not wait.
func (c *session) execute(s *spec, args []string) {
	if mayWrite(s) {
		if err := c.srv.log.failed(); err != nil {
			c.answer(refusedReply(err))
			return
		}
	}
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.beginLocked()
	c.finishLocked(c.srv.engine.execute(s, args))
}

// mayWrite reports whether the command is refused while the log is failed. Scripts are, whatever they do.
func mayWrite(s *spec) bool {
	switch s.kind {
	case kindWrite, kindBlocking, kindLoad:
		return true
	case kindScript:
		return !strings.HasSuffix(s.name, "_RO")
	}
	return false
}

// beginLocked prepares the engine for a command of this connection.
func (c *session) beginLocked() {
	c.srv.beginLocked()
	c.srv.engine.attach(c.peer)
	c.srv.engine.subscribed = c.subscribed
}

// finishLocked logs the effects of what was executed since beginLocked and collects the reply.
func (c *session) finishLocked(answer []byte) {
	start := len(c.out)
	c.out = append(c.out, answer...)
	if c.srv.engine.effects.n > 0 {
		c.srv.log.append(&c.srv.engine.effects)
		c.logged = append(c.logged, reply{start, len(c.out)})
	}
	c.lastSeq = c.srv.log.appended // also what others wrote and this reply may show
	c.backlog = len(c.srv.log.pending) > 1<<20
	if err := c.srv.engine.broken; err != nil {
		_ = c.srv.log.fail(err) // memory and log differ: a new log is due
		c.srv.noteFailure()
	}
}

func (c *session) answer(b []byte) { c.out = append(c.out, b...) }

// refuse answers a command that is not executed.
func (c *session) refuse(err error) {
	if c.tx != nil {
		c.tx.dirty = true
	}
	c.answer(errorReply(err))
}

// flush sends the collected replies. It returns false when the client is gone or does not read.
func (c *session) flush() bool {
	if len(c.out) == 0 {
		return true
	}
	if err := c.srv.log.commit(c.lastSeq); err != nil {
		c.srv.noteFailure()
		c.spoil(refusedReply(err))
	}
	_, err := c.pipe.replies.write(c.out)
	if cap(c.out) > 1<<20 {
		c.out = nil
	}
	c.out, c.logged = c.out[:0], c.logged[:0]
	return err == nil
}

// spoil replaces the replies of logged commands by an error.
func (c *session) spoil(text []byte) {
	var out []byte
	at := 0
	for _, r := range c.logged {
		out = append(append(out, c.out[at:r.start]...), text...)
		at = r.end
	}
	c.out = append(out, c.out[at:]...)
}

func refusedReply(err error) []byte {
	return errorReply(errors.New("MISCONF embedded store: " + err.Error()))
}

// connection runs the commands that belong to the connection itself; their replies go straight to the client.
func (c *session) connection(s *spec, args []string) bool {
	if s.name == "SELECT" && len(args) == 2 && args[1] != "0" {
		c.refuse(errRefused("databases other than 0"))
		return true
	}
	if !c.flush() {
		return false
	}
	c.subscribed = c.subscribed || s.kind == kindPubSub
	c.srv.mu.Lock()
	c.srv.engine.srv.Dispatch(c.peer, args)
	c.srv.mu.Unlock()
	c.peer.Flush()
	return true
}

var _ io.Writer = replyWriter{}
