package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/node"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// commandCalls counts the commands of the server so far, by name; those that look at it are left out.
func commandCalls(t testing.TB, s *Store) map[string]int {
	t.Helper()
	info, err := infoSection(t.Context(), s.rdb, "commandstats")
	check(t, err)
	calls := map[string]int{}
	for name, stats := range info {
		name = strings.TrimPrefix(name, "cmdstat_")
		n, _, _ := strings.Cut(strings.TrimPrefix(stats, "calls="), ",")
		if count, err := strconv.Atoi(n); err == nil && name != "info" && name != "xlen" {
			calls[name] = count
		}
	}
	return calls
}

// TestRoutingCost: a push to the room of one user costs the same commands, and work on one node, whether there is one
// connector or fifty.
func TestRoutingCost(t *testing.T) {
	type cost struct {
		commands map[string]int
		entries  int64 // in the streams of all nodes
	}
	const pushes, users = 200, 20
	measure := func(t *testing.T, nodes int, target string) cost {
		options := Options{Addresses: realServer(t).Addresses, Prefix: fmt.Sprintf("route%d:", prefixes.Add(1)), RecoveryWindow: time.Minute}
		s := (&backend{options: options}).open(t, nil)
		var streams []string
		for n := range nodes {
			id := fmt.Sprintf("node%d", n)
			must[bool](t)(s.Beat(t.Context(), id, time.Hour))
			streams = append(streams, bus.StreamKey(options.Prefix, id))
			check(t, s.run(t.Context(), do("XADD", streams[n], "*", "h", ""))) // as its reader does
			for u := range users {
				m := client.Member{
					Namespace: "/demo", ClientID: fmt.Sprintf("/demo#u%d-%d#web-a", n, u), UserID: fmt.Sprintf("u%d-%d", n, u),
					Platform: client.Web, Node: id,
				}
				claim := must[client.Claim](t)(s.Claim(t.Context(), m))
				m.Gen = claim.Gen
				check(t, s.Enter(t.Context(), m, []string{room.ForUser(m.UserID), "everybody"}))
			}
		}
		check(t, s.Close()) // with what it still had to write
		s = (&backend{options: options}).open(t, nil)
		entries := func() (sum int64) {
			for _, stream := range streams {
				sum += must[int64](t)(s.rdb.XLen(t.Context(), stream).Result())
			}
			return sum
		}
		before, entriesBefore := commandCalls(t, s), entries()
		for i := range pushes {
			m := &push.Message{
				Namespace: "/demo", Room: target, PushData: json.RawMessage(`{"n":` + strconv.Itoa(i) + `}`), Expire: "1",
				SendDate: time.Now().UnixMilli(), ExpireAt: time.Now().Add(time.Hour).UnixMilli(),
			}
			check(t, s.Accept(t.Context(), []*push.Message{m}))
		}
		c := cost{commandCalls(t, s), entries() - entriesBefore}
		for name := range c.commands {
			if c.commands[name] -= before[name]; c.commands[name] == 0 {
				delete(c.commands, name)
			}
		}
		return c
	}
	one, fifty := measure(t, 1, "user_u0-7"), measure(t, 50, "user_u0-7")
	t.Logf("%d pushes to a user: %v with one node, %v with fifty", pushes, one.commands, fifty.commands)
	if !maps.Equal(one.commands, fifty.commands) {
		t.Errorf("commands with one node %v, with fifty %v", one.commands, fifty.commands)
	}
	if one.entries != pushes || fifty.entries != pushes {
		t.Errorf("%d stream entries with one node, %d with fifty, want %d", one.entries, fifty.entries, pushes)
	}
	// The room of everybody costs an entry per node, and nothing else more.
	all := measure(t, 50, "everybody")
	if all.entries != 50*pushes || all.commands["xadd"]-fifty.commands["xadd"] != 49*pushes {
		t.Errorf("the room of everybody: %d entries, commands %v", all.entries, all.commands)
	}
	delete(all.commands, "xadd")
	delete(fifty.commands, "xadd")
	if !maps.Equal(all.commands, fifty.commands) {
		t.Errorf("commands but xadd: %v for everybody, %v for a user", all.commands, fifty.commands)
	}
}

// churn is many devices that come and go on many nodes that die and return, and what should be true of them.
type churn struct {
	t     *testing.T
	s     *Store
	ns    string
	nodes []string
	rooms []string
	parts []*churnPart
	done  atomic.Int64
}

// churnPart are devices of which one goroutine takes care at a time.
type churnPart struct {
	rand    *rand.Rand
	devices []*churnDevice
}

