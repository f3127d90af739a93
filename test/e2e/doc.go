// Package e2e is the outermost ring of tests: the built binary, as its users run it.
//
// Every test starts real processes (lightpush built with the race detector, redis-server, nginx) and speaks to them
// only from outside: with the official Socket.IO clients (clients/driver.js and clients/driver.py, driven over JSON
// lines), with the small client in wsclient, over REST and over raw sockets. The tests carry the build tag e2e, so
// that `go test ./...` needs nothing but Go; `make test-e2e` installs what is missing and runs them.
//
// Overview:
//
//	main_test.go        builds the binary once
//	process_test.go     one started process: ready lines, signals, exit, verdict on its stderr
//	deployment_test.go  all-in-one, connector + logic + Redis, nginx in front
//	driver_test.go      the clients' protocol
//	api_test.go         the REST side
//	scenario_test.go    what every client must be able to do, against every deployment
//	fleet_test.go       many clients under a steady push, with a ledger: drain, degraded, Sentinel, Cluster
//	…                   one file per promise: burst, restart, shutdown, offences, cluster, quick start
//
// Settings, all optional:
//
//	E2E_BINARY  run this binary instead of building one
//	E2E_BURST   number of concurrent handshakes in the burst test (default 5000)
//	E2E_DRAIN   number of clients in the rolling restart (default 5000)
//	E2E_CROWD   number of clients of the measurement for doc/scaling.md; without it that is skipped
//
// The package imports nothing of the product; that keeps it honest about what is visible from outside.
package e2e
