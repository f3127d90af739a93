package harness

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
)

// Kinds of clusters beside Lightpush.
const (
	PubSub  = "node-pubsub"  // Node's socket.io with @socket.io/redis-adapter
	Streams = "node-streams" // with @socket.io/redis-streams-adapter
)

// clusterKinds in their order, each with the target that has it measured.
var clusterKinds = [][2]string{{Lightpush, Lightpush}, {PubSub, Node}, {Streams, Node}}

// clusterNodes is how many processes clients connect to.
const clusterNodes = 3

// fleet is a target of several nodes on one Redis.
type fleet interface {
	target
	nodes() []node
	store() *redisServer
}

// node is one process that clients connect to.
type node struct {
	*child
	addr string
}

// nodeName of the i-th node, the first of which is the target's server.
func nodeName(i int) string { return "node" + strconv.Itoa(i+1) }

func (h *harness) startFleet(ctx context.Context, kind string) (fleet, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if kind == Lightpush {
		return h.startLightpush(ctx, clusterNodes)
	}
	return h.startNodes(ctx, kind)
}

func (p *product) store() *redisServer { return p.redis }
func (p *product) nodes() (list []node) {
	for _, c := range p.connectors {
		list = append(list, node{c.child, c.sockets})
	}
	return list
}

// siblings are nodes of Node's socket.io. The first one sends.
type siblings struct {
	*bare
	list  []*bare
	redis *redisServer
}

func (h *harness) startNodes(ctx context.Context, kind string) (_ *siblings, err error) {
	s := &siblings{}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.redis, err = h.startRedis(ctx); err != nil {
		return nil, err
	}
	adapter := map[string]string{PubSub: "pubsub", Streams: "streams"}[kind]
	if adapter == "" {
		return nil, fmt.Errorf("unknown cluster %q", kind)
	}
	for i := range clusterNodes {
		one, err := h.startBare(ctx, kind+" "+nodeName(i), nil, h.tools.node, filepath.Join(h.tools.nodeDir(), "server.js"), adapter, "redis://"+s.redis.addr)
		if err != nil {
			return nil, err
		}
		s.list = append(s.list, one)
	}
	s.bare = s.list[0]
	return s, nil
}

func (s *siblings) helpers() map[string]*child {
	all := map[string]*child{"redis": s.redis.child}
	for i, one := range s.list[1:] {
		all[nodeName(i+1)] = one.child
	}
	return all
}

func (s *siblings) store() *redisServer { return s.redis }
func (s *siblings) nodes() (list []node) {
	for _, one := range s.list {
		list = append(list, node{one.child, one.ready.Addr})
	}
	return list
}

// census adds up what the nodes that live know.
func (s *siblings) census(ctx context.Context) (sum census, err error) {
	for _, one := range s.list {
		if one.hasEnded() {
			continue
		}
		c, failed := one.census(ctx)
		err = errors.Join(err, failed)
		sum.Clients += c.Clients
		sum.Troubles += c.Troubles
	}
	return sum, err
}

func (s *siblings) stop() {
	for _, one := range s.list {
		one.child.stop()
	}
	if s.redis != nil {
		s.redis.stop()
	}
}
