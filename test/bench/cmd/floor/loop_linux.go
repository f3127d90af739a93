package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/lightpush/lightpush/test/bench/app"
)

// floor belongs to the goroutine of loop, but for writes, wake and counters.
type floor struct {
	epoll, listener, wakeRead, wake int
	writes                          chan job // capacity 1
	counters                        app.Counters

	conns  []*conn            // by descriptor
	rooms  map[string][]int32 // descriptors, in order of joining
	buf    []byte
	users  map[string]int32 // descriptors by user room
	answer []byte           // CONNECT answer and ok, two frames
}

// conn is all that is kept of a client; 101 and open packet follow the
// request, what follows CONNECT needs no memory.
type conn struct {
	user     string
	upgraded bool
}

type job struct {
	room   string
	frames [][]byte
	done   chan struct{}
}

const (
	epollET      = 1 << 31
	writeTimeout = 10 * time.Second
)

func listen() (*floor, string, error) {
	fail := func(what string, err error) (*floor, string, error) {
		return nil, "", fmt.Errorf("floor: %s: %w", what, err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail("socket", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fail("bind", err)
	}
	if err := syscall.Listen(fd, 4096); err != nil {
		return fail("listen", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return fail("getsockname", err)
	}
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return fail("epoll", err)
	}
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		return fail("pipe", err)
	}
	f := &floor{
		epoll: epoll, listener: fd, wakeRead: pipe[0], wake: pipe[1], writes: make(chan job, 1),
		buf: make([]byte, 64<<10), users: map[string]int32{}, rooms: map[string][]int32{},
		answer: append(textFrame(`40`+app.Namespace+`,{"sid":"AAAAAAAAAAAAAAAAAAAA"}`), textFrame(`42`+app.Namespace+`,["ok",{"clientId":"x"}]`)...),
	}
	for _, fd := range []int{fd, pipe[0]} {
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
		if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
			return fail("epoll", err)
		}
	}
	return f, "127.0.0.1:" + strconv.Itoa(name.(*syscall.SockaddrInet4).Port), nil
}

func (f *floor) loop() {
	events := make([]syscall.EpollEvent, 1024)
	for {
		n, err := syscall.EpollWait(f.epoll, events, -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			panic(err)
		}
		for i := range max(n, 0) {
			switch fd := int(events[i].Fd); fd {
			case f.listener:
				f.accept()
			case f.wakeRead:
				_, _ = syscall.Read(fd, f.buf)
				f.work()
			default:
				f.read(fd)
			}
		}
	}
}

func (f *floor) accept() {
	for range 256 {
		fd, _, err := syscall.Accept4(f.listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		if fd >= len(f.conns) {
			f.conns = append(f.conns, make([]*conn, fd+1024-len(f.conns))...)
		}
		f.conns[fd] = &conn{}
		event := syscall.EpollEvent{Events: syscall.EPOLLIN | epollET, Fd: int32(fd)}
		_ = syscall.EpollCtl(f.epoll, syscall.EPOLL_CTL_ADD, fd, &event)
	}
}

func (f *floor) read(fd int) {
	c := f.conns[fd]
	for c != nil {
		n, errno := rawRead(fd, f.buf)
		switch {
		case errno == syscall.EAGAIN || errno == syscall.EINTR:
			return
		case errno != 0 || n == 0:
			f.drop(fd, c)
			return
		case !c.upgraded: // a request is sent whole
			f.upgrade(fd, c, f.buf[:n])
		default:
			f.frames(fd, f.buf[:n])
		}
		if n < len(f.buf) {
			return
		}
	}
}

func (f *floor) upgrade(fd int, c *conn, request []byte) {
	_, user, _ := bytes.Cut(request, []byte("userid="))
	user = user[:max(0, bytes.IndexByte(user, '&'))]
	key := header(request, "Sec-WebSocket-Key: ")
	c.user, c.upgraded = app.UserRoom(string(user)), true
	f.users[c.user] = int32(fd)
	f.counters.Sockets.Add(1)
	reply := append([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		accept(key)+"\r\n\r\n"), textFrame(`0{"sid":"AAAAAAAAAAAAAAAAAAAA","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)...)
	f.write(fd, reply)
}

// frames answers what the load client sends: short frames, each read whole.
func (f *floor) frames(fd int, p []byte) {
	for len(p) >= 6 {
		head, n := 2, int(p[1]&0x7f)
		if n == 126 {
			head, n = 4, int(p[2])<<8|int(p[3])
		}
		if len(p) < head+4+n {
			return
		}
		key, payload := p[head:head+4], p[head+4:head+4+n]
		for i := range payload {
			payload[i] ^= key[i&3]
		}
		f.packet(fd, payload)
		p = p[head+4+n:]
	}
}

func (f *floor) packet(fd int, p []byte) {
	switch {
	case bytes.HasPrefix(p, []byte("40")):
		f.write(fd, f.answer)
	case bytes.HasPrefix(p, []byte("42"+app.Namespace+",0[\"joinRoom\"")):
		room := joined(p)
		f.rooms[room] = append(f.rooms[room], int32(fd))
		f.write(fd, textFrame(`43`+app.Namespace+`,0[{"status":200,"msg":"ok"}]`))
	case bytes.HasPrefix(p, []byte("42"+app.Namespace+",[\"ackPush\"")):
		f.counters.Acks.Add(1)
	}
}

// joined is the room in ["joinRoom",["room"]].
func joined(packet []byte) string {
	_, room, _ := bytes.Cut(packet, []byte(`",["`))
	return string(room[:max(0, bytes.IndexByte(room, '"'))])
}

func (f *floor) drop(fd int, c *conn) {
	f.conns[fd] = nil
	delete(f.users, c.user)
	if c.upgraded {
		f.counters.Sockets.Add(-1)
	}
	clear(f.rooms) // the harness closes all clients of a room together
	_ = syscall.Close(fd)
}

// work carries out what the control asks.
func (f *floor) work() {
	select {
	case j := <-f.writes:
		targets := f.rooms[j.room]
		if fd, ok := f.users[j.room]; ok {
			targets = []int32{fd}
		}
		for _, frame := range j.frames {
			for _, fd := range targets {
				f.write(int(fd), frame)
			}
		}
		close(j.done)
	default:
	}
}

// write waits for a full socket: a floor that skips it would be none.
func (f *floor) write(fd int, p []byte) {
	deadline := time.Time{}
	for len(p) > 0 {
		n, errno := rawWrite(fd, p)
		switch errno {
		case 0:
			p = p[n:]
		case syscall.EAGAIN, syscall.EINTR:
			if deadline.IsZero() {
				deadline = time.Now().Add(writeTimeout)
			} else if time.Now().After(deadline) {
				return
			}
			time.Sleep(100 * time.Microsecond)
		default:
			return
		}
	}
}

func rawRead(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

func rawWrite(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}
