package netpoll

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds every wait; nothing is expected to take that long.
const patience = 10 * time.Second

// maxQueued is the bound that the factories of the contract configure.
const maxQueued = 1 << 20

// pair makes a connected pair: the side for the poller and the client's.
type pair func(t testing.TB) (server, client net.Conn)

// contract is what every Poller has to keep. newPoller makes one with a bound of maxQueued unsent bytes per
// connection; connect makes connections of a kind that it supports.
func contract(t *testing.T, newPoller func() Poller, connect pair) {
	for name, test := range map[string]func(*testing.T, *rig){
		"nothing is delivered before Resume":       testStartsPaused,
		"leftover is delivered first":              testLeftover,
		"peer closes":                              testPeerCloses,
		"OnData returns an error":                  testOnDataError,
		"calls of the handler do not overlap":      testNoOverlap,
		"pause and resume":                         testPause,
		"close while paused":                       testCloseWhilePaused,
		"writes are adjacent and in order":         testWritesAdjacent,
		"buffers are not modified":                 testBuffersUntouched,
		"overflow queues nothing":                  testOverflow,
		"writable when all is sent":                testWritable,
		"write after close":                        testWriteAfterClose,
		"close from many goroutines":               testCloseOnce,
		"close inside the handler":                 testCloseInsideHandler,
		"flush before close":                       testFlush,
		"flush discards input":                     testFlushDiscardsInput,
		"flush to a peer that does not read":       testFlushTimeout,
		"flush to a peer that stopped sending":     testFlushAfterHalfClose,
		"flush of nothing":                         testFlushNothing,
		"poller closes everything":                 testPollerClose,
		"write while the handler is inside OnData": testWriteInsideHandler,
		"deferred writes wait for the flush":       testDeferred,
		"deferred and direct writes keep order":    testDeferredOrder,
		"deferred writes are bounded":              testDeferredBound,
		"deferred writes overflow":                 testDeferredOverflow,
		"deferred writes of several batches":       testDeferredBatches,
		"close flushes deferred writes":            testDeferredClose,
	} {
		t.Run(name, func(t *testing.T) {
			poller := newPoller()
			r := &rig{t: t, poller: poller, connect: connect}
			defer poller.Close()
			test(t, r)
		})
	}
}

type rig struct {
	t       *testing.T
	poller  Poller
	connect pair
}

// recorder is a Handler that notes what happens.
type recorder struct {
	data   chan string
	closed chan error
	hook   func(p []byte) error
	inside atomic.Int32
	faults atomic.Int32
}

func (h *recorder) OnData(p []byte) error {
	if h.inside.Add(1) != 1 || len(h.closed) > 0 {
		h.faults.Add(1)
	}
	defer h.inside.Add(-1)
	if h.hook != nil {
		if err := h.hook(p); err != nil {
			return err
		}
	}
	h.data <- string(p)
	return nil
}

func (h *recorder) OnClose(err error) {
	if h.inside.Load() != 0 {
		h.faults.Add(1)
	}
	h.closed <- err
}

func (h *recorder) wantData(t *testing.T, want string) {
	t.Helper()
	got := ""
	for len(got) < len(want) {
		select {
		case part := <-h.data:
			got += part
		case <-time.After(patience):
			t.Fatalf("received %.100q, want %.100q", got, want)
		}
	}
	if got != want {
		t.Fatalf("received %.100q, want %.100q", got, want)
	}
}

func (h *recorder) wantClosed(t *testing.T, want error) {
	t.Helper()
	select {
	case err := <-h.closed:
		if !errors.Is(err, want) {
			t.Fatalf("closed with %v, want %v", err, want)
		}
	case <-time.After(patience):
		t.Fatal("not closed")
	}
	if len(h.closed) > 0 || h.faults.Load() > 0 {
		t.Fatalf("%d more closes, %d faults", len(h.closed), h.faults.Load())
	}
}

func (r *rig) attach(leftover string, hook func([]byte) error) (Conn, *recorder, net.Conn) {
	r.t.Helper()
	server, client := r.connect(r.t)
	_ = client.SetDeadline(time.Now().Add(patience))
	h := &recorder{data: make(chan string, 100_000), closed: make(chan error, 10), hook: hook}
	c, err := r.poller.Attach(server, []byte(leftover), h)
	if err != nil {
		r.t.Fatal(err)
	}
	return c, h, client
}

func (r *rig) write(client net.Conn, s string) {
	r.t.Helper()
	if _, err := io.WriteString(client, s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(client io.Reader, want string) {
	r.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
		r.t.Fatalf("client read %.100q, %v; want %.100q", got, err, want)
	}
}

func (r *rig) wantEOF(client io.Reader) {
	r.t.Helper()
	if rest, err := io.ReadAll(client); err != nil || len(rest) > 0 {
		r.t.Fatalf("client read %.100q, %v; want the end", rest, err)
	}
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("never: %s", what)
		}
	}
}

