package ring

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// balancer passes TCP connections on to its targets, one after the other, and tries the next when one refuses, as a
// load balancer in front of connectors does. It can harm single connections.
type balancer struct {
	listener net.Listener
	targets  []string // host:port, fixed
	wg       sync.WaitGroup

	mu     sync.Mutex
	next   int
	pipes  map[string]*pipe // by the client's address
	closed bool
}

// pipe is one connection through the balancer.
type pipe struct {
	client, server net.Conn
	target         int

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when stalled ends or closed is set
	stalled int
	hole    bool // swallow everything, hide the end
	closed  bool
}

func newBalancer(targets []string) (*balancer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("balancer: %w", err)
	}
	b := &balancer{listener: l, targets: targets, pipes: map[string]*pipe{}}
	b.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() { b.serve(client) })
		}
	})
	return b, nil
}

func (b *balancer) addr() string { return b.listener.Addr().String() }

// close ends every connection and waits.
func (b *balancer) close() {
	_ = b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for _, p := range b.pipes {
		p.abort()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *balancer) serve(client net.Conn) {
	server, target := b.dial()
	if server == nil {
		reset(client)
		return
	}
	p := &pipe{client: client, server: server, target: target, changed: make(chan struct{})}
	key := client.RemoteAddr().String()
	b.mu.Lock()
	if b.closed {
		p.abort()
	}
	b.pipes[key] = p
	b.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(server, client) })
	p.copy(client, server)
	wg.Wait()
	_ = client.Close()
	_ = server.Close()
	b.mu.Lock()
	delete(b.pipes, key)
	b.mu.Unlock()
}

// dial takes the next target that accepts. One that is frozen accepts too and never answers; that is for the clients
// to find out.
func (b *balancer) dial() (net.Conn, int) {
	for range b.targets {
		b.mu.Lock()
		i := b.next % len(b.targets)
		b.next++
		b.mu.Unlock()
		if c, err := net.DialTimeout("tcp", b.targets[i], time.Second); err == nil {
			return c, i
		}
	}
	return nil, 0
}

// copy passes bytes from src to dst until either ends; then it ends dst, unless the pipe is a hole.
func (p *pipe) copy(dst, src net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		n, err := src.Read(buf)
		if !p.pass() {
			return
		}
		p.mu.Lock()
		hole := p.hole
		p.mu.Unlock()
		if hole {
			if err != nil { // the other side does not hear of it
				return
			}
			continue
		}
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				_ = src.Close()
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				_ = dst.(*net.TCPConn).CloseWrite()
			} else {
				reset(dst)
			}
			return
		}
	}
}

// pass waits while the pipe is stalled; it returns false when the pipe is closed.
func (p *pipe) pass() bool {
	for {
		p.mu.Lock()
		stalled, closed, changed := p.stalled > 0, p.closed, p.changed
		p.mu.Unlock()
		if closed || !stalled {
			return !closed
		}
		<-changed
	}
}

func (p *pipe) signalLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// abort resets both sides.
func (p *pipe) abort() {
	p.mu.Lock()
	p.closed = true
	p.signalLocked()
	p.mu.Unlock()
	reset(p.client)
	reset(p.server)
}

func (p *pipe) stall(by int) {
	p.mu.Lock()
	p.stalled += by
	p.signalLocked()
	p.mu.Unlock()
}

func (p *pipe) swallow() {
	p.mu.Lock()
	p.hole = true
	p.mu.Unlock()
}

// reset closes with RST instead of FIN.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// swallow makes the connection of a client address a hole; false when there is none.
func (b *balancer) swallow(client string) bool {
	b.mu.Lock()
	p := b.pipes[client]
	b.mu.Unlock()
	if p != nil {
		p.swallow()
	}
	return p != nil
}

// of returns the client addresses of the connections to a target.
func (b *balancer) of(target int) (addrs []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for addr, p := range b.pipes {
		if p.target == target {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// pick returns up to n connections at random, by client address.
func (b *balancer) pick(rng *rand.Rand, n int) map[string]*pipe {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]string, 0, len(b.pipes))
	for addr := range b.pipes {
		all = append(all, addr)
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	picked := map[string]*pipe{}
	for _, addr := range all[:min(n, len(all))] {
		picked[addr] = b.pipes[addr]
	}
	return picked
}
