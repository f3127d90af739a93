// Package node is the life of a connector as the cluster sees it: a lease it
// must renew, and the sweep of what a node that stopped renewing has left
// behind.
//
// It imports only internal/client. A Lease and a Sweeper own one goroutine
// each between Start and Close.
package node

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/internal/client"
)

// Store keeps leases and, per node, the list of its connections.
type Store interface {
	// Beat renews the lease of node for ttl. known is false when the node
	// was not registered: at its first beat, or after it has been swept, or
	// when somebody has taken its Lock since its last beat.
	Beat(ctx context.Context, node string, ttl time.Duration) (known bool, err error)
	// Drop removes the lease, the connection list and the stream of node.
	Drop(ctx context.Context, node string) error
	// Expired returns the nodes whose lease has run out.
	Expired(ctx context.Context) ([]string, error)
	// Lock makes by the only sweeper of node for ttl; ok is false when
	// another one holds the lock. Renewing an own lock succeeds. The node's
	// next Beat says so.
	Lock(ctx context.Context, node, by string, ttl time.Duration) (ok bool, err error)
	// Connections returns about count connections listed under node,
	// starting at cursor (0 first); next is 0 at the end. A connection may
	// be returned twice.
	Connections(ctx context.Context, node string, cursor uint64, count int) (members []client.Member, next uint64, err error)
	// Expel releases connections as if they had disconnected: each from
	// every room it was in, compared by generation.
	Expel(ctx context.Context, members []client.Member, reason string) error
}

// storeTimeout bounds every single store operation of this package.
const storeTimeout = 5 * time.Second
