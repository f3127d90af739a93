//go:build race

package engineio

// raceEnabled: the race detector makes sync.Pool drop things.
const raceEnabled = true
