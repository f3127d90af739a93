package embedded

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// A blocking command is tried in its non-blocking form; without data the session waits, holding nothing, until a write
// may have brought some, and tries again. Only the form that got something is logged.

// attempt is a blocking command taken apart. try runs under Server.mu and returns nil when there is no data.
type attempt struct {
	keys    []string
	timeout time.Duration // 0 waits for ever
	try     func(e *engine) []byte
}

var errTimeout = errors.New("ERR timeout is not a float or out of range")

// block executes a blocking command. It returns false when the connection ended meanwhile.
func (c *session) block(s *spec, args []string) bool {
	if mayWrite(s) {
		if err := c.srv.log.failed(); err != nil {
			c.answer(refusedReply(err))
			return true
		}
	}
	a, err := c.parseBlocking(s, args)
	if err != nil {
		c.answer(errorReply(err))
		return true
	}
	c.srv.mu.Lock()
	if c.tryLocked(a) {
		c.srv.mu.Unlock()
		return true
	}
	w := c.srv.waiters.add(a.keys)
	c.srv.mu.Unlock()
	defer func() {
		c.srv.mu.Lock()
		c.srv.waiters.remove(w)
		c.srv.mu.Unlock()
	}()
	if !c.flush() { // what came before must not wait
		return false
	}
	var timeout <-chan time.Time
	if a.timeout > 0 {
		t := time.NewTimer(a.timeout)
		defer t.Stop()
		timeout = t.C
	}
	for {
		select {
		case <-c.pipe.gone:
			return false
		case <-timeout:
			c.answer([]byte(nilArray))
			return true
		case <-w.ready:
		}
		if err := c.srv.log.failed(); err != nil && mayWrite(s) {
			c.answer(refusedReply(err))
			return true
		}
		c.srv.mu.Lock()
		done := c.tryLocked(a)
		c.srv.mu.Unlock()
		if done {
			return true
		}
	}
}

func (c *session) tryLocked(a attempt) bool {
	c.beginLocked()
	answer := a.try(c.srv.engine)
	if answer == nil {
		return false
	}
	c.finishLocked(answer)
	return true
}

// parseBlocking takes the command apart; XREAD's "$" is resolved once, here.
func (c *session) parseBlocking(s *spec, args []string) (attempt, error) {
	if s.name == "XREAD" || s.name == "XREADGROUP" {
		return c.parseStreamRead(s, args)
	}
	least := map[string]int{"BRPOPLPUSH": 4, "BLMOVE": 6}[s.name]
	if len(args) < 3 || least > 0 && len(args) != least {
		return attempt{}, errors.New("ERR wrong number of arguments for '" + strings.ToLower(s.name) + "' command")
	}
	timeout, err := parseSeconds(args[len(args)-1])
	if err != nil {
		return attempt{}, err
	}
	keys := args[1 : len(args)-1]
	single := func(form ...string) attempt {
		spec := c.srv.table.lookup(form[0])
		return attempt{keys: args[1:2], timeout: timeout, try: func(e *engine) []byte {
			return unlessNil(e.write(spec, form))
		}}
	}
	switch s.name {
	case "BRPOPLPUSH":
		return single("RPOPLPUSH", args[1], args[2]), nil
	case "BLMOVE":
		return single("LMOVE", args[1], args[2], args[3], args[4]), nil
	}
	pop := c.srv.table.lookup(s.name[1:]) // BLPOP is LPOP on the first key that has something
	return attempt{keys: keys, timeout: timeout, try: func(e *engine) []byte {
		for _, key := range keys {
			reply := unlessNil(e.write(pop, []string{pop.name, key}))
			switch {
			case reply == nil:
			case reply[0] == '-':
				return reply
			case reply[0] == '*': // ZPOPMIN: member and score follow
				return append(appendBulk([]byte("*3\r\n"), key), reply[len("*2\r\n"):]...)
			default:
				return append(appendBulk([]byte("*2\r\n"), key), reply...)
			}
		}
		return nil
	}}, nil
}

// parseStreamRead makes XREAD and XREADGROUP non-blocking.
func (c *session) parseStreamRead(s *spec, args []string) (attempt, error) {
	form := make([]string, 0, len(args))
	var a attempt
	for i := 0; i < len(args); i++ {
		switch {
		case strings.EqualFold(args[i], "BLOCK") && i+1 < len(args):
			ms, err := strconv.ParseInt(args[i+1], 10, 64)
			if err != nil || ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
				return attempt{}, errTimeout
			}
			a.timeout = time.Duration(ms) * time.Millisecond
			i++
			continue
		case strings.EqualFold(args[i], "STREAMS"):
			rest := args[i+1:]
			if len(rest) == 0 || len(rest)%2 != 0 {
				return attempt{}, errSyntax
			}
			form = append(form, args[i])
			form = append(form, rest...)
			a.keys = rest[:len(rest)/2]
			i = len(args)
			continue
		}
		form = append(form, args[i])
	}
	if a.keys == nil {
		return attempt{}, errSyntax
	}
	c.resolveLast(form[len(form)-len(a.keys):], a.keys)
	a.try = func(e *engine) []byte { return unlessNil(e.execute(s, form)) }
	return a, nil
}

// resolveLast replaces "$" by the stream's last id at this moment.
func (c *session) resolveLast(ids, keys []string) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	for i, id := range ids {
		if id == "$" {
			ids[i] = c.srv.engine.lastIDs[keys[i]].String()
		}
	}
}

func hasBlock(args []string) bool {
	for _, a := range args[1:] {
		if strings.EqualFold(a, "STREAMS") {
			return false
		}
		if strings.EqualFold(a, "BLOCK") {
			return true
		}
	}
	return false
}

func unlessNil(reply []byte) []byte {
	for _, r := range idleNil {
		if string(reply) == r {
			return nil
		}
	}
	return reply
}

func appendBulk(dst []byte, s string) []byte {
	dst = append(strconv.AppendInt(append(dst, '$'), int64(len(s)), 10), '\r', '\n')
	return append(append(dst, s...), '\r', '\n')
}

func parseSeconds(s string) (time.Duration, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > float64(math.MaxInt64/int64(time.Second)) {
		return 0, errTimeout
	}
	d := time.Duration(v * float64(time.Second))
	if v > 0 && d < time.Millisecond {
		d = time.Millisecond // 0 would wait for ever
	}
	return d, nil
}

// waiters are the sessions that wait for keys. Guarded by Server.mu.
type waiters struct {
	byKey map[string]map[*waiter]struct{}
}

type waiter struct {
	keys  []string
	ready chan struct{} // one slot: a second signal before the first is taken adds nothing
}

func newWaiters() *waiters { return &waiters{byKey: map[string]map[*waiter]struct{}{}} }

func (w *waiters) add(keys []string) *waiter {
	one := &waiter{keys: keys, ready: make(chan struct{}, 1)}
	for _, k := range keys {
		if w.byKey[k] == nil {
			w.byKey[k] = map[*waiter]struct{}{}
		}
		w.byKey[k][one] = struct{}{}
	}
	return one
}

func (w *waiters) remove(one *waiter) {
	for _, k := range one.keys {
		delete(w.byKey[k], one)
		if len(w.byKey[k]) == 0 {
			delete(w.byKey, k)
		}
	}
}

func (w *waiters) signal(key string) {
	if len(w.byKey) == 0 {
		return
	}
	for one := range w.byKey[key] {
		select {
		case one.ready <- struct{}{}:
		default:
		}
	}
}
