package netloop

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Constants that package syscall does not name.
const (
	epollET           = 1 << 31
	ipBindAddressNoPt = 24 // IP_BIND_ADDRESS_NO_PORT: connect chooses the port, per 4-tuple
)

// poller is epoll, edge-triggered.
type poller struct {
	epoll, wakeRead, wakeWrite int

	closed bool
	events []syscall.EpollEvent
	buf    []byte      // every read goes here
	table  []*pollConn // by descriptor
}

func (p *poller) open() error {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		_ = syscall.Close(epoll)
		return fmt.Errorf("pipe: %w", err)
	}
	p.epoll, p.wakeRead, p.wakeWrite = epoll, pipe[0], pipe[1]
	p.events, p.buf = make([]syscall.EpollEvent, 512), make([]byte, 128<<10)
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(p.wakeRead)}
	if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, p.wakeRead, &event); err != nil {
		p.close()
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// wake is called with the loop's mu held, as is close.
func (p *poller) wake() {
	if !p.closed {
		_, _ = syscall.Write(p.wakeWrite, []byte{0}) // a full pipe wakes too
	}
}

func (p *poller) close() {
	for _, c := range p.table {
		if c != nil {
			c.Close(true)
		}
	}
	p.closed = true
	for _, fd := range []int{p.epoll, p.wakeRead, p.wakeWrite} {
		_ = syscall.Close(fd)
	}
}

func (p *poller) wait(l *Loop, d time.Duration) error {
	millis := int((d + time.Millisecond - 1) / time.Millisecond)
	n, err := syscall.EpollWait(p.epoll, p.events, millis)
	if err != nil && !errors.Is(err, syscall.EINTR) {
		return fmt.Errorf("epoll: %w", err)
	}
	l.now = l.read()
	for i := range max(n, 0) {
		fd := int(p.events[i].Fd)
		if fd == p.wakeRead {
			p.drain()
		} else if c := p.table[fd]; c != nil {
			// The flags are not looked at: they may be those of a descriptor that was closed and used again.
			c.ready()
		}
	}
	return nil
}

func (p *poller) drain() {
	var b [64]byte
	for {
		if n, _ := syscall.Read(p.wakeRead, b[:]); n < len(b) {
			return
		}
	}
}

// dial returns nil without an error for addresses the goroutines take care of.
func (p *poller) dial(l *Loop, to Target, h Handler) (Conn, error) {
	addr := to.Addr.Addr().Unmap()
	if !addr.Is4() {
		return nil, nil
	}
	fd, err := connect(to)
	if err != nil {
		return nil, err
	}
	if fd >= len(p.table) {
		p.table = append(p.table, make([]*pollConn, fd+1024-len(p.table))...)
	}
	c := &pollConn{loop: l, h: h, fd: fd}
	p.table[fd] = c
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | epollET, Fd: int32(fd)}
	if err := syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		c.Close(true)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return c, nil
}

func connect(to Target) (fd int, err error) {
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
	if to.From.Is4() {
		if err = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipBindAddressNoPt, 1); err != nil {
			return -1, fmt.Errorf("setsockopt: %w", err)
		}
		if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: to.From.As4()}); err != nil {
			return -1, fmt.Errorf("bind: %w", err)
		}
	}
	err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Addr.Port()), Addr: to.Addr.Addr().Unmap().As4()})
	if err != nil && !errors.Is(err, syscall.EINPROGRESS) {
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}
