// Package simulator lives the life of many devices against a push service and judges what it did to them.
//
// Overview. A Config says who connects how, what is pushed and what goes wrong; Run carries it out and returns a Report.
// The clients are cheap: state machines on epoll loops (package netloop) that speak both protocol generations over
// WebSocket and long-polling (package wire). Every push carries a mark with its stream and its number there; the journal
// knows what was accepted, every device knows what it has seen, and the difference is what was lost, repeated or
// reordered, exactly and by name.
//
//	config.go, keys.go, values.go   what can be asked for, from YAML and flags
//	plan.go                         which device is what: uuid, generation, transport, rooms
//	client*.go, shard.go            the devices, and the loop they live on
//	journal.go, track.go            what was pushed; what a device must have seen
//	sender.go                       the pushes, open loop or flat out
//	run.go, preflight.go            the course of a run
//	coordinate.go, join.go, link.go several processes, one run
//	report.go, slo.go               figures and verdict
//
// Goroutines. Run owns all of them and ends them before it returns: one per shard, one per sender, one for the schedule,
// and with several processes one per link. A shard's clients and tally belong to its goroutine.
//
// Imports. The standard library and yaml.v3, and of this project only its own subpackages: a judge shares nothing with
// what it judges.
package simulator
