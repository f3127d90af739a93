package load

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"
)

// Constants that package syscall does not name.
const (
	epollET           = 1 << 31
	ipBindAddressNoPt = 24 // IP_BIND_ADDRESS_NO_PORT: the port is chosen by connect, per 4-tuple
)

// sourceAddresses is how many addresses from 127.0.0.2 on clients come from:
// each has some 28,000 ports to one server.
const sourceAddresses = 8

// dial begins a connection from the source address of client number i.
func dial(to netip.AddrPort, i int) (fd int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = syscall.Close(fd)
		}
	}()
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	if to.Addr().IsLoopback() {
		if err = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipBindAddressNoPt, 1); err != nil {
			return -1, fmt.Errorf("setsockopt: %w", err)
		}
		from := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%sourceAddresses)}}
		if err = syscall.Bind(fd, from); err != nil {
			return -1, fmt.Errorf("bind: %w", err)
		}
	}
	err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	if err != nil && !errors.Is(err, syscall.EINPROGRESS) {
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// read and write do not tell the scheduler: on a non-blocking socket they are
// short, and this loop is all the process does.
func read(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

func write(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

// closeSocket ends a connection with FIN, or with RST.
func closeSocket(fd int, reset bool) {
	if reset {
		_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	}
	_ = syscall.Close(fd)
}

// usedCPU is the CPU time of this process.
func usedCPU() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // never fails
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
