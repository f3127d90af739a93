package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/canary"
)

const (
	// ringLook is how many members more than asked for are looked at: as many
	// neighbours may have died at once before a living one is overlooked.
	ringLook = 6
	// pickedKeep is how long it is known what was picked up.
	pickedKeep = 20 * time.Minute
)

// ring is a zset of the connectors that write canaries, all with the score 0
// and therefore in the order of their names: node, a space, the milliseconds
// between its canaries. A node id has no space.
func (k keys) ring() string { return k.prefix + "canary" }

// picked is when the last canary of a process that was picked up had been
// sent; pickedLast is the last of any: the time, the interval and the process,
// with spaces between.
func (k keys) picked(process string) string { return k.prefix + "canary:" + process }
func (k keys) pickedLast() string           { return k.prefix + "canary:" } // no process has an empty name

func ringMember(node string, interval time.Duration) string {
	return node + " " + strconv.FormatInt(interval.Milliseconds(), 10)
}

func parseRingMember(member string) (p canary.Peer, ok bool) {
	node, text, _ := strings.Cut(member, " ")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || node == "" || ms <= 0 {
		return canary.Peer{}, false
	}
	return canary.Peer{Node: node, Interval: time.Duration(ms) * time.Millisecond}, true
}

// KeepInRing implements canary.Store. Members without a lease are those of
// nodes that were swept by a process that does not know of the ring, and go.
func (s *Store) KeepInRing(ctx context.Context, node string, interval time.Duration, n int) (before, behind []canary.Peer, err error) {
	if err := checkNode(node); err != nil {
		return nil, nil, err
	}
	own, ring := ringMember(node, interval), s.keys.ring()
	look := n + ringLook
	reads := []*op{
		do("ZREVRANGEBYLEX", ring, "("+own, "-", "LIMIT", 0, look), do("ZREVRANGEBYLEX", ring, "+", "("+own, "LIMIT", 0, look),
		do("ZRANGEBYLEX", ring, "("+own, "+", "LIMIT", 0, look), do("ZRANGEBYLEX", ring, "-", "("+own, "LIMIT", 0, look),
	}
	if err := s.run(ctx, append([]*op{do("ZADD", ring, 0, own)}, reads...)...); err != nil {
		return nil, nil, fmt.Errorf("keep node %s in the ring: %w", node, err)
	}
	peers, err := s.livingPeers(ctx, [][]string{around(reads[0], reads[1], look), around(reads[2], reads[3], look)}, node)
	if err != nil {
		return nil, nil, fmt.Errorf("leases of the ring: %w", err)
	}
	return firstPeers(peers[0], n), firstPeers(peers[1], n), nil
}

// RingBehind implements canary.Store.
func (s *Store) RingBehind(ctx context.Context, name string, n int) ([]canary.Peer, error) {
	// Behind whatever follows the name: "!" is the first character behind the space.
	from, look := name+"!", n+ringLook
	up := do("ZRANGEBYLEX", s.keys.ring(), "["+from, "+", "LIMIT", 0, look)
	round := do("ZRANGEBYLEX", s.keys.ring(), "-", "("+from, "LIMIT", 0, look)
	if err := s.run(ctx, up, round); err != nil {
		return nil, fmt.Errorf("read the ring: %w", err)
	}
	peers, err := s.livingPeers(ctx, [][]string{around(up, round, look)}, "")
	if err != nil {
		return nil, fmt.Errorf("leases of the ring: %w", err)
	}
	return firstPeers(peers[0], n), nil
}

// around is what two reads found, the second one beginning at the other end.
func around(first, second *op, n int) []string {
	list := append(first.texts(), second.texts()...)
	return list[:min(len(list), n)]
}

// LeaveRing implements canary.Store.
func (s *Store) LeaveRing(ctx context.Context, node string) error {
	if err := s.run(ctx, s.leaveRing(node)); err != nil {
		return fmt.Errorf("node %s leaves the ring: %w", node, err)
	}
	return nil
}

// leaveRing removes all a node may have been: its interval may have changed.
func (s *Store) leaveRing(node string) *op {
	return do("ZREMRANGEBYLEX", s.keys.ring(), "["+node+" ", "("+node+"!")
}

// livingPeers keeps those of lists that have a lease, other than node.
func (s *Store) livingPeers(ctx context.Context, lists [][]string, node string) ([][]canary.Peer, error) {
	leases := map[string]*op{}
	var ops []*op
	for _, list := range lists {
		for _, member := range list {
			if p, ok := parseRingMember(member); ok && leases[p.Node] == nil {
				leases[p.Node] = do("ZSCORE", s.keys.nodes(), p.Node)
				ops = append(ops, leases[p.Node])
			}
		}
	}
	if err := s.run(ctx, ops...); err != nil {
		return nil, err
	}
	now := s.nowMillis()
	gone := do("ZREM", s.keys.ring())
	found := make([][]canary.Peer, len(lists))
	for i, list := range lists {
		for _, member := range list {
			p, ok := parseRingMember(member)
			switch {
			case !ok || p.Node != node && leases[p.Node].absent():
				gone.args = append(gone.args, member)
				continue
			case p.Node == node:
				gone.args = append(gone.args, member) // of the same name, with another interval
				continue
			}
			end, _ := strconv.ParseFloat(leases[p.Node].text(), 64)
			if p.Lease = int64(end); p.Lease >= now {
				found[i] = append(found[i], p)
			}
		}
	}
	if len(gone.args) > 2 {
		return found, s.run(ctx, gone)
	}
	return found, nil
}

// firstPeers are the first n without repeats, which a ring that is read in two
// halves may have.
func firstPeers(list []canary.Peer, n int) (first []canary.Peer) {
	seen := map[string]bool{}
	for _, p := range list {
		if len(first) < n && !seen[p.Node] {
			seen[p.Node] = true
			first = append(first, p)
		}
	}
	return first
}

// PickUp implements canary.Store.
func (s *Store) PickUp(ctx context.Context, notes []canary.Note) error {
	ops := make([]*op, 0, len(notes)+1)
	for i, n := range notes {
		sent := strconv.FormatInt(n.Sent, 10)
		ops = append(ops, do("SET", s.keys.picked(n.From), sent, "PX", pickedKeep.Milliseconds()))
		if i == len(notes)-1 {
			ops = append(ops, do("SET", s.keys.pickedLast(), sent+" "+strconv.FormatInt(n.Interval.Milliseconds(), 10)+" "+n.From, "PX", pickedKeep.Milliseconds()))
		}
	}
	if err := s.run(ctx, ops...); err != nil {
		return fmt.Errorf("pick up canaries: %w", err)
	}
	return nil
}

// PickedUp implements canary.Store.
func (s *Store) PickedUp(ctx context.Context, process string) (own int64, last canary.Note, err error) {
	mine, any := do("GET", s.keys.picked(process)), do("GET", s.keys.pickedLast())
	if err := s.run(ctx, mine, any); err != nil {
		return 0, canary.Note{}, fmt.Errorf("canaries that were picked up: %w", err)
	}
	if parts := strings.SplitN(any.text(), " ", 3); len(parts) == 3 {
		interval, _ := strconv.ParseInt(parts[1], 10, 64)
		last = canary.Note{From: parts[2], Interval: time.Duration(interval) * time.Millisecond, Answer: true}
		last.Sent, _ = strconv.ParseInt(parts[0], 10, 64)
	}
	return mine.integer(), last, nil
}

var _ canary.Store = (*Store)(nil)
