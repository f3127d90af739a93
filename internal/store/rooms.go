package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// roomLists keeps the list of rooms of every namespace. A room and its
// namespace live under different hash tags, so the list follows in a second
// step: the scripts tell when a room came to life or became empty, and the
// transitions are added to the list a moment later, in one pipeline for all.
// Additions commute, so processes need no order among each other.
//
// A process that dies in that moment leaves the list off by its unwritten
// transitions; ReconcileRooms finds and corrects that.
type roomLists struct {
	store *Store

	mu     sync.Mutex
	deltas map[place]int // not yet written; bound: noteMax
	closed bool

	flushing sync.Mutex // one flush at a time; taken before mu

	wake chan struct{} // capacity 1
	stop chan struct{}
	done chan struct{}
}

const (
	// noteMax bounds the distinct rooms remembered while Redis is away. What
	// is beyond is told as an error and corrected by ReconcileRooms.
	noteMax = 200_000
	// noteEvery is the pause between flushes, in which transitions gather
	// and cancel each other out.
	noteEvery = 5 * time.Millisecond
	noteRetry = 250 * time.Millisecond
	noteChunk = 500 // rooms per script call
)

var errRoomsDropped = errors.New("too many room transitions wait for Redis: the lists of rooms need reconciling")

func newRoomLists(s *Store) *roomLists {
	l := &roomLists{
		store: s, deltas: map[place]int{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go l.run()
	return l
}

// note adds a transition; it never blocks.
func (l *roomLists) note(ns, room string, delta int) {
	p := place{ns, room}
	l.mu.Lock()
	sum := l.deltas[p] + delta
	full := false
	switch {
	case sum == 0:
		delete(l.deltas, p)
	case len(l.deltas) < noteMax:
		l.deltas[p] = sum
	default:
		if _, known := l.deltas[p]; known {
			l.deltas[p] = sum
		} else {
			full = true
		}
	}
	l.mu.Unlock()
	if full {
		l.store.opt.OnError(errRoomsDropped)
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *roomLists) run() {
	defer close(l.done)
	wait := noteEvery
	timer := time.NewTimer(0)
	<-timer.C
	defer timer.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.wake:
		}
		timer.Reset(wait)
		select {
		case <-l.stop:
			return
		case <-timer.C:
		}
		wait = noteEvery
		if err := l.flush(context.Background()); err != nil {
			l.store.opt.OnError(err)
			wait = noteRetry
			select {
			case l.wake <- struct{}{}:
			default:
			}
		}
	}
}

// flush writes what is noted; what fails stays noted. When the reply is lost
// the transitions may be counted twice, which the reconciliation corrects.
func (l *roomLists) flush(ctx context.Context) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	deltas := l.deltas
	idle := len(deltas) == 0 // asked here: an unswapped map still belongs to note
	if !idle {
		l.deltas = map[place]int{}
	}
	l.mu.Unlock()
	if idle {
		return nil
	}
	calls := l.calls(deltas)
	ops := make([]*op, len(calls))
	for i, c := range calls {
		ops[i] = c.op
	}
	err := l.store.runChunks(ctx, ops)
	if err == nil {
		return nil
	}
	for _, c := range calls {
		if c.op.cmd == nil || c.op.cmd.Err() != nil {
			for _, room := range c.rooms {
				l.note(c.namespace, room, deltas[place{c.namespace, room}])
			}
		}
	}
	return fmt.Errorf("update lists of rooms: %w", err)
}

// listCall is one script call for some rooms of one namespace.
type listCall struct {
	namespace string
	rooms     []string
	op        *op
}

func (l *roomLists) calls(deltas map[place]int) []*listCall {
	open := map[string]*listCall{}
	var all []*listCall
	for p, delta := range deltas {
		c := open[p.namespace]
		if c == nil || len(c.rooms) == noteChunk {
			c = &listCall{namespace: p.namespace}
			c.op = roomsCount.call([]string{l.store.keys.namespace(p.namespace).rooms})
			c.op.once = true // the sum must not be added twice
			open[p.namespace] = c
			all = append(all, c)
		}
		c.rooms = append(c.rooms, p.room)
		c.op.args = append(c.op.args, p.room, delta)
	}
	return all
}

func (l *roomLists) close() {
	l.mu.Lock()
	wasClosed := l.closed
	l.closed = true
	l.mu.Unlock()
	if !wasClosed {
		close(l.stop)
	}
	<-l.done
	if err := l.flush(context.Background()); err != nil {
		l.store.opt.OnError(err)
	}
}