func testStartsPaused(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	r.write(client, "early")
	if err := c.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	r.read(client, "first")
	if len(h.data) > 0 {
		t.Fatal("delivered before Resume")
	}
	c.Resume()
	h.wantData(t, "early")
	if c.RemoteAddr() == nil {
		t.Fatal("no remote address")
	}
}

func testLeftover(t *testing.T, r *rig) {
	c, h, client := r.attach("left", nil)
	go func() { _, _ = io.WriteString(client, "over") }() // a pipe has no room for it before Resume
	c.Resume()
	h.wantData(t, "leftover")
}

func testPeerCloses(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	c.Resume()
	r.write(client, "last words")
	client.Close()
	h.wantData(t, "last words")
	h.wantClosed(t, io.EOF)
	if err := c.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func testOnDataError(t *testing.T, r *rig) {
	stop := errors.New("stop")
	c, h, client := r.attach("", func(p []byte) error {
		if bytes.Contains(p, []byte("bad")) {
			return stop
		}
		return nil
	})
	c.Resume()
	r.write(client, "good")
	h.wantData(t, "good")
	r.write(client, "bad")
	h.wantClosed(t, stop)
	r.wantEOF(client)
}

func testNoOverlap(t *testing.T, r *rig) {
	c, h, client := r.attach("", func([]byte) error { time.Sleep(50 * time.Microsecond); return nil })
	c.Resume()
	var sent bytes.Buffer
	for i := range 500 {
		part := fmt.Sprintf("%d,", i)
		sent.WriteString(part)
		r.write(client, part)
		if i%50 == 0 {
			c.Pause()
			c.Resume()
		}
	}
	h.wantData(t, sent.String())
	client.Close()
	h.wantClosed(t, io.EOF)
}

func testPause(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	c.Resume()
	r.write(client, "a")
	h.wantData(t, "a")
	c.Pause()
	c.Pause()
	r.write(client, "b")
	if err := c.Write([]byte("pong")); err != nil { // sending goes on
		t.Fatal(err)
	}
	r.read(client, "pong")
	if len(h.data) > 0 {
		t.Fatal("delivered while paused")
	}
	c.Resume()
	h.wantData(t, "b")
}

func testCloseWhilePaused(t *testing.T, r *rig) {
	stop := errors.New("stop")
	for _, leftover := range []string{"", "undelivered"} {
		c, h, client := r.attach(leftover, nil)
		c.Close(stop)
		h.wantClosed(t, stop)
		r.wantEOF(client)
		if len(h.data) > 0 {
			t.Fatal("delivered")
		}
	}
}

func testWritesAdjacent(t *testing.T, r *rig) {
	c, _, client := r.attach("", nil)
	const writers, rounds = 8, 200
	for i := range writers {
		go func() {
			for n := range rounds {
				head, body := fmt.Appendf(nil, "[%d %03d", i, n), fmt.Appendf(nil, " %d]", i)
				if err := c.Write(head, nil, body); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		}()
	}
	next := make([]int, writers)
	for range writers * rounds {
		var i, n, j int
		part := make([]byte, len("[0 000 0]"))
		if _, err := io.ReadFull(client, part); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(string(part), "[%d %03d %d]", &i, &n, &j); err != nil || i != j || n != next[i] {
			t.Fatalf("%q, want number %d", part, next[i])
		}
		next[i]++
	}
}

func testBuffersUntouched(t *testing.T, r *rig) {
	shared := bytes.Repeat([]byte("0123456789"), 10_000)
	want := string(shared)
	const conns = 4
	var readers sync.WaitGroup
	for range conns {
		c, _, client := r.attach("", nil)
		bufs := [][]byte{shared, shared[:10]}
		if err := c.Write(bufs...); err != nil {
			t.Fatal(err)
		}
		bufs[0], bufs[1] = nil, nil // the slice is not kept
		readers.Go(func() { r.read(client, want+want[:10]) })
	}
	readers.Wait()
	if string(shared) != want {
		t.Fatal("shared bytes were modified")
	}
}

func testOverflow(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	part := bytes.Repeat([]byte("x"), 64<<10)
	sent := 0
	r.eventually("overflow", func() bool {
		err := c.Write(part, part)
		if err == nil {
			sent += 2 * len(part)
			return false
		}
		return errors.Is(err, ErrOverflow)
	})
	if q := c.Queued(); q > maxQueued || q == 0 || c.Writable() {
		t.Fatal(q, c.Writable())
	}
	if err := c.Write(make([]byte, maxQueued+1)); !errors.Is(err, ErrOverflow) {
		t.Fatal(err)
	}
	r.read(client, string(bytes.Repeat([]byte("x"), sent))) // no more and no less
	r.eventually("all is sent", c.Writable)
	if err := c.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	r.read(client, "end")
	c.Close(nil)
	h.wantClosed(t, nil)
}

func testWritable(t *testing.T, r *rig) {
	c, _, client := r.attach("", nil)
	if !c.Writable() || c.Queued() != 0 {
		t.Fatal("not writable at first")
	}
	for range 100 {
		if err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		r.read(client, "ping")
		r.eventually("writable", c.Writable)
	}
	if err := c.Write(); err != nil {
		t.Fatal(err)
	}
}

func testWriteAfterClose(t *testing.T, r *rig) {
	c, h, _ := r.attach("", nil)
	c.Close(nil)
	h.wantClosed(t, nil)
	if err := c.Write([]byte("x")); !errors.Is(err, ErrClosed) || c.Queued() != 0 || c.Writable() {
		t.Fatal(err)
	}
	c.Close(io.ErrNoProgress) // all harmless
	c.CloseAfterFlush(time.Second)
	c.Pause()
	c.Resume()
}

func testCloseOnce(t *testing.T, r *rig) {
	for range 20 {
		c, h, client := r.attach("", nil)
		c.Resume()
		r.write(client, "data")
		var closers sync.WaitGroup
		for i := range 4 {
			closers.Go(func() {
				switch i {
				case 0:
					c.CloseAfterFlush(time.Second)
				case 1:
					client.Close()
				default:
					c.Close(io.EOF)
				}
			})
		}
		closers.Wait()
		select {
		case <-h.closed:
		case <-time.After(patience):
			t.Fatal("not closed")
		}
		if h.faults.Load() > 0 {
			t.Fatal("calls overlapped")
		}
	}
}

func testCloseInsideHandler(t *testing.T, r *rig) {
	stop := errors.New("stop")
	var c Conn
	c, h, client := r.attach("", func([]byte) error { c.Close(stop); return nil })
	c.Resume()
	r.write(client, "x")
	h.wantClosed(t, stop)
	r.wantEOF(client)
}

func testWriteInsideHandler(t *testing.T, r *rig) {
	var c Conn
	c, _, client := r.attach("", func(p []byte) error { return c.Write(bytes.Clone(p)) })
	c.Resume()
	r.write(client, "echo")
	r.read(client, "echo")
}

func testFlush(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	big := bytes.Repeat([]byte("x"), maxQueued)
	if err := c.Write(big); err != nil {
		t.Fatal(err)
	}
	c.CloseAfterFlush(patience)
	if err := c.Write([]byte("late")); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	r.read(client, string(big))
	r.wantEOF(client)
	client.Close()
	h.wantClosed(t, nil)
}

func testFlushDiscardsInput(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	c.Resume()
	if err := c.Write([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	c.CloseAfterFlush(patience)
	r.write(client, "nobody listens")
	r.read(client, "bye") // no reset has destroyed it
	r.wantEOF(client)
	client.Close()
	h.wantClosed(t, nil)
	if len(h.data) > 0 {
		t.Fatal("delivered after CloseAfterFlush")
	}
}

func testFlushTimeout(t *testing.T, r *rig) {
	c, h, _ := r.attach("", nil)
	part := bytes.Repeat([]byte("x"), 64<<10)
	r.eventually("overflow", func() bool { return c.Write(part) != nil })
	c.CloseAfterFlush(50 * time.Millisecond)
	h.wantClosed(t, ErrFlushTimeout)
}

func testFlushAfterHalfClose(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	half, ok := client.(interface{ CloseWrite() error })
	if !ok {
		t.Skip("connections of this kind cannot be half closed")
	}
	big := bytes.Repeat([]byte("x"), maxQueued)
	if err := c.Write(big); err != nil {
		t.Fatal(err)
	}
	c.CloseAfterFlush(patience)
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	r.read(client, string(big))
	r.wantEOF(client)
	h.wantClosed(t, nil)
}

func testFlushNothing(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	c.CloseAfterFlush(patience)
	r.wantEOF(client)
	h.wantClosed(t, nil) // the client does not close: the linger ends it
}

func testPollerClose(t *testing.T, r *rig) {
	var handlers []*recorder
	for range 5 {
		c, h, _ := r.attach("", nil)
		c.Resume()
		handlers = append(handlers, h)
	}
	if err := r.poller.Close(); err != nil {
		t.Fatal(err)
	}
	for _, h := range handlers {
		if len(h.closed) != 1 {
			t.Fatal("Close returned before OnClose")
		}
		h.wantClosed(t, ErrClosed)
	}
	server, _ := r.connect(t)
	if _, err := r.poller.Attach(server, nil, &recorder{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func testDeferred(t *testing.T, r *rig) {
	c, _, client := r.attach("", nil)
	var batch Batch
	for _, part := range []string{"a", "", "b", "c"} {
		if err := batch.Write(c, []byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Write(c); err != nil {
		t.Fatal(err)
	}
	if c.Queued() != 3 || !c.Writable() {
		t.Fatal("not deferred", c.Queued(), c.Writable())
	}
	batch.Flush()
	r.read(client, "abc")
	r.eventually("all is sent", func() bool { return c.Queued() == 0 })
	batch.Flush() // of nothing
	if err := batch.Write(c, []byte("again")); err != nil {
		t.Fatal(err)
	}
	batch.Flush()
	r.read(client, "again")
}

func testDeferredOrder(t *testing.T, r *rig) {
	c, _, client := r.attach("", nil)
	want := ""
	var batch Batch
	for i := range 500 {
		part := fmt.Sprintf("%d,", i)
		want += part
		var err error
		if i%7 == 3 {
			err = c.Write([]byte(part)) // takes what is deferred with it
		} else {
			err = batch.Write(c, []byte(part))
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			batch.Flush()
		}
	}
	r.read(client, want)
}

// testDeferredBound: so much is not held back, flush or no flush.
func testDeferredBound(t *testing.T, r *rig) {
	for _, part := range [][]byte{[]byte("x"), bytes.Repeat([]byte("x"), 10_000)} {
		c, _, client := r.attach("", nil)
		var batch Batch
		n := 0
		for n < deferBuffers && n*len(part) < deferBytes {
			if err := batch.Write(c, part); err != nil {
				t.Fatal(err)
			}
			n++
		}
		r.read(client, string(bytes.Repeat(part, n)))
		batch.Flush()
	}
}

func testDeferredOverflow(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	var batch Batch
	if err := batch.Write(c, make([]byte, maxQueued+1)); !errors.Is(err, ErrOverflow) {
		t.Fatal(err)
	}
	part := bytes.Repeat([]byte("x"), 16<<10)
	sent := 0
	r.eventually("overflow", func() bool {
		err := batch.Write(c, part)
		if err == nil {
			sent += len(part)
		}
		return errors.Is(err, ErrOverflow)
	})
	if q := c.Queued(); q > maxQueued || q == 0 {
		t.Fatal(q)
	}
	r.read(client, string(bytes.Repeat([]byte("x"), sent)))
	r.eventually("all is sent", c.Writable)
	c.Close(nil)
	h.wantClosed(t, nil)
	if err := batch.Write(c, part); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	batch.Flush()
}

// testDeferredBatches: every batch flushes what it owes, and with it what others have deferred.
func testDeferredBatches(t *testing.T, r *rig) {
	c, _, client := r.attach("", nil)
	var first, second Batch
	for range 20 {
		_ = first.Write(c, []byte("1"))
		_ = second.Write(c, []byte("2"))
		_ = first.Write(c, []byte("1"))
		second.Flush()
		r.read(client, "121")
		r.eventually("the socket is idle", c.Writable)
	}
	first.Flush()
	_ = second.Write(c, []byte("2"))
	first.Flush()
	if c.Queued() != 1 {
		t.Fatal("flushed by a batch that owes nothing")
	}
	second.Flush()
	r.read(client, "2")
}

func testDeferredClose(t *testing.T, r *rig) {
	c, h, client := r.attach("", nil)
	var batch Batch
	_ = batch.Write(c, []byte("bye"))
	c.CloseAfterFlush(patience)
	r.read(client, "bye")
	r.wantEOF(client)
	client.Close()
	h.wantClosed(t, nil)
	batch.Flush()

	c, h, _ = r.attach("", nil)
	_ = batch.Write(c, []byte("lost"))
	c.Close(nil)
	h.wantClosed(t, nil)
	batch.Flush()
}

// TestLargeBatch: it is split among processors.
func TestLargeBatch(t *testing.T) {
	for _, portable := range []bool{false, true} {
		p, err := New(Options{Portable: portable})
		if err != nil {
			t.Fatal(err)
		}
		testLargeBatch(t, &rig{t: t, poller: p, connect: tcpPair})
		p.Close()
	}
}

func testLargeBatch(t *testing.T, r *rig) {
	conns := make([]Conn, 2*batchShard+1)
	var batch Batch
	var readers sync.WaitGroup
	for i := range conns {
		var client net.Conn
		conns[i], _, client = r.attach("", nil)
		want := fmt.Sprintf("for %d", i)
		for _, part := range []string{want[:2], want[2:]} {
			if err := batch.Write(conns[i], []byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		readers.Go(func() {
			defer client.Close()
			got := make([]byte, len(want))
			if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
				t.Errorf("client %d read %q, %v", i, got, err)
			}
		})
	}
	batch.Flush()
	readers.Wait()
}
