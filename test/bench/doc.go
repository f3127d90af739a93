// Package bench is the benchmark ring: it measures this engine and the whole
// product beside its peers and a floor, in one run on one machine. It holds no
// test that judges a time; `go test ./...` runs the tests of its parts.
//
//	make bench         # everything; writes doc/performance.md
//	make bench-quick   # small sizes, prints the table only
//	go run ./test/bench/cmd/bench -h
//
// Processes: the harness (cmd/bench, package harness) starts one server under
// test at a time, each a process of its own, and one load client (cmd/load,
// package load), also a process of its own, which it commands by JSON lines on
// stdin. The servers are lightpush itself (connector, logic and a
// redis-server), this engine alone (cmd/engine), Node's socket.io
// (node/server.js), the reference peer zishang520/socket.io/v2
// (cmd/reference), and the floor (cmd/floor): an epoll loop that does nothing
// but write ready frames. All but the first run the same small application
// (package app) and are commanded by JSON lines on stdin too. Every child ends
// with the harness.
//
// Packages: stats (percentiles), procfs (what the kernel and the runtimes say
// about a process), wire (the client's side of WebSocket and Socket.IO) are
// pure and portable; load and cmd/floor need Linux.
//
// It imports the wire packages of the connector in cmd/engine only; nothing of
// the product imports anything from here.
package bench
