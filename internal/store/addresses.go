package store

import (
	"context"
	"fmt"
	"sync"
)

// advertised are the addresses of the nodes of this process.
type advertised struct {
	mu     sync.Mutex
	byNode map[string]string
}

// Advertise makes every following Beat of node publish address (host:port) to
// the other nodes; Drop takes it back.
func (s *Store) Advertise(node, address string) {
	s.address.mu.Lock()
	defer s.address.mu.Unlock()
	if s.address.byNode == nil {
		s.address.byNode = map[string]string{}
	}
	s.address.byNode[node] = address
}

func (s *Store) advertiseOps(node string) []*op {
	s.address.mu.Lock()
	defer s.address.mu.Unlock()
	if address := s.address.byNode[node]; address != "" {
		return []*op{do("HSET", s.keys.addresses(), node, address)}
	}
	return nil
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
