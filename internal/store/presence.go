package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

// ErrNode is returned for a node id that cannot be part of keys.
var ErrNode = errors.New("node id must not be empty or contain any of ~ % { } |")

func checkNode(node string) error {
	if node == "" || strings.ContainsAny(node, reserved+"~") {
		return fmt.Errorf("%w: %q", ErrNode, node)
	}
	return nil
}

// Modes of room_leave.lua.
const (
	leaveKeep   = "keep"
	leaveForget = "forget"
	leaveUndo   = "undo"
)

// Bits of the replies of room_join.lua and room_leave.lua; negative is stale.
const (
	joinedFirst = 1 // the room was empty before
	joinedNew   = 2 // the device had never joined
	joinedNow   = 4 // the device was not a member
	leftEmpty   = 1 // the room is empty now
	leftNow     = 2 // the device was a member
)

// Claim implements session.Presence. The previous holder is the connection
// that has entered and was not released; it stays that until this one enters.
func (s *Store) Claim(ctx context.Context, m client.Member) (client.Claim, error) {
	if err := checkNode(m.Node); err != nil {
		return client.Claim{}, err
	}
	recovery := 0
	if s.recovers() {
		recovery = 1
	}
	claim := clientClaim.call([]string{s.keys.client(m.Namespace, m.ClientID)}, m.UserID, s.nowMillis(), recovery)
	ops, clock := []*op{claim}, do("TIME")
	if s.recovers() {
		ops = append(ops, clock)
	}
	if err := s.runShared(ctx, ops...); err != nil {
		return client.Claim{}, fmt.Errorf("claim %s: %w", m.ClientID, err)
	}
	reply := claim.list()
	if len(reply) != 3+3*recovery {
		return client.Claim{}, fmt.Errorf("claim %s: unexpected reply %v", m.ClientID, reply)
	}
	c := client.Claim{Gen: toInt(reply[0]), Prev: client.Holder{Node: toText(reply[1]), Gen: toInt(reply[2])}}
	if recovery == 1 {
		c.Session = decodeSession(toText(reply[3]))
		if c.Session.PID != "" {
			c.Session.UserID, c.Session.Alive = toText(reply[4]), toInt(reply[5])
		}
		c.At = microsOf(clock) / 1000
	}
	return c, nil
}

// Enter implements session.Presence in one round trip. The connection is
// listed under its node first, so that what follows can be swept.
func (s *Store) Enter(ctx context.Context, m client.Member, rooms []string) error {
	_, err := s.enter(ctx, m, rooms, false)
	return err
}

// enter is Enter; with asked it tells whether something waits in the inbox of
// the device.
func (s *Store) enter(ctx context.Context, m client.Member, rooms []string, asked bool) (waiting bool, err error) {
	if err := checkNode(m.Node); err != nil {
		return false, err
	}
	ns := s.keys.namespace(m.Namespace)
	list := do("ZADD", s.keys.connections(m.Node), m.Gen, encodeMember(m))
	hold := s.holdOp(m, s.sessionArg(m), rooms)
	enter := nsEnter.call([]string{ns.online, ns.users, ns.seen, ns.platforms}, m.ClientID, m.Gen, m.UserID, s.nowMillis(), client.PlatformIn(m.ClientID))
	joins := s.joinOps(m, rooms)
	ops := append(s.farewellOps(m), list, hold, enter)
	ops = append(ops, joins...)
	if o := s.announceOp(m); o != nil {
		ops = append(ops, o)
	}
	var ask []*op
	if asked { // behind hold: what comes into the inbox later finds the device online
		ask = s.waitingOps(m)
		ops = append(ops, ask...)
	}
	if err := s.runShared(ctx, ops...); err != nil {
		return false, fmt.Errorf("enter %s: %w", m.ClientID, err)
	}
	fresh := s.joined(m, rooms, joins) // even when hold says no: they are undone below
	if fresh && hold.integer() == 1 && enter.integer() == 1 {
		s.announceJoins(m, rooms, joins)
		return slices.ContainsFunc(ask, func(o *op) bool { return o.integer() == 1 }), nil
	}
	leave := nsLeave.call([]string{ns.online, ns.users, ns.geo, ns.platforms}, m.ClientID, m.Gen, client.PlatformIn(m.ClientID))
	if err := s.undo(ctx, m, rooms, joins, append(s.unlistOps(m), leave)...); err != nil {
		return false, fmt.Errorf("enter %s: %w", m.ClientID, err)
	}
	return false, client.ErrSuperseded
}

