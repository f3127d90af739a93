// Package bus is what connectors and logic processes say to each other: one
// Redis stream per node with the messages, kicks, transfers and events for its
// connections, and one control stream for all processes.
//
// A stream is read by position, not by subscription: a dropped connection or
// a failover is survived by reading on from the last entry handled, and an
// entry leaves a node's stream only after it was handled (design.md 3.3, B11).
//
// A Reader and a Control own one goroutine and one Redis client each between
// Start and Close; handlers are called by that goroutine, one entry after the
// other. A node's Reader is started before its lease is announced, so that
// the stream exists when the first sender looks for it; a Control is started
// before the namespaces are loaded.
//
// It imports internal/push, internal/client, internal/room, internal/canary and go-redis.
package bus
