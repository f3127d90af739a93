package engineio

import (
	"sync"
	"time"
)

const (
	// closersAtOnce is how many goroutines call OnClose at first.
	closersAtOnce = 256
	// closersPatience: when none of them has come to an end for so long, as many again are started.
	closersPatience = 100 * time.Millisecond
)

// closers calls Receiver.OnClose of ended sessions. When 10,000 clients vanish in one moment, and each of them has to
// wait for a store, a goroutine for each would cost memory that the runtime never gives back: half a kilobyte that it
// keeps for the goroutines of the future. So the sessions wait, not the goroutines. Handlers that block delay others
// by no more than closersPatience per 256 of them.
//
// A goroutine belongs to the sessions it works for, which Server.tasks counts, and ends when none waits.
type closers struct {
	srv *Server // fixed

	mu      sync.Mutex // leaf, but for the wheel
	waiting []closing
	limit   int // of running
	running int
	ended   uint64 // calls that have returned
	seen    uint64 // ended when look was armed
	looking bool   // look is armed
}

type closing struct {
	session *Session
	reason  Reason
}

// add has notifyClosed called, soon.
func (c *closers) add(s *Session, reason Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, closing{s, reason})
	c.startLocked()
	if len(c.waiting) > 0 && !c.looking {
		c.lookLaterLocked()
	}
}

// startLocked starts goroutines for what waits, within the limit.
func (c *closers) startLocked() {
	c.limit = max(c.limit, closersAtOnce)
	for len(c.waiting) > 0 && c.running < c.limit {
		c.running++
		go c.run(c.takeLocked())
	}
}

func (c *closers) takeLocked() closing {
	next := c.waiting[0]
	c.waiting[0] = closing{}
	if c.waiting = c.waiting[1:]; len(c.waiting) == 0 {
		c.waiting = nil
	}
	return next
}

func (c *closers) run(next closing) {
	for ok := true; ok; {
		next.session.notifyClosed(next.reason)
		next, ok = c.next()
	}
}

// next returns what the caller has to do now, or ends it.
func (c *closers) next() (_ closing, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended++
	if len(c.waiting) == 0 || c.running > c.limit {
		if c.running--; c.running == 0 {
			c.limit = closersAtOnce
		}
		return closing{}, false
	}
	return c.takeLocked(), true
}

func (c *closers) lookLaterLocked() {
	c.looking, c.seen = true, c.ended
	c.srv.AfterFunc(closersPatience, c.look)
}

// look raises the limit when all goroutines hang.
func (c *closers) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looking = false
	if len(c.waiting) == 0 {
		return
	}
	if c.ended == c.seen {
		c.limit = c.running + closersAtOnce
		c.startLocked()
	}
	if len(c.waiting) > 0 {
		c.lookLaterLocked()
	}
}