// churnDevice is a device: its newest connection, and older ones whose end comes late.
type churnDevice struct {
	id     client.Identity
	newest *connection // nil: offline
	gen    int64
	late   []*connection
}

func (c *churn) someRooms(r *rand.Rand, most int) []string {
	list := make([]string, 0, most)
	seen := map[string]bool{}
	for range 1 + r.IntN(most) {
		i := r.IntN(len(c.rooms))
		if r.IntN(4) == 0 {
			i = 0 // the hot one
		}
		if name := c.rooms[i]; !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
	}
	return list
}

// step does one thing with one device.
func (c *churn) step(p *churnPart) {
	ctx := c.t.Context()
	d := p.devices[p.rand.IntN(len(p.devices))]
	switch n := p.rand.IntN(100); {
	case d.newest == nil || n < 15: // it connects, maybe while it is connected elsewhere
		next := &connection{rooms: map[string]bool{}, Member: client.Member{
			Namespace: c.ns, ClientID: d.id.ID(), UserID: d.id.UserID, Platform: d.id.Platform, Node: c.nodes[p.rand.IntN(len(c.nodes))],
		}}
		claim, err := c.s.Claim(ctx, next.Member)
		c.failed(err)
		next.Gen, d.gen = claim.Gen, claim.Gen
		rooms := append(c.someRooms(p.rand, 3), room.ForUser(d.id.UserID))
		c.failed(c.s.Enter(ctx, next.Member, rooms))
		for _, r := range rooms {
			next.rooms[r] = true
		}
		if d.newest != nil {
			d.late = append(d.late, d.newest)
		}
		d.newest = next
	case n < 55:
		rooms := c.someRooms(p.rand, 3)
		c.failed(c.s.Join(ctx, d.newest.Member, rooms))
		for _, r := range rooms {
			d.newest.rooms[r] = true
		}
	case n < 80:
		rooms := c.someRooms(p.rand, 3)
		c.failed(c.s.Leave(ctx, d.newest.Member, rooms))
		for _, r := range rooms {
			delete(d.newest.rooms, r)
		}
	case n < 90:
		c.release(d.newest)
		d.newest = nil
	case len(d.late) > 0: // the old node notices at last; it also tries to join once more
		old := d.late[0]
		d.late = d.late[1:]
		if err := c.s.Join(ctx, old.Member, c.someRooms(p.rand, 2)); !errors.Is(err, client.ErrSuperseded) {
			c.t.Errorf("a superseded connection joined: %v", err)
		}
		c.release(old)
	}
}

func (c *churn) release(old *connection) {
	rooms := make([]string, 0, len(old.rooms))
	for r := range old.rooms {
		rooms = append(rooms, r)
	}
	c.failed(c.s.Release(c.t.Context(), old.Member, rooms, client.ReasonNetwork, true))
}

func (c *churn) failed(err error) {
	if err != nil {
		c.t.Error(err)
	}
}

// crash sweeps a node. With returns it was only frozen, and registers what it holds again, unless the device is newer
// elsewhere by then.
func (c *churn) crash(r *rand.Rand, name string, returns bool) {
	sweeper := node.NewSweeper(c.s, "sweeper", time.Hour, 0, nil, nil)
	defer sweeper.Close()
	check(c.t, sweeper.SweepNode(c.t.Context(), name))
	var frozen []*connection
	for _, p := range c.parts {
		for _, d := range p.devices {
			if d.newest != nil && d.newest.Node == name {
				frozen = append(frozen, d.newest)
				d.newest = nil
			}
		}
	}
	must[bool](c.t)(c.s.Beat(c.t.Context(), name, time.Hour))
	if !returns {
		return
	}
	owners := map[string]*churnDevice{}
	for _, p := range c.parts {
		for _, d := range p.devices {
			owners[d.id.ID()] = d
			if r.IntN(4) == 0 && d.newest == nil { // some do not wait for it
				for range 3 {
					c.step(&churnPart{rand: r, devices: []*churnDevice{d}})
				}
			}
		}
	}
	for _, old := range frozen {
		rooms := make([]string, 0, len(old.rooms))
		for name := range old.rooms {
			rooms = append(rooms, name)
		}
		d := owners[old.ClientID]
		err := c.s.Enter(c.t.Context(), old.Member, rooms)
		switch {
		case d.gen == old.Gen && err == nil:
			d.newest = old
		case d.gen != old.Gen && errors.Is(err, client.ErrSuperseded):
		default:
			c.t.Errorf("a connection of generation %d returns while %d is the newest: %v", old.Gen, d.gen, err)
		}
	}
}

