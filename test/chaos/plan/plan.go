// Package plan decides, from a seed, which faults happen when. The same options give the same plan; a plan never
// breaks more at once than doc/guarantees.md covers. It imports only the standard library.
package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Kind is a kind of fault.
type Kind string

// Kinds of faults.
const (
	KillConnector   Kind = "kill-connector"   // SIGKILL, started again after For
	KillLogic       Kind = "kill-logic"       // SIGKILL, started again after For
	PauseConnector  Kind = "pause-connector"  // SIGSTOP for at most half its lease
	FreezeConnector Kind = "freeze-connector" // SIGSTOP for longer than its lease
	FreezeLogic     Kind = "freeze-logic"     // SIGSTOP for longer than any lease of its jobs
	KillRedis       Kind = "kill-redis"       // SIGKILL, started again on its append-only file after For
	FreezeRedis     Kind = "freeze-redis"     // SIGSTOP
	Cut             Kind = "cut"              // Count client connections are reset
	HalfOpen        Kind = "half-open"        // Count client connections swallow everything, both ways, and stay open
	Stall           Kind = "stall"            // Count client connections pass nothing for a while
)

// Kinds lists all.
var Kinds = []Kind{KillConnector, KillLogic, PauseConnector, FreezeConnector, FreezeLogic, KillRedis, FreezeRedis, Cut, HalfOpen, Stall}

// ParseKinds reads "all", "none" or a list with commas.
func ParseKinds(text string) ([]Kind, error) {
	switch text {
	case "all":
		return slices.Clone(Kinds), nil
	case "none", "":
		return nil, nil
	}
	var kinds []Kind
	for name := range strings.SplitSeq(text, ",") {
		k := Kind(strings.TrimSpace(name))
		if !slices.Contains(Kinds, k) {
			return nil, fmt.Errorf("plan: no fault is called %q; there are all, none, or of %v", k, Kinds)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

// Fault is one fault of a plan.
type Fault struct {
	At     time.Duration `json:"at"`
	For    time.Duration `json:"for"`
	Kind   Kind          `json:"kind"`
	Target int           `json:"target"` // of processes: which one
	Count  int           `json:"count"`  // of connections: how many
}

// End is when it is over.
func (f Fault) End() time.Duration { return f.At + f.For }

func (f Fault) String() string {
	text := fmt.Sprintf("%6.1f s  %s", f.At.Seconds(), f.Kind)
	switch f.Kind {
	case KillConnector, PauseConnector, FreezeConnector, KillLogic, FreezeLogic:
		text += fmt.Sprintf(" %d", f.Target)
	case Cut, HalfOpen, Stall:
		text += fmt.Sprintf(" %d connections", f.Count)
	}
	if f.For > 0 {
		text += fmt.Sprintf(" for %.1f s", f.For.Seconds())
	}
	return text
}

// Options of a plan.
type Options struct {
	Seed               uint64
	Duration           time.Duration
	Kinds              []Kind
	Every              time.Duration // mean time between two faults
	Connectors, Logics int
	Clients            int
	// Lease of a connector; a freeze is longer, and shorter than FreezeMax.
	Lease, FreezeMax time.Duration
	// LogicFreeze is how long a logic process is stopped at least: longer than the lease of its jobs.
	LogicFreeze time.Duration
	RedisFreeze time.Duration
}

const (
	firstAt  = 5 * time.Second // everybody is connected by then
	calmEnd  = 5 * time.Second // without new faults, and with none on
	recovery = 4 * time.Second // for a process that is back, before another one of its role may go
)

// New makes a plan. Every kind comes once before any comes again, as far as the time suffices.
func New(o Options) []Fault {
	if len(o.Kinds) == 0 {
		return nil
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0x9e3779b97f4a7c15))
	var plan []Fault
	var deck []Kind
	for at := firstAt; ; {
		if len(deck) == 0 {
			deck = slices.Clone(o.Kinds)
			rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		placed := false
		for i, kind := range deck {
			f := o.draw(rng, kind, at)
			if f.End() > o.Duration-calmEnd || !o.allowed(plan, f) {
				continue
			}
			plan = append(plan, f)
			deck = slices.Delete(deck, i, i+1)
			placed = true
			break
		}
		gap := time.Duration(rng.ExpFloat64() * float64(o.Every))
		if !placed {
			gap = time.Second
		}
		at += min(max(gap, 200*time.Millisecond), 4*o.Every)
		if at > o.Duration-calmEnd {
			return plan
		}
	}
}

// draw makes a fault of a kind; it always takes as many numbers, so that plans stay alike when one is refused.
func (o Options) draw(rng *rand.Rand, kind Kind, at time.Duration) Fault {
	a, b := rng.Float64(), rng.Float64()
	between := func(from, to time.Duration) time.Duration {
		return (from + time.Duration(a*float64(to-from))).Round(100 * time.Millisecond)
	}
	f := Fault{At: at.Round(time.Millisecond), Kind: kind}
	switch kind {
	case KillConnector:
		f.Target, f.For = int(b*float64(o.Connectors)), between(500*time.Millisecond, 8*time.Second)
	case PauseConnector:
		f.Target, f.For = int(b*float64(o.Connectors)), between(500*time.Millisecond, o.Lease/2)
	case FreezeConnector:
		f.Target, f.For = int(b*float64(o.Connectors)), between(o.Lease+time.Second, o.FreezeMax)
	case KillLogic:
		f.Target, f.For = int(b*float64(o.Logics)), between(500*time.Millisecond, 8*time.Second)
	case FreezeLogic:
		f.Target, f.For = int(b*float64(o.Logics)), between(o.LogicFreeze, o.LogicFreeze+5*time.Second)
	case KillRedis:
		f.For = between(200*time.Millisecond, 4*time.Second)
	case FreezeRedis:
		f.For = o.RedisFreeze
	case Cut:
		f.Count = 1 + int(b*float64(o.Clients)/4)
	case HalfOpen:
		f.Count = 1 + int(b*float64(o.Clients)/10)
	case Stall:
		f.Count, f.For = 1+int(b*float64(o.Clients)/10), between(time.Second, 8*time.Second)
	}
	return f
}

// role is which pool of processes a fault takes from.
func (k Kind) role() string {
	switch k {
	case KillConnector, PauseConnector, FreezeConnector:
		return "connector"
	case KillLogic, FreezeLogic:
		return "logic"
	case KillRedis, FreezeRedis:
		return "redis"
	default:
		return ""
	}
}

// allowed reports whether a fault may be added: one process of a role is left, Redis has one fault at a time, and a
// connector is not frozen while Redis is away, which would add up to a longer silence than promised for.
func (o Options) allowed(plan []Fault, f Fault) bool {
	role := f.Kind.role()
	for _, other := range plan {
		if over(plan, other) <= f.At || f.End()+recovery <= other.At {
			continue
		}
		if role != "" && role == other.Kind.role() {
			return false
		}
		if (f.Kind == FreezeConnector && other.Kind.role() == "redis") || (other.Kind == FreezeConnector && role == "redis") {
			return false
		}
	}
	return true
}

// over is when what a fault broke is whole again: a process that is started while Redis is away serves only when that is
// back.
func over(plan []Fault, f Fault) time.Duration {
	end := f.End() + recovery
	if f.Kind != KillConnector && f.Kind != KillLogic {
		return end
	}
	for _, r := range plan {
		if r.Kind.role() == "redis" && r.At < end && r.End() > f.At {
			end = max(end, r.End()+recovery)
		}
	}
	return end
}
