package engineio

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/netpoll"
)

// A crowd is a second process, made of this test binary, that holds many WebSocket clients which read and never
// write. It keeps their memory, CPU time and file descriptors out of what is measured here.
type crowd struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startCrowd(tb testing.TB, address string) *crowd {
	tb.Helper()
	exe, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	c := &crowd{cmd: exec.Command(exe)}
	c.cmd.Env = append(os.Environ(), crowdAddress+"="+address, "GOGC=400")
	c.cmd.Stderr = os.Stderr
	c.in, err = c.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.stop)
	return c
}

func (c *crowd) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

func (c *crowd) ask(tb testing.TB, command string) string {
	tb.Helper()
	if _, err := io.WriteString(c.in, command+"\n"); err != nil {
		tb.Fatal(err)
	}
	if !c.out.Scan() {
		tb.Fatal("the crowd is gone")
	}
	return c.out.Text()
}

func (c *crowd) received(tb testing.TB) int64 {
	n, err := strconv.ParseInt(c.ask(tb, "received"), 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// waitReceived returns when the crowd has received total bytes since its start.
func (c *crowd) waitReceived(tb testing.TB, total int64) {
	tb.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		switch n := c.received(tb); {
		case n == total:
			return
		case n > total || time.Now().After(deadline):
			tb.Fatalf("received %d bytes, want %d", n, total)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// hall is a server with a crowd in it. Its listener keeps a duplicate of every socket, for the raw writes that
// deliveries are compared with.
type hall struct {
	server   *Server
	http     *http.Server
	listener *keepingListener
	crowd    *crowd
	sessions []*Session
	opened   chan *Session
}

func (h *hall) OnOpen(s *Session) Receiver {
	s.ReleaseRequest()
	h.opened <- s
	return h
}
func (h *hall) OnMessage(bool, []byte) error { return nil }
func (h *hall) OnClose(Reason)               {}

func newHall(tb testing.TB, o netpoll.Options, keepSockets bool) *hall {
	tb.Helper()
	poller, err := netpoll.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	h := &hall{opened: make(chan *Session, 20_000)}
	if h.server, err = NewServer(Options{Poller: poller, PingInterval: time.Hour}, h); err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	h.listener = &keepingListener{TCPListener: l.(*net.TCPListener), keep: keepSockets}
	h.http = &http.Server{Handler: h.server}
	go func() { _ = h.http.Serve(h.listener) }()
	h.crowd = startCrowd(tb, l.Addr().String())
	tb.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = h.server.Shutdown(now)
		_ = h.http.Close()
		_ = poller.Close()
		h.listener.release()
	})
	return h
}

// admit lets n clients in.
func (h *hall) admit(tb testing.TB, n int) {
	tb.Helper()
	if got := h.crowd.ask(tb, "connect "+strconv.Itoa(n)); got != "connected" {
		tb.Fatal(got)
	}
	for range n {
		h.sessions = append(h.sessions, <-h.opened)
	}
}

// keepingListener keeps a duplicate of the descriptor of every accepted connection.
type keepingListener struct {
	*net.TCPListener
	keep bool
	mu   sync.Mutex
	fds  []int
}

func (l *keepingListener) Accept() (net.Conn, error) {
	nc, err := l.AcceptTCP()
	if err != nil || !l.keep {
		return nc, err
	}
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil, err
	}
	err = raw.Control(func(fd uintptr) {
		if dup, err := syscall.Dup(int(fd)); err == nil {
			l.mu.Lock()
			l.fds = append(l.fds, dup)
			l.mu.Unlock()
		}
	})
	return nc, err
}

func (l *keepingListener) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fd := range l.fds {
		_ = syscall.Close(fd)
	}
	l.fds = nil
}