// Join implements session.Presence.
func (s *Store) Join(ctx context.Context, m client.Member, rooms []string) error {
	if len(rooms) == 0 {
		return nil
	}
	hold := s.holdOp(m, "", rooms)
	joins := s.joinOps(m, rooms)
	if err := s.runShared(ctx, append([]*op{hold}, joins...)...); err != nil {
		return fmt.Errorf("join rooms of %s: %w", m.ClientID, err)
	}
	fresh := s.joined(m, rooms, joins)
	if fresh && hold.integer() == 1 {
		s.announceJoins(m, rooms, joins)
		return nil
	}
	if err := s.undo(ctx, m, rooms, joins); err != nil {
		return fmt.Errorf("join rooms of %s: %w", m.ClientID, err)
	}
	return client.ErrSuperseded
}

// Leave implements session.Presence. The holder is asked first, so that a
// superseded connection does not end what the newer one has begun.
func (s *Store) Leave(ctx context.Context, m client.Member, rooms []string) error {
	if len(rooms) == 0 {
		return nil
	}
	holder := do("HGET", s.keys.client(m.Namespace, m.ClientID), "~gen")
	if err := s.runShared(ctx, holder); err != nil {
		return fmt.Errorf("leave rooms of %s: %w", m.ClientID, err)
	}
	if holder.integer() != m.Gen {
		return client.ErrSuperseded
	}
	leaves := s.leaveOps(m, rooms, leaveForget)
	forget := []any{"HDEL", s.keys.clientRooms(m.Namespace, m.ClientID)}
	for _, r := range rooms {
		forget = append(forget, r)
	}
	if err := s.runShared(ctx, append(leaves, do(forget...))...); err != nil {
		return fmt.Errorf("leave rooms of %s: %w", m.ClientID, err)
	}
	s.left(m, rooms, leaves)
	s.announceLeaves(m, rooms, leaves, false)
	return nil
}

// Release implements session.Presence. It can be repeated.
func (s *Store) Release(ctx context.Context, m client.Member, rooms []string, reason string, recoverable bool) error {
	leaves := s.leaveOps(m, rooms, leaveKeep)
	session := ""
	if recoverable && m.PID != "" {
		session = s.sessionEnd(s.nowMillis())
	}
	ops, unlist := s.releaseOps(m, leaves, reason, session)
	err := s.runShared(ctx, append(ops, unlist.first...)...)
	if err == nil && len(unlist.then) > 0 {
		err = s.runShared(ctx, unlist.then...)
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", m.ClientID, err)
	}
	s.left(m, rooms, leaves)
	s.announceLeaves(m, rooms, leaves, ops[0].integer() == 1)
	return nil
}

// releaseOps takes the connection out of everything but the list of its node,
// which must happen last. The first tells whether the device is offline now.
func (s *Store) releaseOps(m client.Member, leaves []*op, reason, session string) ([]*op, unlist) {
	ns := s.keys.namespace(m.Namespace)
	ops := make([]*op, 0, len(leaves)+3)
	ops = append(ops,
		clientRelease.call([]string{s.keys.client(m.Namespace, m.ClientID)}, m.Gen, s.nowMillis(), reason, session),
		nsLeave.call([]string{ns.online, ns.users, ns.geo, ns.platforms}, m.ClientID, m.Gen, client.PlatformIn(m.ClientID)))
	ops = append(ops, leaves...)
	return ops, s.unlist(m)
}