// verify compares members and index of every room with the truth, when the ends of all old connections were noticed.
func (c *churn) verify() {
	c.t.Helper()
	for _, p := range c.parts {
		for _, d := range p.devices {
			for _, old := range d.late {
				c.release(old)
			}
			d.late = nil
		}
	}
	members, index, users := map[string]map[string]string{}, map[string]map[string]int{}, map[string]map[string]int{}
	count := func(into map[string]map[string]int, r, field string) {
		if into[r] == nil {
			into[r] = map[string]int{}
		}
		into[r][field]++
	}
	names := map[string]bool{}
	for _, r := range c.rooms {
		names[r] = true
	}
	for _, p := range c.parts {
		for _, d := range p.devices {
			names[room.ForUser(d.id.UserID)] = true
			if d.newest == nil {
				continue
			}
			for r := range d.newest.rooms {
				if members[r] == nil {
					members[r] = map[string]string{}
				}
				members[r][d.newest.ClientID] = fmt.Sprintf("%d|%s|%s|%s", d.newest.Gen, d.newest.Platform, d.newest.Node, d.newest.UserID)
				count(index, r, d.newest.Node)
				count(index, r, "~"+d.newest.Platform)
				count(users, r, d.newest.UserID)
			}
		}
	}
	wrong := 0
	for r := range names {
		k := c.s.keys.room(c.ns, r)
		got := must[map[string]string](c.t)(c.s.rdb.HGetAll(c.t.Context(), k.members).Result())
		if !maps.Equal(got, orEmpty(members[r])) {
			wrong++
		}
		for key, want := range map[string]map[string]int{k.index: index[r], k.users: users[r]} {
			texts := map[string]string{}
			for field, n := range want {
				texts[field] = strconv.Itoa(n)
			}
			if got := must[map[string]string](c.t)(c.s.rdb.HGetAll(c.t.Context(), key).Result()); !maps.Equal(got, texts) {
				if wrong++; wrong < 5 {
					c.t.Errorf("%s is %v, want %v", key, got, texts)
				}
			}
		}
	}
	if wrong > 0 {
		c.t.Errorf("%d of %d rooms are wrong after %d operations", wrong, len(names), c.done.Load())
	}
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// TestIndexAfterChurn: after 100,000 joins, leaves, connects, disconnects in time and late, of devices on twelve nodes
// that crash and return, the index of every room says exactly where its members are.
func TestIndexAfterChurn(t *testing.T) {
	const operations, rounds, workers, devices = 100_000, 50, 16, 800
	const seed = 20261120
	c := &churn{t: t, ns: "/churn"}
	c.s = (&backend{options: Options{Addresses: realServer(t).Addresses, Prefix: fmt.Sprintf("churn%d:", prefixes.Add(1)), RecoveryWindow: time.Minute}}).open(t, nil)
	for i := range 12 {
		c.nodes = append(c.nodes, fmt.Sprintf("n%d", i))
		must[bool](t)(c.s.Beat(t.Context(), c.nodes[i], time.Hour))
	}
	for i := range 60 {
		c.rooms = append(c.rooms, fmt.Sprintf("room%d", i))
	}
	for w := range workers {
		p := &churnPart{rand: rand.New(rand.NewPCG(seed, uint64(w)))}
		for i := range devices / workers {
			p.devices = append(p.devices, &churnDevice{id: client.Identity{
				Namespace: c.ns, UserID: fmt.Sprintf("u%d", (w*devices/workers+i)/3), Platform: client.Platforms[i%3], UUID: fmt.Sprintf("d%d-%d", w, i),
			}})
		}
		c.parts = append(c.parts, p)
	}
	r := rand.New(rand.NewPCG(seed, 1<<32))
	crashes, returns := 0, 0
	for round := range rounds {
		var wg sync.WaitGroup
		for _, p := range c.parts {
			wg.Go(func() {
				for range operations / rounds / workers {
					c.step(p)
					c.done.Add(1)
				}
			})
		}
		wg.Wait()
		comes := r.IntN(2) == 0
		c.crash(r, c.nodes[r.IntN(len(c.nodes))], comes)
		if crashes++; comes {
			returns++
		}
		if round%10 == 9 {
			c.verify()
		}
		if t.Failed() {
			t.Fatalf("seed %d, round %d", seed, round)
		}
	}
	t.Logf("%d operations, %d crashes, %d returns", c.done.Load(), crashes, returns)
}
