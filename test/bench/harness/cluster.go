package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lightpush/lightpush/test/bench/load"
	"github.com/lightpush/lightpush/test/bench/procfs"
)

// Cluster is what three nodes on one Redis did.
type Cluster struct {
	Kind    string `json:"kind"`
	Version string `json:"version"`
	Failed  string `json:"failed,omitempty"` // why figures are missing

	Clients int       `json:"clients"`
	Memory  *ShareMap `json:"memory,omitempty"` // MB more with the clients than before them, soon after the last
	Room    *Rate     `json:"room,omitempty"`   // messages to all
	Users   *Rate     `json:"users,omitempty"`  // one to one
	Restart *Fault    `json:"restart,omitempty"`
	Kill    *Fault    `json:"kill,omitempty"`
}

// ShareMap is something by the kind of process that has it.
type ShareMap struct {
	Nodes float64 `json:"nodes"`
	Logic float64 `json:"logic"`
	Redis float64 `json:"redis"`
}

func (s ShareMap) all() float64 { return s.Nodes + s.Logic + s.Redis }

// add counts a process by its name: those of helpers, and node1.
func (s *ShareMap) add(name string, v float64) {
	switch {
	case strings.HasPrefix(name, "node"):
		s.Nodes += v
	case name == "redis":
		s.Redis += v
	default:
		s.Logic += v
	}
}

// ByProcess is the CPU time of a delivery, by the processes that use it.
func (r *Rate) ByProcess() ShareMap {
	s := ShareMap{Nodes: r.CPU}
	for name, v := range r.Helpers {
		s.add(name, v)
	}
	return s
}

// clusters measures all kinds, one after the other.
func (h *harness) clusters(ctx context.Context) error {
	var errs []error
	for _, kind := range clusterKinds {
		if h.result.Of(kind[1]) == nil {
			continue
		}
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		c := &Cluster{Kind: kind[0]}
		h.result.Clusters = append(h.result.Clusters, c)
		h.logf("%s: %d nodes", c.Kind, clusterNodes)
		if err := h.cluster(ctx, c); err != nil {
			err = fmt.Errorf("%s, cluster: %w", c.Kind, err)
			h.logf("FAILED %v", err)
			c.Failed = err.Error()
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (h *harness) cluster(ctx context.Context, c *Cluster) error {
	s := h.options.Sizes
	l, err := h.startLoad()
	if err != nil {
		return err
	}
	defer l.stop()
	f, err := h.startFleet(ctx, c.Kind)
	if err != nil {
		return err
	}
	defer f.stop()
	c.Version, c.Clients = f.version(), s.Cluster/clusterNodes*clusterNodes
	if err := h.memoryOf(ctx, f, func() error { return h.spread(ctx, f, l, "room", c.Clients, 0) }, &c.Memory); err != nil {
		return err
	}
	if err := h.gather(ctx, f, l, "room", room, c.Clients); err != nil {
		return err
	}
	toRoom := pace{perSecond: s.ClusterRate, n: int(s.ClusterRate * s.ClusterTime.Seconds()), room: room}
	if c.Room, err = h.steady(ctx, f, l, "room", toRoom, c.Clients); err != nil {
		return fmt.Errorf("room: %w", err)
	}
	if c.Users, err = h.steady(ctx, f, l, "room", s.toUsers(c.Clients, s.ClusterTime), 1); err != nil {
		return fmt.Errorf("one to one: %w", err)
	}
	if _, err := l.do(ctx, load.Command{Op: load.OpClose, Group: "room", Reset: true}); err != nil {
		return err
	}
	return h.faults(ctx, f, l, c)
}

// spread connects clients, the same number to each node, and has every message
// to them noted.
func (h *harness) spread(ctx context.Context, f fleet, l loader, group string, n, first int) error {
	for i, one := range f.nodes() {
		each := n / clusterNodes
		if err := h.populateAt(ctx, l, one.addr, load.Command{Group: group, Count: each, First: first + i*each, Check: true}); err != nil {
			return err
		}
	}
	return nil
}

// gather has the clients join a room and waits until a message to it reaches
// them all: nodes may still be getting to know each other.
func (h *harness) gather(ctx context.Context, f fleet, l loader, group, room string, members int) error {
	if _, err := l.do(ctx, load.Command{Op: load.OpJoin, Group: group, Room: room}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return until(ctx, "a message to reach everybody", func() error {
		if _, err := l.do(ctx, load.Command{Op: load.OpExpect, Group: group, Total: members}); err != nil {
			return err
		}
		if _, err := f.emit(ctx, room, 1, inLoop); err != nil {
			return err
		}
		r, err := l.do(ctx, load.Command{Op: load.OpWait, Group: group, Stall: time.Second})
		if err == nil && r.Received < members {
			err = fmt.Errorf("it reached %d of %d", r.Received, members)
		}
		return err
	})
}

// memoryOf is what a cluster's memory grows by while it is filled.
func (h *harness) memoryOf(ctx context.Context, f fleet, fill func() error, into **ShareMap) error {
	read := func() (s ShareMap, err error) {
		all := f.helpers()
		all[nodeName(0)] = f.server()
		for name, c := range all {
			rss, failed := procfs.RSS(c.pid())
			err = errors.Join(err, failed)
			s.add(name, float64(rss)/1e6)
		}
		return s, err
	}
	if err := pause(ctx, time.Second); err != nil { // just started, and still busy with it
		return err
	}
	before, err := read()
	if err != nil {
		return err
	}
	if err := fill(); err != nil {
		return err
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	after, err := read()
	if err != nil {
		return err
	}
	*into = &ShareMap{round(after.Nodes - before.Nodes), round(after.Logic - before.Logic), round(after.Redis - before.Redis)}
	h.logf("  memory, MB: nodes %.1f, logic %.1f, redis %.1f more", (*into).Nodes, (*into).Logic, (*into).Redis)
	return nil
}
