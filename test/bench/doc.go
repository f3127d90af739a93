// Package bench is the benchmark ring: it measures this engine and the whole
// product beside its peers and a floor, in one run on one machine. It holds no
// test that judges a time; `go test ./...` runs the tests of its parts.
//
//	make bench         # everything; writes doc/performance.md and its pictures
//	make bench-quick   # small sizes, prints the tables only
//	go run ./test/bench/cmd/bench -h
//	go run ./test/bench/cmd/bench plot   # page and pictures again, from results.json
//
// Processes: the harness (cmd/bench, package harness) starts one server under
// test at a time, each a process of its own, and one load client (cmd/load,
// package load), also a process of its own, which it commands by JSON lines on
// stdin. The servers are lightpush itself (connector, logic and a
// redis-server), this engine alone (cmd/engine), Node's socket.io
// (node/server.js), the reference peer zishang520/socket.io/v2
// (cmd/reference), and the floor (cmd/floor): an epoll loop that does nothing
// but write ready frames. All but the first run the same small application
// (package app) and are commanded by JSON lines on stdin too. Clusters are
// three connectors, or three processes of node/server.js with an adapter
// (node/cluster.js), on one redis-server. Every child ends with the harness.
//
// Packages: procfs (what the kernel and the runtimes say about a process) and
// plot (figures as SVG) are pure and portable; load and cmd/floor need Linux.
// Percentiles and the client's side of the wire are those of the simulator,
// internal/simulator/stats and internal/simulator/wire.
//
// It imports the wire packages of the connector in cmd/engine only; nothing of
// the product imports anything from here.
package bench
