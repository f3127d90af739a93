//go:build race

package netpoll

// raceEnabled: the race detector makes sync.Pool drop things.
const raceEnabled = true
