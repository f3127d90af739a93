package store

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

// connection is one connection of a device in the model.
type connection struct {
	client.Member
	rooms map[string]bool
}

// model is what should be true: a device is where its newest connection is.
type model struct {
	t       *testing.T
	s       *Store
	rand    *rand.Rand
	ns      string
	devices []client.Identity
	rooms   []string
	nodes   []string

	newest map[string]*connection     // client id → its newest connection, nil once released
	gens   map[string]int64           // client id → generation of the newest claim
	open   []*connection              // entered and not yet released; superseded ones too
	total  map[string]map[string]bool // room → devices that joined and did not leave
	seen   map[string]bool
	counts map[string]int // operations done, by kind
}

func newModel(t *testing.T, s *Store, seed uint64) *model {
	m := &model{
		t: t, s: s, rand: rand.New(rand.NewPCG(seed, 1)), ns: "/model",
		nodes:  []string{"n1", "n2", "n3", "n4"},
		newest: map[string]*connection{}, gens: map[string]int64{},
		total: map[string]map[string]bool{}, seen: map[string]bool{}, counts: map[string]int{},
	}
	for i := range 24 {
		m.devices = append(m.devices, client.Identity{
			Namespace: m.ns, UserID: fmt.Sprintf("u%d#$", i/3), Platform: client.Platforms[i%3], UUID: fmt.Sprintf("d-%d", i),
		})
	}
	for i := range 10 {
		m.rooms = append(m.rooms, fmt.Sprintf("room.%d", i))
	}
	return m
}

func (m *model) pick() *connection {
	if len(m.open) == 0 {
		return nil
	}
	return m.open[m.rand.IntN(len(m.open))]
}

func (m *model) someRooms(max int) []string {
	n := m.rand.IntN(max + 1)
	rooms := make([]string, 0, n)
	for _, i := range m.rand.Perm(len(m.rooms))[:n] {
		rooms = append(rooms, m.rooms[i])
	}
	return rooms
}

func (m *model) superseded(c *connection) bool { return m.gens[c.ClientID] != c.Gen }

func (m *model) step() {
	switch p := m.rand.IntN(100); {
	case p < 25:
		m.connect()
	case p < 55:
		m.join()
	case p < 75:
		m.leave()
	case m.rand.IntN(10) > 0:
		if c := m.pick(); c != nil {
			m.release(c)
		}
	case m.rand.IntN(5) == 0:
		m.expel(m.nodes[m.rand.IntN(len(m.nodes))])
	}
}

func (m *model) connect() {
	m.counts["connect"]++
	d := m.devices[m.rand.IntN(len(m.devices))]
	c := &connection{rooms: map[string]bool{}, Member: client.Member{
		Namespace: m.ns, ClientID: d.ID(), UserID: d.UserID, Platform: d.Platform, Node: m.nodes[m.rand.IntN(len(m.nodes))],
	}}
	if m.rand.IntN(10) == 0 {
		c.UserID = "renamed" // by the connect callback
	}
	claim, err := m.s.Claim(m.t.Context(), c.Member)
	gen, prev := claim.Gen, claim.Prev
	check(m.t, err)
	if gen <= m.gens[c.ClientID] {
		m.t.Fatalf("generation %d after %d", gen, m.gens[c.ClientID])
	}
	want := client.Holder{}
	if old := m.newest[c.ClientID]; old != nil {
		want = client.Holder{Node: old.Node, Gen: old.Gen}
	}
	if prev != want {
		m.t.Fatalf("%s was held by %+v, want %+v", c.ClientID, prev, want)
	}
	c.Gen = gen
	m.gens[c.ClientID], m.newest[c.ClientID] = gen, c
	rooms := append([]string{room.ForUser(c.UserID)}, m.someRooms(3)...)
	check(m.t, m.s.Enter(m.t.Context(), c.Member, rooms))
	m.seen[c.ClientID] = true
	m.open = append(m.open, c)
	m.joined(c, rooms)
}

