package main

import "syscall"

// deathSignal has the kernel kill a child whose parent has died.
func deathSignal() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
