package netpoll

import (
	"net"
	"os"
	"syscall"
	"unsafe"
)

// The calls below never wait, so they are raw: the scheduler need not hear of them.

// maxVector is the number of buffers given to one writev. The kernel would take 1024; this many fit on the stack.
const maxVector = deferBuffers

// epollET is syscall.EPOLLET without its sign.
const epollET = 1 << 31

// interest is what every socket is registered for, once and edge-triggered: there is no further epoll_ctl.
const interest = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | epollET

func epollAdd(epfd, fd int, slot, generation int32) error {
	// The kernel hands back 64 bits of our own, which the syscall package calls Fd and Pad.
	event := syscall.EpollEvent{Events: interest, Fd: slot, Pad: generation}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(epfd, syscall.EPOLL_CTL_ADD, fd, &event))
}

// epollPoll returns the events that have happened, without waiting.
func epollPoll(epfd int, events []syscall.EpollEvent) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), 0, 0, 0)
	if errno == syscall.EINTR {
		return 0, nil
	}
	if errno != 0 {
		return 0, os.NewSyscallError("epoll_pwait", errno)
	}
	return int(n), nil
}

func newEventFD() (int, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		return -1, os.NewSyscallError("eventfd2", errno)
	}
	return int(fd), nil
}

// signal makes an eventfd readable. Edge-triggered, it need never be read: every write is an edge, and 2^64 of them
// do not happen.
func signal(fd int) {
	one := uint64(1)
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8)
}

// readSocket returns syscall.EAGAIN when there is nothing to read, and 0 twice at the end.
func readSocket(fd int, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// writeSocket writes up to maxVector of the buffers, none of which is empty, without the first skip bytes of the
// first one. It returns syscall.EAGAIN when the socket takes nothing.
func writeSocket(fd int, bufs [][]byte, skip int) (int, syscall.Errno) {
	for {
		var n uintptr
		var errno syscall.Errno
		if len(bufs) == 1 {
			p := bufs[0][skip:]
			n, _, errno = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		} else {
			n, errno = writev(fd, bufs, skip)
		}
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

func writev(fd int, bufs [][]byte, skip int) (uintptr, syscall.Errno) {
	var vector [maxVector]syscall.Iovec
	count := min(len(bufs), maxVector)
	for i, b := range bufs[:count] {
		b = b[skip:]
		skip = 0
		vector[i].Base = &b[0]
		vector[i].SetLen(len(b))
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&vector[0])), uintptr(count))
	return n, errno
}

// duplicate returns a descriptor of its own for the socket of nc. It shares the non-blocking mode.
func duplicate(nc syscall.Conn) (fd int, err error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return -1, err
	}
	var errno syscall.Errno
	err = raw.Control(func(old uintptr) {
		var n uintptr
		n, _, errno = syscall.RawSyscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		fd = int(n)
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("fcntl", errno)
	}
	if err != nil {
		return -1, err
	}
	return fd, nil
}

// peerAddr is nil when the socket has no peer any more.
func peerAddr(fd int) net.Addr {
	peer, err := syscall.Getpeername(fd)
	if err != nil {
		return nil
	}
	switch peer := peer.(type) {
	case *syscall.SockaddrInet4:
		return &net.TCPAddr{IP: peer.Addr[:], Port: peer.Port}
	case *syscall.SockaddrInet6:
		addr := &net.TCPAddr{IP: peer.Addr[:], Port: peer.Port}
		if peer.ZoneId != 0 {
			if link, err := net.InterfaceByIndex(int(peer.ZoneId)); err == nil {
				addr.Zone = link.Name
			}
		}
		return addr
	case *syscall.SockaddrUnix:
		return &net.UnixAddr{Name: peer.Name, Net: "unix"}
	default:
		return nil
	}
}
