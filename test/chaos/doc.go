// Package chaos is the ring of tests that breaks things: hundreds of devices that come and go, pushes at a steady rate,
// and processes that are killed, frozen and started again by a plan made from a seed. At the end, a ledger says for
// every accepted message and every device that was promised it whether it arrived, and names the first that did not.
//
//	ledger   what was pushed, who was where, what arrived, and what was promised
//	plan     the faults
//	ring     devices, balancer, senders, and the run itself
//	cluster  Redis and the processes of lightpush
//
// The run itself carries the build tag chaos; the parts are tested without it. doc/reliability.md explains the promises
// and shows results.
//
//	make chaos                                     3 minutes, as in CI
//	make chaos-long ARGS='-seed 7 -duration 10m'   a run of one's own
package chaos
