//go:build linux || darwin

package simulator

import "syscall"

// openFiles is how many descriptors this process may have; 0 when unknown.
func openFiles() uint64 {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0
	}
	return r.Cur
}
