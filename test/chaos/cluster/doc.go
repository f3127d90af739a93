// Package cluster is lightpush as the chaos ring runs it: a Redis with an append-only file, logic processes and
// connectors on fixed loopback ports, each of which can be killed, frozen and started again.
//
// It imports nothing of the product. A Cluster owns its processes and their output files between Start and Close; none
// outlives the process that started it.
package cluster
