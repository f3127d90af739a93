// Package report answers the questions of the REST reports: the history of a
// namespace, the fate of one message, the message counters and who is online
// (light-push-wire.md 1.4.3–1.4.5, 1.4.9). The types it returns marshal to
// exactly the fields of the specification, strings where it has strings and
// numbers where it has numbers.
//
// It imports internal/client, internal/console, internal/namespace, internal/push, internal/queue and
// internal/room, neither gin nor go-redis; the Store it reads is declared here and implemented in
// internal/store. It owns no goroutine that outlives a call. Every call is
// bounded by Options and by the context it is given, and only reads.
package report
