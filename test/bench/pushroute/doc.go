// Command pushroute measures what storing a push through the REST API costs,
// beside two peers that run in turn with it on the same machine, each with a
// real Redis of its own that writes its append-only file:
//
//   - sequential: a Node.js route with the framework, the Redis client and the
//     Redis commands that light-push's specification gives for one push, one
//     after the other;
//   - history: a Go route that publishes with one script into a channel with a
//     history, as Centrifugo documents it, and requests that come together
//     share a pipeline.
//
// Both do less than the products they stand for, so they are floors of these.
// The load is wrk, which knows none of them: pushes of 128 bytes to the rooms
// of 10,000 users, nobody online.
//
//	go run ./test/bench/pushroute            (needs redis-server, wrk, node, npm)
package main