// holdOp checks that m holds its client id and remembers its rooms. session is
// that of client_join.lua.
func (s *Store) holdOp(m client.Member, session string, rooms []string) *op {
	args := make([]any, 0, 3+len(rooms))
	args = append(args, m.Gen, m.Node, session)
	for _, r := range rooms {
		args = append(args, r)
	}
	return clientJoin.call([]string{
		s.keys.client(m.Namespace, m.ClientID), s.keys.clientRooms(m.Namespace, m.ClientID)}, args...)
}

func (s *Store) joinOps(m client.Member, rooms []string) []*op {
	ops := make([]*op, len(rooms))
	platform := platformOf(m.Platform)
	for i, r := range rooms {
		k := s.keys.room(m.Namespace, r)
		ops[i] = roomJoin.call([]string{k.members, k.index, k.users, k.total(platform)},
			m.ClientID, m.Gen, platform, m.Node, m.UserID)
	}
	return ops
}

func (s *Store) leaveOps(m client.Member, rooms []string, mode string) []*op {
	ops := make([]*op, len(rooms))
	for i, r := range rooms {
		ops[i] = s.leaveOp(m, r, mode)
	}
	return ops
}

func (s *Store) leaveOp(m client.Member, room, mode string) *op {
	k := s.keys.room(m.Namespace, room)
	return roomLeave.call([]string{k.members, k.index, k.users, k.total(platformOf(m.Platform))},
		m.ClientID, m.Gen, mode)
}

// joined notes the rooms that came to life; it is false when a newer
// connection is a member of one of them.
func (s *Store) joined(m client.Member, rooms []string, joins []*op) bool {
	ok := true
	for i, o := range joins {
		switch reply := o.integer(); {
		case reply < 0:
			ok = false
		case reply&joinedFirst != 0:
			s.noteRoom(m.Namespace, rooms[i], +1)
		}
	}
	return ok
}

// left notes the rooms that became empty.
func (s *Store) left(m client.Member, rooms []string, leaves []*op) {
	for i, o := range leaves {
		if reply := o.integer(); reply > 0 && reply&leftEmpty != 0 {
			s.noteRoom(m.Namespace, rooms[i], -1)
		}
	}
}

func (s *Store) noteRoom(ns, name string, delta int) {
	if !room.IsUser(name) {
		s.rooms.note(ns, name, delta)
	}
}

// undo takes back the joins of a superseded connection, together with more.
// A newer connection's entries are safe: they have a greater generation.
func (s *Store) undo(ctx context.Context, m client.Member, rooms []string, joins []*op, more ...*op) error {
	var names []string
	var leaves []*op
	for i, o := range joins {
		reply := o.integer()
		if reply < 0 {
			continue
		}
		mode := leaveKeep
		if reply&joinedNew != 0 {
			mode = leaveUndo
		}
		names = append(names, rooms[i])
		leaves = append(leaves, s.leaveOp(m, rooms[i], mode))
	}
	// The caller's context may be what a newer connection has ended.
	ctx = context.WithoutCancel(ctx)
	if err := s.runShared(ctx, append(leaves, more...)...); err != nil {
		return err
	}
	s.left(m, names, leaves)
	return nil
}

func (s *Store) nowMillis() int64 { return s.opt.Now().UnixMilli() }

// encodeMember is the form of a connection in its node's list: everything a
// sweep needs. The client id is last because it may contain anything.
func encodeMember(m client.Member) string {
	return strconv.FormatInt(m.Gen, 10) + "|" + m.Platform + "|" + escape(m.Namespace) + "|" + escape(m.UserID) + "|" + m.ClientID
}

func decodeMember(node, text string) (client.Member, bool) {
	parts := strings.SplitN(text, "|", 5)
	if len(parts) != 5 {
		return client.Member{}, false
	}
	gen, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return client.Member{}, false
	}
	return client.Member{
		Node: node, Gen: gen, Platform: parts[1],
		Namespace: unescape(parts[2]), UserID: unescape(parts[3]), ClientID: parts[4],
	}, true
}
