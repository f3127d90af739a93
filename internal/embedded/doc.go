// Package embedded is the store of a lightpush that runs without a Redis server: miniredis as the data structures,
// an append-only log for durability, and an in-memory connection for go-redis. One process, one data directory.
//
// # Overview
//
// A client command travels: pipe (in-memory net.Conn) → session (one goroutine per connection) → Server.mu →
// engine (rewrite, execute, collect effects) → log buffer → commit (one write(2) for everything pending) → reply.
// A reply never leaves before the log write of all that was executed before it, so kill -9 loses nothing that was
// answered and nothing that was seen by a reader. fsync follows on Options.FsyncInterval.
//
// # What the log holds
//
// The log holds effects, not requests: relative expiries become PEXPIREAT/PXAT, XADD * becomes an explicit id, SPOP
// becomes SREM, a blocking pop becomes the pop it did, EVAL and EVALSHA become the writes the script made, MULTI/EXEC
// becomes one record with all its writes, an expired key becomes a DEL. Therefore replay needs neither Lua nor a clock,
// and scripts may use TIME, random members, relative expiries or XADD *.
//
// The engine's clock stands at the Unix epoch, so that miniredis' remaining lifetimes are absolute times: restarting,
// replaying or idling never shifts them. The package deletes due keys itself (expiry.go) and answers TTL, PTTL and TIME.
//
// # Scripts
//
// Scripts do not run in miniredis, which builds a Lua state for every call, but here: compiled once (script.go), on a
// Lua state that serves one script after the other (lua.go), with commands that go straight to the engine (luaredis.go).
// Conversions, libraries and the wording of errors are miniredis'. A script finds nothing of those before it. Like
// everything that executes it holds up all others, so it is ended after 5 s, between two instructions; what it has
// written by then, or by an error, stays and is logged. What only EVAL has brought may be forgotten: EVALSHA then
// answers NOSCRIPT, as Redis does.
//
// # Differences from a Redis server
//
// A script may change what it finds among the globals, for itself; Redis refuses that. The metamethods of a table that a
// script returns are not asked. print, dofile, loadfile, module, require, newproxy and the libraries bit, cmsgpack,
// struct, io and debug do not exist.
//
// Only database 0. Not supported, refused by name: hash field expiry, HyperLogLog, DUMP/RESTORE, COPY, MOVE, SWAPDB,
// BZMPOP, OBJECT, consumer group commands inside scripts, blocking commands and SUBSCRIBE inside MULTI. An arity error
// of a queued command is reported in its place of the EXEC reply and does not abort the transaction.
//
// # Concurrency
//
// Server.mu serialises every execution, as Redis' single thread does. Lock order: compactMu, commitMu, mu, and the
// leaf locks fileMu and stream.mu. Owner goroutines: one per session, syncLoop (fsync), maintainLoop (expiry,
// compaction, recovery from a failed log). Close ends and waits for all of them. Blocking commands wait outside mu.
//
// The package imports go-redis nowhere (tests only) and nothing of this module.
package embedded
