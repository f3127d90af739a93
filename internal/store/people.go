package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

// people tells the members of rooms who comes and goes, wherever in the
// cluster they are (light-push-wire.md 2.8, B21): for connections that want it,
// when a script says that the device really came or went, and to rooms that
// are not too large. The events are ephemeral. They follow the change a moment
// later, gathered, and each is checked again then: one that a newer change has
// overtaken, maybe in another process, is not told.
type people struct {
	store *Store

	mu      sync.Mutex
	waiting []announcement // bound: announceMax
	dropped bool           // since the last report
	closed  bool

	wake chan struct{} // capacity 1
	stop chan struct{}
	done chan struct{}
}

const (
	// announceMax bounds what waits: a storm of joins costs announcements.
	announceMax  = 20_000
	announceStep = 500
)

var errAnnouncementsDropped = errors.New("too many joins and leaves at once: some are not announced")

// announcement is one event; offline only with leave.
type announcement struct {
	place
	clientID, uuid, userID string
	leave, offline         bool
}

func newPeople(s *Store) *people {
	p := &people{store: s, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go p.run()
	return p
}

// announceOp remembers at an entering connection that it is to be announced,
// for the sweep of its node; nil when it is not.
func (s *Store) announceOp(m client.Member) *op {
	if m.Announce == "" {
		return nil
	}
	return do("HSET", s.keys.client(m.Namespace, m.ClientID), "~act", strconv.FormatInt(m.Gen, 10)+"|"+m.Announce)
}

// announceJoins and announceLeaves tell of what the scripts say has changed.
func (s *Store) announceJoins(m client.Member, rooms []string, joins []*op) {
	if m.Announce == "" {
		return
	}
	for i, o := range joins {
		if reply := o.integer(); reply > 0 && reply&joinedNow != 0 {
			s.people.add(announcement{place{m.Namespace, rooms[i]}, m.ClientID, m.Announce, m.UserID, false, false})
		}
	}
}

func (s *Store) announceLeaves(m client.Member, rooms []string, leaves []*op, offline bool) {
	if m.Announce == "" {
		return
	}
	for i, o := range leaves {
		if reply := o.integer(); reply > 0 && reply&leftNow != 0 {
			s.people.add(announcement{place{m.Namespace, rooms[i]}, m.ClientID, m.Announce, m.UserID, true, offline})
		}
	}
}

// announced reads from the records which connections of a dead node are to be
// announced, and says so in members.
func (s *Store) announced(ctx context.Context, members []client.Member) error {
	if s.opt.PeopleMax <= 0 {
		return nil
	}
	ops := make([]*op, len(members))
	for i, m := range members {
		ops[i] = do("HGET", s.keys.client(m.Namespace, m.ClientID), "~act")
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return err
	}
	for i, o := range ops {
		if gen, uuid, ok := strings.Cut(o.text(), "|"); ok && gen == strconv.FormatInt(members[i].Gen, 10) {
			members[i].Announce = uuid
		}
	}
	return nil
}

// add never blocks.
func (p *people) add(a announcement) {
	if p == nil { // nothing is announced
		return
	}
	p.mu.Lock()
	full := len(p.waiting) >= announceMax || p.closed
	report := full && !p.dropped
	p.dropped = p.dropped || full
	if !full {
		p.waiting = append(p.waiting, a)
	}
	p.mu.Unlock()
	if report {
		p.store.opt.OnError(errAnnouncementsDropped)
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *people) run() {
	defer close(p.done)
	for {
		select {
		case <-p.stop:
			p.tell(announceMax)
			return
		case <-p.wake:
		}
		for p.tell(announceStep) {
		}
	}
}

// tell sends some of what waits, and reports whether there was any. What
// fails is dropped: it would be late.
func (p *people) tell(n int) bool {
	p.mu.Lock()
	n = min(n, len(p.waiting))
	step := p.waiting[:n:n]
	if p.waiting = p.waiting[n:]; len(p.waiting) == 0 {
		p.waiting, p.dropped = nil, false
	}
	p.mu.Unlock()
	if n == 0 {
		return false
	}
	if err := p.send(context.Background(), step); err != nil {
		p.store.opt.OnError(fmt.Errorf("announce joins and leaves: %w", err))
	}
	return true
}

func (p *people) send(ctx context.Context, step []announcement) error {
	s := p.store
	type state struct{ size, index *op }
	places := map[place]state{}
	var ops []*op
	still := make([]*op, len(step))
	for i, a := range step {
		k := s.keys.room(a.namespace, a.room)
		if _, ok := places[a.place]; !ok {
			st := state{do("HLEN", k.members), do("HKEYS", k.index)}
			places[a.place] = st
			ops = append(ops, st.size, st.index)
		}
		still[i] = do("HEXISTS", k.members, a.clientID)
		ops = append(ops, still[i])
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return err
	}
	var sends []*op
	for i, a := range step {
		st := places[a.place]
		if (still[i].integer() == 1) == a.leave || st.size.integer() > s.opt.PeopleMax {
			continue
		}
		entry := bus.EncodeEvent(a.event())
		for _, node := range st.index.texts() {
			if strings.HasPrefix(node, "~") { // a count per platform
				continue
			}
			o := do(bus.EventCommand(bus.StreamKey(s.opt.Prefix, node), s.opt.StreamMaxLen, entry)...)
			o.once = true
			sends = append(sends, o)
		}
	}
	return s.runChunks(ctx, sends)
}

// peopleJoin and peopleLeave are the arguments of these events.
type peopleJoin struct {
	SID    string `json:"sid"`
	UUID   string `json:"uuid"`
	UserID string `json:"userid"`
	Room   string `json:"room"`
}

type peopleLeave struct {
	peopleJoin
	ClientOffline bool `json:"clientOffline"`
}

func (a announcement) event() *room.Event {
	join := peopleJoin{a.clientID, a.uuid, a.userID, a.room}
	e := &room.Event{Namespace: a.namespace, Room: a.room, Except: a.clientID, Name: "peopleJoin"}
	if a.leave {
		e.Name = "peopleLeave"
		e.Payload, _ = json.Marshal(peopleLeave{join, a.offline}) // strings always marshal
		return e
	}
	e.Payload, _ = json.Marshal(join)
	return e
}

func (p *people) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	wasClosed := p.closed
	p.closed = true
	p.mu.Unlock()
	if !wasClosed {
		close(p.stop)
	}
	<-p.done
}
