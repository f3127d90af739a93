package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/lightpush/lightpush/test/bench/procfs"
)

// Client is the loop and its clients. Do may be called from any goroutine;
// everything else belongs to the goroutine of Run.
type Client struct {
	// fixed after New
	epoll    int
	wakeRead int          // a pipe: a byte means that a request waits
	requests chan request // capacity 1
	ended    chan struct{}
	base     time.Time     // the moment of
	baseMono time.Duration // this reading of the clock all processes share
	buf      []byte        // every read goes here
	events   []syscall.EpollEvent

	mu     sync.Mutex
	wake   int // the other end of the pipe; guarded by mu
	closed bool

	table  []*conn // by descriptor
	groups map[string]*group

	// of the server that was connected to last
	host                    string
	connectFrame, pongFrame []byte
	pingFrame               []byte
	namespace               string
	prefix                  string // of packets: "42/namespace,"

	dialing  bool // an operation has connections to begin
	underway int  // clients between dial and completion
	unsent   int  // clients with something in out
	beat     int  // seconds of heartbeats
	beatAt   time.Duration
	active   *operation
}

type request struct {
	command Command
	reply   chan Reply // capacity 1
}

// operation is a command under way.
type operation struct {
	request
	group    *group
	deadline time.Duration
	stall    time.Duration
	// step continues the work and reports whether it is complete.
	step func(now time.Duration) bool
	// finish makes the reply.
	finish func() Reply
}

// New returns a Client without connections. Run must follow: it also frees
// what New has opened.
func New() (*Client, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: epoll: %w", err)
	}
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		_ = syscall.Close(epoll)
		return nil, fmt.Errorf("load: pipe: %w", err)
	}
	c := &Client{
		epoll: epoll, wakeRead: pipe[0], wake: pipe[1],
		requests: make(chan request, 1), ended: make(chan struct{}),
		base: time.Now(), baseMono: procfs.Monotonic(),
		buf: make([]byte, 256<<10), events: make([]syscall.EpollEvent, 1024),
		groups:    map[string]*group{},
		pongFrame: appendText(nil, "3"), pingFrame: appendText(nil, "2"),
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c.wakeRead)}
	if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, c.wakeRead, &event); err != nil {
		c.free()
		return nil, fmt.Errorf("load: epoll: %w", err)
	}
	return c, nil
}

// ErrEnded is returned by Do when Run has returned.
var ErrEnded = errors.New("load: the client has ended")

// Do carries out one command. Calls take turns.
func (c *Client) Do(ctx context.Context, command Command) (Reply, error) {
	r := request{command, make(chan Reply, 1)}
	select {
	case c.requests <- r:
	case <-c.ended:
		return Reply{}, ErrEnded
	case <-ctx.Done():
		return Reply{}, ctx.Err()
	}
	c.poke()
	select {
	case reply := <-r.reply:
		if reply.Error != "" {
			return reply, errors.New("load: " + reply.Error)
		}
		return reply, nil
	case <-c.ended:
		return Reply{}, ErrEnded
	case <-ctx.Done():
		return Reply{}, ctx.Err()
	}
}

// Run is the loop. It returns when ctx ends, with all connections closed.
func (c *Client) Run(ctx context.Context) error {
	defer c.free()
	defer close(c.ended)
	stop := context.AfterFunc(ctx, c.poke)
	defer stop()
	for ctx.Err() == nil {
		n, err := syscall.EpollWait(c.epoll, c.events, c.waitMillis())
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("load: epoll: %w", err)
		}
		for i := range max(n, 0) {
			fd := int(c.events[i].Fd)
			if fd == c.wakeRead {
				c.drainWake()
			} else if conn := c.table[fd]; conn != nil {
				conn.onEvent()
			}
		}
		c.work(c.now())
	}
	return nil
}

// waitMillis is short while an operation has work of its own to do.
func (c *Client) waitMillis() int {
	switch {
	case c.active == nil && len(c.groups) == 0:
		return -1
	case c.active == nil:
		return 1000
	case c.dialing:
		return 0
	}
	return 20
}

// work goes on with the command under way, or takes the next one.
func (c *Client) work(now time.Duration) {
	if c.active == nil {
		select {
		case r := <-c.requests:
			if err := c.begin(r, now); err != nil {
				r.reply <- Reply{Error: err.Error()}
			}
		default:
		}
	}
	if op := c.active; op != nil {
		if op.step(now) || now > op.deadline || now-op.group.last > op.stall {
			c.active = nil
			op.reply <- op.finish()
		}
	}
	if now-c.beatAt >= time.Second {
		c.beatAt = now
		c.heartbeat()
	}
}

// heartbeat pings for the clients of Engine.IO 3, a twentieth of them every
// second.
func (c *Client) heartbeat() {
	c.beat++
	for _, conn := range c.table {
		if conn != nil && conn.v3 && conn.phase == ready && conn.number/2%20 == c.beat%20 {
			conn.send(c.pingFrame)
		}
	}
}

// poke has the loop look around.
func (c *Client) poke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		_, _ = syscall.Write(c.wake, []byte{0}) // a full pipe wakes too
	}
}

func (c *Client) drainWake() {
	var b [64]byte
	for {
		if n, _ := syscall.Read(c.wakeRead, b[:]); n < len(b) {
			return
		}
	}
}

// now is the clock that all processes share.
func (c *Client) now() time.Duration { return c.baseMono + time.Since(c.base) }

func (c *Client) free() {
	for _, conn := range c.table {
		if conn != nil {
			conn.close(true)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, fd := range []int{c.epoll, c.wakeRead, c.wake} {
		_ = syscall.Close(fd)
	}
}

// open begins the connection of a new client.
func (c *Client) open(to netip.AddrPort, g *group, number int, v3 bool, now time.Duration) error {
	one := &conn{client: c, group: g, number: number, v3: v3, started: now}
	if g.check {
		one.track = &track{}
	}
	if err := c.dial(to, one); err != nil {
		return err
	}
	g.conns = append(g.conns, one)
	return nil
}

// dial begins a connection of a client.
func (c *Client) dial(to netip.AddrPort, one *conn) error {
	fd, err := dial(to, one.number)
	if err != nil {
		return err
	}
	if fd >= len(c.table) {
		c.table = append(c.table, make([]*conn, fd+1024-len(c.table))...)
	}
	one.fd = fd
	c.table[fd] = one
	c.underway++
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | epollET, Fd: int32(fd)}
	if err := syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		one.fail(err.Error())
	}
	return nil
}
