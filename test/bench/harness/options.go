package harness

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Sizes of the scenarios.
type Sizes struct {
	Idle   int           `json:"idle"`   // clients that idle for the memory figure
	Settle time.Duration `json:"settle"` // longest wait for memory to settle

	StormRuns    int `json:"storm_runs"`
	StormClients int `json:"storm_clients"` // all at once
	FloorRuns    int `json:"floor_runs"`    // of storms at the floor, which has nothing to lose

	Room        int `json:"room"`
	Singles     int `json:"singles"` // messages one at a time
	Cycles      int `json:"cycles"`  // in which they are sent, the targets taking turns
	Burst       int `json:"burst"`
	Bursts      int `json:"bursts"`
	LoopClients int `json:"loop_clients"`
	Loop        int `json:"loop"` // messages in one loop

	Rate        float64       `json:"rate"` // pushes per second to single users
	RateTime    time.Duration `json:"rate_time"`
	AckMessages int           `json:"ack_messages"` // acknowledged by the whole room at once
	Events      int           `json:"events"`       // of one client at once

	Stay      int           `json:"stay"`   // clients that stay when the others vanish
	Vanish    int           `json:"vanish"` // clients that vanish at once
	Rooms     int           `json:"rooms"`  // many small ones
	RoomSize  int           `json:"room_size"`
	RoomsTime time.Duration `json:"rooms_time"`

	Cluster     int           `json:"cluster"`      // clients of three nodes
	ClusterRate float64       `json:"cluster_rate"` // messages per second to all of them
	ClusterTime time.Duration `json:"cluster_time"`
	Watched     int           `json:"watched"` // clients when something is killed
	FaultRate   float64       `json:"fault_rate"`
	FaultTime   time.Duration `json:"fault_time"`
	RedisDown   time.Duration `json:"redis_down"`
	ReturnAfter time.Duration `json:"return_after"` // until cut clients connect again

	// VanishWait is the longest wait for memory to be as before.
	VanishWait time.Duration `json:"vanish_wait"`
}

// Full sizes are those of the figures to reach; Quick ones fit into three
// minutes and show that everything works.
var (
	Full = Sizes{
		Idle: 10_000, Settle: 140 * time.Second,
		StormRuns: 20, StormClients: 5000, FloorRuns: 5,
		Room: 5000, Singles: 100, Cycles: 10, Burst: 40, Bursts: 5, LoopClients: 1000, Loop: 200,
		Rate: 1000, RateTime: 8 * time.Second, AckMessages: 20, Events: 1000,
		Stay: 8000, Vanish: 10_000, VanishWait: 130 * time.Second,
		Rooms: 2000, RoomSize: 5, RoomsTime: 4 * time.Second,
		Cluster: 3000, ClusterRate: 10, ClusterTime: 5 * time.Second, Watched: 300, FaultRate: 100, FaultTime: 8 * time.Second, RedisDown: 2 * time.Second, ReturnAfter: time.Second,
	}
	Quick = Sizes{
		Idle: 1000, Settle: 4 * time.Second,
		StormRuns: 3, StormClients: 500, FloorRuns: 2,
		Room: 500, Singles: 40, Cycles: 4, Burst: 40, Bursts: 2, LoopClients: 200, Loop: 200,
		Rate: 500, RateTime: 2 * time.Second, AckMessages: 10, Events: 1000,
		Stay: 400, Vanish: 500, VanishWait: 10 * time.Second,
		Rooms: 100, RoomSize: 5, RoomsTime: 2 * time.Second,
		Cluster: 300, ClusterRate: 10, ClusterTime: 2 * time.Second, Watched: 60, FaultRate: 100, FaultTime: 5 * time.Second, RedisDown: 2 * time.Second, ReturnAfter: time.Second,
	}
)

// largest is how many descriptors one process needs at most.
func (s Sizes) largest() int {
	const spare = 500 // of servers: Redis connections, files
	return max(s.Idle, s.StormClients, s.Room+s.LoopClients+1, s.Stay+s.Vanish, s.Rooms*s.RoomSize, s.Cluster+s.Watched) + spare
}

// Scenarios by name, in their order.
var Scenarios = []string{"memory", "storm", "delivery", "service", "rooms", "cluster"}

// Options of a run.
type Options struct {
	Targets   []string
	Scenarios []string
	Sizes     Sizes
	// ProfileDir, when not empty, makes the run write CPU profiles of
	// lightpush's connector and of the bare engine there, and nothing else.
	ProfileDir string
	// Log gets the progress.
	Log io.Writer
}

func (o Options) check(files int) error {
	var errs []error
	for _, name := range o.Targets {
		if !slices.Contains(Targets, name) {
			errs = append(errs, fmt.Errorf("unknown target %q, known are %q", name, Targets))
		}
	}
	for _, name := range o.Scenarios {
		if !slices.Contains(Scenarios, name) {
			errs = append(errs, fmt.Errorf("unknown scenario %q, known are %q", name, Scenarios))
		}
	}
	if len(o.Targets) == 0 || len(o.Scenarios) == 0 {
		errs = append(errs, errors.New("no target or no scenario is left"))
	}
	if need := o.Sizes.largest(); need > files {
		errs = append(errs, fmt.Errorf("these sizes need %d open files in one process, the limit is %d: raise it (ulimit -n) or take smaller sizes", need, files))
	}
	return errors.Join(errs...)
}