func (m *model) joined(c *connection, rooms []string) {
	for _, r := range rooms {
		c.rooms[r] = true
		if m.total[r] == nil {
			m.total[r] = map[string]bool{}
		}
		m.total[r][c.ClientID] = true
	}
}

func (m *model) join() {
	c := m.pick()
	if c == nil {
		return
	}
	m.counts["join"]++
	rooms := m.someRooms(3)
	err := m.s.Join(m.t.Context(), c.Member, rooms)
	m.expect("join", c, len(rooms), err)
	if err == nil {
		m.joined(c, rooms)
	}
}

func (m *model) leave() {
	c := m.pick()
	if c == nil {
		return
	}
	m.counts["leave"]++
	rooms := m.someRooms(4)
	err := m.s.Leave(m.t.Context(), c.Member, rooms)
	m.expect("leave", c, len(rooms), err)
	if err == nil {
		for _, r := range rooms {
			delete(c.rooms, r)
			delete(m.total[r], c.ClientID)
		}
	}
}

func (m *model) expect(what string, c *connection, rooms int, err error) {
	m.t.Helper()
	if rooms > 0 && m.superseded(c) {
		if !errors.Is(err, client.ErrSuperseded) {
			m.t.Fatalf("%s of a superseded connection: %v", what, err)
		}
		return
	}
	check(m.t, err)
}

// release ends a connection, in time or late.
func (m *model) release(c *connection) {
	m.counts["release"]++
	if m.superseded(c) {
		m.counts["late release"]++
	}
	check(m.t, m.s.Release(m.t.Context(), c.Member, slices.Collect(maps.Keys(c.rooms)), client.ReasonNetwork, true))
	m.released(c)
}

func (m *model) released(c *connection) {
	m.open = slices.DeleteFunc(m.open, func(o *connection) bool { return o == c })
	if m.newest[c.ClientID] == c {
		m.newest[c.ClientID] = nil
	}
}

// expel sweeps a node that died, with all its connections.
func (m *model) expel(node string) {
	m.counts["expel"]++
	cursor := uint64(0)
	for {
		members, next, err := m.s.Connections(m.t.Context(), node, cursor, 5)
		check(m.t, err)
		check(m.t, m.s.Expel(m.t.Context(), members, client.ReasonNetwork))
		if cursor = next; cursor == 0 {
			break
		}
	}
	for _, c := range slices.Clone(m.open) {
		if c.Node == node {
			m.released(c)
		}
	}
	if left := must[int64](m.t)(m.s.rdb.ZCard(m.t.Context(), m.s.keys.connections(node)).Result()); left != 0 {
		m.t.Fatalf("%d connections are still listed under %s", left, node)
	}
}

// settle does all late cleanups.
func (m *model) settle() {
	for _, c := range slices.Clone(m.open) {
		if m.superseded(c) {
			m.release(c)
		}
	}
}

func (m *model) online() []*connection {
	var list []*connection
	for _, c := range m.newest {
		if c != nil {
			list = append(list, c)
		}
	}
	return list
}

