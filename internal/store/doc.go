// Package store keeps everything that outlives a process in Redis: messages
// and receipts, who is online where, namespaces, and the leases of nodes. It
// implements push.Store, push.ReceiptStore, namespace.Store, node.Store,
// session.Presence and report.Store on one code path for a single server,
// Sentinel, Cluster and the embedded store.
//
// Keys that one script touches share a hash tag; a namespace is spread over
// many tags, so that one big tenant uses a whole Redis Cluster. keys.go has
// the layout. Multi-key changes are scripts (lua/*.lua), never MULTI; nothing
// spans two tags atomically. Where that matters the order of writes does it:
// what names a thing for cleaning up is written before the thing and removed
// after it.
//
// A Store owns its Redis clients and two goroutines, which keep the lists of
// rooms and the counters of deliveries and acks up to date, between Open and
// Close. All methods are safe for concurrent use; each runs under the shorter
// of its context's and the store's timeout.
//
// It imports the domain packages whose interfaces it implements, internal/bus
// for the form of stream entries, and go-redis.
package store
