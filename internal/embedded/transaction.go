package embedded

import (
	"errors"
	"strconv"
)

// transaction is what MULTI has collected. EXEC executes it in one go under Server.mu and logs its writes as one
// record: readers and replay see all of it or nothing.
type transaction struct {
	specs    []*spec
	commands [][]string
	bytes    int
	writes   bool
	dirty    bool // a command was refused: EXEC will abort
}

var (
	errTxTooLarge = errors.New("ERR transaction exceeds the limit of the embedded store")
	errExecAbort  = errors.New("EXECABORT Transaction discarded because of previous errors.")
	errNestedTx   = errors.New("ERR MULTI calls can not be nested")
	errWatchInTx  = errors.New("ERR WATCH inside MULTI is not allowed")
)

// queue adds a command to the open transaction.
func (c *session) queue(s *spec, args []string) {
	for _, a := range args {
		c.tx.bytes += len(a)
	}
	switch {
	case s.kind == kindBlocking || s.kind == kindPubSub || s.kind == kindSession && s.name != "PING",
		(s.name == "XREAD" || s.name == "XREADGROUP") && hasBlock(args):
		c.refuse(errRefused(s.name + " in this form inside MULTI"))
		return
	case c.tx.bytes > maxCommandBytes || len(c.tx.commands) >= maxQueued:
		c.tx.specs, c.tx.commands = nil, nil
		c.refuse(errTxTooLarge)
		return
	}
	c.tx.specs = append(c.tx.specs, s)
	c.tx.commands = append(c.tx.commands, args)
	c.tx.writes = c.tx.writes || mayWrite(s)
	c.answer([]byte("+QUEUED\r\n"))
}

// multi runs the commands around transactions.
func (c *session) multi(s *spec, args []string) {
	if s.name != "WATCH" && len(args) != 1 {
		c.refuse(errors.New("ERR wrong number of arguments for '" + s.name + "' command"))
		return
	}
	switch s.name {
	case "MULTI":
		if c.tx != nil {
			c.refuse(errNestedTx)
			return
		}
		c.tx = &transaction{}
		c.answer([]byte("+OK\r\n"))
	case "DISCARD":
		if c.tx == nil {
			c.refuse(errors.New("ERR DISCARD without MULTI"))
			return
		}
		c.tx = nil
		c.answer(c.watch("UNWATCH"))
	case "EXEC":
		if c.tx == nil {
			c.refuse(errors.New("ERR EXEC without MULTI"))
			return
		}
		tx := c.tx
		c.tx = nil
		c.exec(tx)
	case "WATCH":
		if c.tx != nil {
			c.refuse(errWatchInTx)
			return
		}
		c.answer(c.watch(args...))
	case "UNWATCH":
		c.answer(c.watch(args...))
	}
}

// watch passes WATCH and UNWATCH on; miniredis keeps the versions.
func (c *session) watch(args ...string) []byte {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.beginLocked()
	if len(args) == 1 {
		c.watching = false
	} else if !c.watching {
		c.watching, c.watchEpoch = true, c.srv.engine.watchEpoch
	}
	return append([]byte(nil), c.srv.engine.run(args...)...)
}

func (c *session) exec(tx *transaction) {
	if tx.dirty {
		c.watch("UNWATCH")
		c.answer(errorReply(errExecAbort))
		return
	}
	if tx.writes {
		if err := c.srv.log.failed(); err != nil {
			c.answer(refusedReply(err))
			return
		}
	}
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.beginLocked()
	if c.conflictLocked() {
		c.finishLocked([]byte(nilArray))
		return
	}
	answer := append(strconv.AppendInt([]byte{'*'}, int64(len(tx.commands)), 10), '\r', '\n')
	for i, s := range tx.specs {
		answer = append(answer, c.srv.engine.execute(s, tx.commands[i])...)
	}
	c.finishLocked(answer)
}

// conflictLocked ends the WATCH and reports whether a watched key has changed: an empty transaction of miniredis says.
func (c *session) conflictLocked() bool {
	if !c.watching {
		return false
	}
	c.watching = false
	c.srv.engine.run("MULTI")
	changed := string(c.srv.engine.run("EXEC")) == nilArray
	return changed || c.watchEpoch != c.srv.engine.watchEpoch
}
