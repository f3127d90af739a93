package netpoll

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func newTestReactor() Poller {
	r, err := NewReactor(Options{MaxQueued: maxQueued})
	if err != nil {
		panic(err)
	}
	return r
}

func TestReactorTCP(t *testing.T)  { contract(t, newTestReactor, tcpPair) }
func TestReactorTLS(t *testing.T)  { contract(t, newTestReactor, tlsPair) }
func TestReactorPipe(t *testing.T) { contract(t, newTestReactor, pipePair) }
func TestReactorUnix(t *testing.T) { contract(t, newTestReactor, unixPair) }

func unixPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, client
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	p, err := NewReactor(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return &rig{t: t, poller: p, connect: tcpPair}
}

// openFiles is the number of descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// block stops the loop of a reactor with one loop until the returned function is called.
func (r *rig) block() (release func()) {
	inside, leave := make(chan struct{}), make(chan struct{})
	c, _, client := r.attach("", func([]byte) error { close(inside); <-leave; return nil })
	c.Resume()
	r.write(client, "x")
	<-inside
	return func() { close(leave) }
}

// TestIdleConnectionOwnsNothing: no goroutine, no queue, no leftovers of its opening.
func TestIdleConnectionOwnsNothing(t *testing.T) {
	r := newRig(t, Options{Loops: 2})
	before := runtime.NumGoroutine()
	for range 100 {
		c, h, client := r.attach("a", nil)
		c.Resume()
		if err := c.Write([]byte("b")); err != nil {
			t.Fatal(err)
		}
		r.read(client, "b")
		h.wantData(t, "a")
		e := c.(*epollConn)
		e.mu.Lock()
		if e.out != nil || e.rare != nil {
			t.Fatal("something is kept")
		}
		e.mu.Unlock()
	}
	if now := runtime.NumGoroutine(); now > before+2 {
		t.Fatalf("%d goroutines for two loops", now-before)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	r := newRig(t, Options{})
	c, _, client := r.attach("", nil)
	go func() { _, _ = io.Copy(io.Discard, client) }()
	one, several := [][]byte{make([]byte, 10)}, [][]byte{make([]byte, 10), make([]byte, 1000)}
	var batch Batch
	for name, write := range map[string]func(){
		"one":      func() { _ = c.Write(one...) },
		"several":  func() { _ = c.Write(several...) },
		"deferred": func() { _, _ = batch.Write(c, one...), batch.Write(c, several...); batch.Flush() },
	} {
		if n := testing.AllocsPerRun(1000, write); n >= 1 && !raceEnabled { // a pool is emptied now and then
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestChurn opens and ends 10,000 connections in every way there is, several at a time, so that descriptors and slots are
// used again while events of their former owners are still on the way. Every client gets its own words back.
func TestChurn(t *testing.T) {
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	p, err := NewReactor(Options{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var opened, closed atomic.Int64
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			h := &churner{closed: &closed}
			c, err := p.Attach(nc, nil, h)
			if err != nil {
				t.Error(err)
				return
			}
			opened.Add(1)
			h.c = c
			c.Resume()
		}
	}()
	const workers, each = 8, 1250
	var clients sync.WaitGroup
	for w := range workers {
		clients.Go(func() {
			for i := range each {
				if err := churn(l.Addr().String(), uint32(w<<16|i), i%5); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	r := &rig{t: t, poller: p}
	r.eventually("all are closed", func() bool { return closed.Load() == workers*each })
	l.Close()
	for _, l := range p.loops {
		l.mu.Lock()
		if l.live != 0 || len(l.conns) != 0 || len(l.tasks) != 0 {
			t.Error("a loop remembers", l.live, len(l.conns), len(l.tasks))
		}
		l.mu.Unlock()
	}
	p.Close()
	r.eventually("no descriptor is left", func() bool { return openFiles(t) <= files })
	r.eventually("no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	if opened.Load() != workers*each {
		t.Fatal(opened.Load())
	}
}

// churner echoes; the first byte of what it gets says how the connection ends.
type churner struct {
	c      Conn
	closed *atomic.Int64
}

func (h *churner) OnData(p []byte) error {
	how := p[0]
	if err := h.c.Write(bytes.Clone(p)); err != nil {
		return err
	}
	switch how {
	case 1:
		h.c.CloseAfterFlush(time.Second)
	case 2:
		go h.c.CloseAfterFlush(time.Second)
	}
	return nil
}

func (h *churner) OnClose(error) { h.closed.Add(1) }

// churn is one client; how is the way the connection ends.
func churn(address string, id uint32, how int) error {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	words := binary.BigEndian.AppendUint32([]byte{byte(how)}, id)
	if _, err := nc.Write(words); err != nil {
		return err
	}
	got := make([]byte, len(words))
	if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, words) {
		return fmt.Errorf("read %x, %w; want %x", got, err, words)
	}
	switch how {
	case 1, 2:
		_, err = io.ReadAll(nc)
	case 3:
		err = nc.(*net.TCPConn).SetLinger(0) // the close resets the connection
	}
	return err
}

// TestPartialWrites: a socket with a tiny buffer takes a bit at a time, out of the middle of buffers.
func TestPartialWrites(t *testing.T) {
	r := newRig(t, Options{MaxQueued: 64 << 20})
	server, client := tcpPair(t)
	_ = client.SetDeadline(time.Now().Add(patience))
	if err := server.(*net.TCPConn).SetWriteBuffer(1); err != nil {
		t.Fatal(err)
	}
	c, err := r.poller.Attach(server, nil, &recorder{closed: make(chan error, 1)})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var want bytes.Buffer
	var batch Batch
	for n := 0; want.Len() < 1<<20; n++ {
		bufs := make([][]byte, random.IntN(300))
		for i := range bufs {
			bufs[i] = make([]byte, random.IntN(1<<random.IntN(12)))
			for j := range bufs[i] {
				bufs[i][j] = byte(random.Uint32())
			}
			want.Write(bufs[i])
		}
		if n%2 == 0 {
			err = c.Write(bufs...)
		} else {
			err = batch.Write(c, bufs...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	batch.Flush()
	c.CloseAfterFlush(patience)
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("read %d bytes, %v; want %d", len(got), err, want.Len())
	}
}

// TestFairness: one connection that always has more to read delays another by one read, not by all it has.
func TestFairness(t *testing.T) {
	const readBuffer = 1024
	r := newRig(t, Options{Loops: 1, ReadBuffer: readBuffer})
	var flooded atomic.Int64
	flood, _, flooder := r.attach("", func(p []byte) error { flooded.Add(int64(len(p))); return nil })
	passed := make(chan int64, 1)
	quiet, _, client := r.attach("", func([]byte) error { passed <- flooded.Load(); return nil })
	r.write(flooder, string(make([]byte, 100*readBuffer)))
	r.write(client, "x")
	release := r.block()
	flood.Resume()
	quiet.Resume()
	release()
	select {
	case n := <-passed:
		if n > 2*readBuffer {
			t.Fatalf("%d bytes of the other came first", n)
		}
	case <-time.After(patience):
		t.Fatal("starved")
	}
	r.eventually("all is read", func() bool { return flooded.Load() == 100*readBuffer })
}

func TestReset(t *testing.T) {
	r := newRig(t, Options{})
	for _, paused := range []bool{false, true} {
		c, h, client := r.attach("", nil)
		if !paused {
			c.Resume()
		}
		_ = client.(*net.TCPConn).SetLinger(0)
		client.Close()
		if paused { // it may be noticed at once or with Resume
			c.Resume()
		}
		h.wantClosed(t, syscall.ECONNRESET)
	}
}

// TestLastWords: what the peer sent before it went away is delivered, also when a write is the first to notice.
func TestLastWords(t *testing.T) {
	r := newRig(t, Options{Loops: 1})
	c, h, client := r.attach("", nil)
	release := r.block()
	c.Resume()
	r.write(client, "last words")
	client.Close()
	r.eventually("a write fails", func() bool { return c.Write([]byte("x")) != nil })
	if err := c.Write([]byte("x")); !errors.Is(err, ErrClosed) || c.Writable() || c.Queued() != 0 {
		t.Fatal(err)
	}
	release()
	h.wantData(t, "last words")
	select {
	case err := <-h.closed:
		if err == nil {
			t.Fatal("closed without an error")
		}
	case <-time.After(patience):
		t.Fatal("not closed")
	}
}

// TestSlowButSteady: WriteTimeout is for what was queued, and starts anew while the peer keeps reading.
func TestSlowButSteady(t *testing.T) {
	r := newRig(t, Options{MaxQueued: 64 << 20, WriteTimeout: time.Hour})
	c, h, client := r.attach("", nil)
	part := bytes.Repeat([]byte("x"), 32<<20)
	if err := c.Write(part); err != nil {
		t.Fatal(err)
	}
	e := c.(*epollConn)
	expire := func() {
		e.Expire() // as if the time were up
	}
	e.mu.Lock()
	goal := e.rare.goal
	e.mu.Unlock()
	if goal == 0 {
		t.Fatal("not watched")
	}
	if err := c.Write(part[:1<<20]); err != nil { // not part of the goal
		t.Fatal(err)
	}
	r.read(client, string(part))
	e.mu.Lock()
	if e.rare != nil {
		e.rare.written = max(e.rare.written, e.rare.goal)
	}
	e.mu.Unlock()
	expire()
	r.read(client, string(part[:1<<20]))
	r.eventually("all is sent", func() bool { return c.Queued() == 0 })
	expire()
	if len(h.closed) > 0 {
		t.Fatal("closed")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rare != nil || e.out != nil {
		t.Fatal("something is kept")
	}
}

func TestAttachFails(t *testing.T) {
	r := newRig(t, Options{})
	r.poller.Close()
	server, client := tcpPair(t)
	if _, err := r.poller.Attach(server, nil, &recorder{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	r.write(server, "untouched")
	r.read(client, "untouched")
	closed, _ := tcpPair(t)
	closed.Close()
	if _, err := newRig(t, Options{}).poller.Attach(closed, nil, &recorder{}); err == nil {
		t.Fatal("attached a closed connection")
	}
}

func TestRemoteAddr(t *testing.T) {
	r := newRig(t, Options{})
	for _, network := range []string{"tcp4", "tcp6"} {
		address := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
		l, err := net.Listen(network, address)
		if err != nil {
			t.Logf("%s: %v", network, err)
			continue
		}
		defer l.Close()
		client, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		h := &recorder{closed: make(chan error, 1)}
		c, err := r.poller.Attach(server, nil, h)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.RemoteAddr().String(), client.LocalAddr().String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		c.Close(nil)
		h.wantClosed(t, nil)
		if c.RemoteAddr() == nil {
			t.Error("nil after the close")
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	p, err := NewReactor(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	server, client := tcpPair(b)
	go func() { _, _ = io.Copy(io.Discard, client) }()
	c, err := p.Attach(server, nil, &recorder{closed: make(chan error, 1)})
	if err != nil {
		b.Fatal(err)
	}
	bufs := [][]byte{make([]byte, 130)}
	drain := func(err error) { // the client is slower
		for err != nil && !c.Writable() {
			runtime.Gosched()
		}
	}
	for _, n := range []int{1, 40} {
		b.Run(fmt.Sprintf("deferred %d", n), func(b *testing.B) {
			var batch Batch
			b.ReportAllocs()
			for b.Loop() {
				for range n {
					drain(batch.Write(c, bufs...))
				}
				batch.Flush()
			}
		})
	}
	b.Run("direct", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			drain(c.Write(bufs...))
		}
	})
}