// verify compares every figure with the store's.
func (m *model) verify() {
	m.t.Helper()
	ctx := m.t.Context()
	users, clients, rooms := map[string]int{}, map[string]int{}, map[string]int{}
	nodes := map[string]int{}
	for _, c := range m.online() {
		users[c.UserID]++
		clients[c.ClientID]++
		nodes[c.Node]++
		for r := range c.rooms {
			if !room.IsUser(r) {
				rooms[r]++
			}
		}
	}
	want := room.Online{Rooms: int64(len(rooms)), Users: int64(len(users)), Clients: int64(len(clients)), Total: int64(len(m.seen))}
	if got := must[room.Online](m.t)(m.s.Online(ctx, m.ns)); got != want {
		m.t.Errorf("online %+v, want %+v", got, want)
	}
	m.same("online clients", must[[]string](m.t)(m.s.OnlineClients(ctx, m.ns)), clients)
	m.same("online users", must[[]string](m.t)(m.s.OnlineUsers(ctx, m.ns)), users)
	m.same("online rooms", must[[]string](m.t)(m.s.OnlineRooms(ctx, m.ns)), rooms)
	m.counted("users of the namespace", m.s.keys.namespace(m.ns).users, users)
	for _, n := range m.nodes {
		if got := must[int64](m.t)(m.s.rdb.ZCard(ctx, m.s.keys.connections(n)).Result()); got != int64(nodes[n]) {
			m.t.Errorf("%d connections on %s, want %d", got, n, nodes[n])
		}
	}
	for r := range m.total {
		m.verifyRoom(r)
	}
	for _, d := range m.devices {
		node := m.s.rdb.HGet(ctx, m.s.keys.client(m.ns, d.ID()), "~node").Val()
		if c := m.newest[d.ID()]; (c == nil && node != "") || (c != nil && node != c.Node) {
			m.t.Errorf("%s is on %q, want %+v", d.ID(), node, c)
		}
	}
}

func (m *model) verifyRoom(r string) {
	m.t.Helper()
	ctx := m.t.Context()
	users, clients, index := map[string]int{}, map[string]int{}, map[string]int{}
	var want room.Count
	for _, c := range m.online() {
		if c.rooms[r] {
			users[c.UserID]++
			clients[c.ClientID]++
			index[c.Node]++
			index["~"+c.Platform]++
			add(&want.Online, c.Platform)
		}
	}
	for id := range m.total[r] {
		_, rest, _ := strings.Cut(strings.TrimPrefix(id, m.ns+"#"), "#$#")
		platform, _, _ := strings.Cut(rest, "-")
		add(&want.Total, platform)
	}
	want.Users = int64(len(users))
	if got := must[[]room.Count](m.t)(m.s.RoomCounts(ctx, m.ns, []string{r}))[0]; got != want {
		m.t.Errorf("room %s: %+v, want %+v", r, got, want)
	}
	m.same("clients of "+r, must[[]string](m.t)(m.s.RoomClients(ctx, m.ns, r)), clients)
	m.same("users of "+r, must[[]string](m.t)(m.s.RoomUsers(ctx, m.ns, r)), users)
	k := m.s.keys.room(m.ns, r)
	m.counted("index of "+r, k.index, index)
	m.counted("users of "+r, k.users, users)
}

func add(p *room.PerPlatform, platform string) {
	switch platform {
	case client.IOS:
		p.IOS++
	case client.Android:
		p.Android++
	default:
		p.Web++
	}
}

func (m *model) same(what string, got []string, want map[string]int) {
	m.t.Helper()
	if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(got, sorted) {
		m.t.Errorf("%s: %q, want %q", what, got, sorted)
	}
}

func (m *model) counted(what, key string, want map[string]int) {
	m.t.Helper()
	got := map[string]int{}
	for f, v := range must[map[string]string](m.t)(m.s.rdb.HGetAll(m.t.Context(), key).Result()) {
		got[f], _ = strconv.Atoi(v)
	}
	if !maps.Equal(got, want) {
		m.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestPresenceModel does random operations of many connections, with
// take-overs, late cleanups and swept nodes, and compares every figure.
func TestPresenceModel(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		m := newModel(t, b.open(t, nil), 20260101)
		steps := 20_000
		switch b.name {
		case "embedded":
			steps = 3_000 // its Lua takes a quarter of a millisecond per script
		case "cluster":
			steps = 4_000
		}
		for i := range steps {
			m.step()
			if i%(steps/4) == steps/8 {
				m.settle()
				m.verify()
			}
			if t.Failed() {
				t.Fatalf("after step %d", i)
			}
		}
		m.settle()
		m.verify()
		for _, c := range slices.Clone(m.open) {
			m.release(c)
		}
		m.verify()
		t.Log(m.counts)
	})
}
