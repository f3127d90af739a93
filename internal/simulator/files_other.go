//go:build !linux && !darwin

package simulator

// openFiles is unknown here.
func openFiles() uint64 { return 0 }
