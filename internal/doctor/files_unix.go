//go:build linux || darwin

package doctor

import "syscall"

// OpenFiles is how many descriptors this process may have; 0 when unknown.
func OpenFiles() uint64 {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0
	}
	return r.Cur
}
