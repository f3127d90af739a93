package store

import (
	"context"
	"fmt"
	"sync"
)

// advertised are the addresses of the nodes of this process.
type advertised struct {
	mu     sync.Mutex
	byNode map[string]func() string
}

// Advertise makes every following Beat of node publish what address returns to
// the other nodes, which is host:port and may tell how to speak to it; Drop
// takes it back. address must be safe for concurrent use.
func (s *Store) Advertise(node string, address func() string) {
	s.address.mu.Lock()
	defer s.address.mu.Unlock()
	if s.address.byNode == nil {
		s.address.byNode = map[string]func() string{}
	}
	s.address.byNode[node] = address
}

// AdvertiseNow publishes a changed address between two heartbeats.
func (s *Store) AdvertiseNow(ctx context.Context, node string) error {
	if err := s.run(ctx, s.advertiseOps(node)...); err != nil {
		return fmt.Errorf("publish the address of node %s: %w", node, err)
	}
	return nil
}

func (s *Store) advertiseOps(node string) []*op {
	s.address.mu.Lock()
	address := s.address.byNode[node]
	s.address.mu.Unlock()
	if address == nil {
		return nil
	}
	return []*op{do("HSET", s.keys.addresses(), node, address())}
}

// Addresses are the addresses that nodes with a lease have advertised, by
// node.
func (s *Store) Addresses(ctx context.Context) (map[string]string, error) {
	leases := do("ZRANGEBYSCORE", s.keys.nodes(), s.nowMillis(), "+inf")
	all := do("HGETALL", s.keys.addresses())
	if err := s.run(ctx, leases, all); err != nil {
		return nil, fmt.Errorf("read addresses of nodes: %w", err)
	}
	pairs := all.texts()
	published := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		published[pairs[i]] = pairs[i+1]
	}
	addresses := make(map[string]string, len(published))
	for _, node := range leases.texts() {
		if address := published[node]; address != "" {
			addresses[node] = address
		}
	}
	return addresses, nil
}

// ClusterSecret returns the secret the nodes share; the first process to ask
// stores its fresh one.
func (s *Store) ClusterSecret(ctx context.Context, fresh string) (string, error) {
	set, get := do("SET", s.keys.cluster(), fresh, "NX"), do("GET", s.keys.cluster())
	if err := s.run(ctx, set, get); err != nil {
		return "", fmt.Errorf("cluster secret: %w", err)
	}
	return get.text(), nil
}
