package simulator

import (
	"math/rand/v2"
	"slices"
	"strconv"
)

// plan is what follows from a Config alone, so that every process of a run comes to the same: who a device is, which
// rooms it joins, which stream carries what.
type plan struct {
	cfg   *Config
	run   string   // letters and digits, in every mark
	rooms []string // all rooms of the rules; index is the room number
	base  []int    // first room number of each rule
	users int32    // stream of the user room of device 0; the others follow
}

func newPlan(cfg *Config, run string) *plan {
	p := &plan{cfg: cfg, run: run}
	if cfg.PublicRoom != "" {
		p.rooms = append(p.rooms, cfg.PublicRoom)
	}
	for _, r := range cfg.Rules {
		p.base = append(p.base, len(p.rooms))
		for i := range r.Total {
			p.rooms = append(p.rooms, r.Prefix+"_"+strconv.Itoa(i))
		}
	}
	p.users = int32(len(p.rooms) * p.perRoom())
	return p
}

// perRoom is how many streams a room has.
func (p *plan) perRoom() int {
	if p.cfg.EverySender {
		return p.cfg.PushSenders
	}
	return 1
}

// streams is how many there are.
func (p *plan) streams() int { return int(p.users) + p.cfg.Total }

// room is where a stream goes.
func (p *plan) room(stream int32) string {
	if stream >= p.users {
		return "user_" + p.uuid(stream-p.users)
	}
	return p.rooms[int(stream)/p.perRoom()]
}

// sender is who sends a stream: always the same one, so that it has an order.
func (p *plan) sender(stream int32) int { return int(stream) % p.cfg.PushSenders }

func (p *plan) uuid(device int32) string {
	return p.cfg.UUIDPrefix + strconv.Itoa(p.cfg.UUIDInit+int(device))
}

// transport of a device.
type transport uint8

const (
	overWebSocket transport = iota
	overPolling
	overUpgrade
)

// identity is what a device is for the whole run.
type identity struct {
	v3        bool
	slow      bool
	transport transport
	platform  string
}

func (p *plan) random(device int32, what uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.cfg.Seed, uint64(device)<<8|what))
}

func (p *plan) identity(device int32) identity {
	r := p.random(device, 1)
	id := identity{v3: p.cfg.Protocol.Pick(r.Float64()) == "3"}
	switch p.cfg.Transport.Pick(r.Float64()) {
	case "polling":
		id.transport = overPolling
	case "upgrade":
		id.transport = overUpgrade
	}
	id.platform = p.cfg.Platform.Pick(r.Float64())
	id.slow = r.Float64() < p.cfg.SlowRatio
	return id
}

// memberships are the streams a device hears, in ascending order.
func (p *plan) memberships(device int32) []member {
	var rooms []int
	if p.cfg.PublicRoom != "" {
		rooms = append(rooms, 0)
	}
	r := p.random(device, 2)
	for i, rule := range p.cfg.Rules {
		for _, n := range distinct(r, rule.Total, rule.Pick) {
			rooms = append(rooms, p.base[i]+n)
		}
	}
	members := make([]member, 0, len(rooms)*p.perRoom()+1)
	for _, room := range rooms {
		for s := range p.perRoom() {
			members = append(members, member{stream: int32(room*p.perRoom() + s)})
		}
	}
	if p.cfg.PushRate != 0 && p.cfg.PushTarget.Of("user") > 0 {
		members = append(members, member{stream: p.users + device})
	}
	return members
}

// distinct picks n different numbers below total, ascending.
func distinct(r *rand.Rand, total, n int) []int {
	picked := make(map[int]bool, n)
	for i := total - n; i < total; i++ { // Floyd's algorithm
		v := r.IntN(i + 1)
		if picked[v] {
			v = i
		}
		picked[v] = true
	}
	list := make([]int, 0, n)
	for v := range picked {
		list = append(list, v)
	}
	slices.Sort(list)
	return list
}

// sampleEvery is how far apart the messages are whose acks are compared with the server's report.
func (p *plan) sampleEvery() int32 {
	expected := p.cfg.PushRate * p.cfg.Duration.Seconds()
	if p.cfg.PushRate < 0 {
		expected = 5000 * p.cfg.Duration.Seconds()
	}
	if p.cfg.PushMax > 0 {
		expected = min(expected, float64(p.cfg.PushMax))
	}
	return int32(max(1, min(expected, maxPushes)/200))
}

// sampled says whether a message is one of those.
func (p *plan) sampled(stream, seq int32) bool {
	return (stream*31+seq)%p.sampleEvery() == 0
}
