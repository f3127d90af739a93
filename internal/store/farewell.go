package store

import (
	"context"
	"strconv"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/queue"
)

// The disconnect callback of a connection is kept beside the list of its
// node's connections while it lives, so that whoever sweeps the node can send
// it, also when the device has meanwhile come back elsewhere. When the
// connection ends it becomes a job. The job is in the queue before the
// connection leaves the list: who dies in between leaves a connection that is
// swept, and an id that is unique.

// farewellID is the id of the job, and the field while the connection lives.
func farewellID(m client.Member) string { return m.ClientID + "|" + strconv.FormatInt(m.Gen, 10) }

// farewellOps keep the callback of an entering connection.
func (s *Store) farewellOps(m client.Member) []*op {
	if m.Farewell == "" {
		return nil
	}
	return []*op{do("HSET", s.keys.farewells(m.Node), farewellID(m), m.Farewell)}
}

// unlistOps take a connection out of the list of its node.
func (s *Store) unlistOps(m client.Member) []*op {
	ops := make([]*op, 0, 2)
	if m.Farewell != "" {
		ops = append(ops, do("HDEL", s.keys.farewells(m.Node), farewellID(m)))
	}
	return append(ops, do("ZREM", s.keys.connections(m.Node), encodeMember(m)))
}

// unlist ends the listing of a connection; then runs once everything before
// it has succeeded. Without a callback it can all leave together.
type unlist struct{ first, then []*op }

func (s *Store) unlist(m client.Member) unlist {
	if m.Farewell == "" || m.Refused {
		return unlist{first: s.unlistOps(m)}
	}
	job := queue.Job{ID: farewellID(m), Body: []byte(m.Farewell)}
	return unlist{first: s.enqueueOps(queue.Callback, []queue.Job{job}, 0), then: s.unlistOps(m)}
}

// readFarewells finds the callbacks of connections whose node is gone.
func (s *Store) readFarewells(ctx context.Context, members []client.Member) error {
	byNode := map[string][]int{} // node → positions in members
	for i, m := range members {
		byNode[m.Node] = append(byNode[m.Node], i)
	}
	for node, at := range byNode {
		read := do("HMGET", s.keys.farewells(node))
		for _, i := range at {
			read.args = append(read.args, farewellID(members[i]))
		}
		if err := s.run(ctx, read); err != nil {
			return err
		}
		for n, text := range read.texts() {
			members[at[n]].Farewell = text
		}
	}
	return nil
}
