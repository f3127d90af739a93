package netloop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"
)

// recorder is a Handler that tells a test what it hears.
type recorder struct {
	opened chan struct{}
	closed chan error
	mu     sync.Mutex
	data   bytes.Buffer
	more   chan struct{} // capacity 1
}

func newRecorder() *recorder {
	return &recorder{opened: make(chan struct{}, 1), closed: make(chan error, 1), more: make(chan struct{}, 1)}
}

func (r *recorder) Opened() { r.opened <- struct{}{} }
func (r *recorder) Data(p []byte) {
	r.mu.Lock()
	r.data.Write(p)
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}
func (r *recorder) Closed(err error) { r.closed <- err }

func (r *recorder) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.data.Len()
}

func (r *recorder) wait(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for r.size() < n {
		select {
		case <-r.more:
		case <-deadline:
			t.Fatalf("%d of %d bytes came", r.size(), n)
		}
	}
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s", what)
	}
	return v
}

func start(t *testing.T) *Loop {
	t.Helper()
	l, err := New(func(int64) time.Duration { return time.Second })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := await(t, "end", ended); err != nil {
			t.Error(err)
		}
		if l.Do(func() {}) {
			t.Error("an ended loop takes tasks")
		}
	})
	return l
}

// in runs f in the loop.
func in(l *Loop, f func()) {
	done := make(chan struct{})
	l.Do(func() { f(); close(done) })
	<-done
}

// echo answers every connection with its own bytes, over TLS when config is given.
func echo(t *testing.T, config *tls.Config) netip.AddrPort {
	t.Helper()
	var l net.Listener
	var err error
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	if config != nil {
		l = tls.NewListener(l, config)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return addr
}

// kinds are the two ways a connection can live.
func kinds(t *testing.T, test func(t *testing.T, to Target)) {
	t.Run("epoll", func(t *testing.T) {
		test(t, Target{Addr: echo(t, nil), From: netip.MustParseAddr("127.0.0.3")})
	})
	t.Run("TLS", func(t *testing.T) {
		s := httptest.NewTLSServer(nil)
		defer s.Close()
		test(t, Target{Addr: echo(t, &tls.Config{Certificates: s.TLS.Certificates}), TLS: &tls.Config{InsecureSkipVerify: true}}) //nolint:gosec // a test certificate
	})
	t.Run("goroutine", func(t *testing.T) { test(t, Target{Addr: echo(t, nil), From: netip.MustParseAddr("::")}) })
}

func dial(t *testing.T, l *Loop, to Target, r *recorder) (c Conn) {
	t.Helper()
	in(l, func() {
		var err error
		if to.From == netip.MustParseAddr("::") {
			to.From = netip.Addr{}
			c = l.dialGo(to, r)
			return
		}
		if c, err = l.Dial(to, r); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestEcho(t *testing.T) {
	kinds(t, func(t *testing.T, to Target) {
		l, r := start(t), newRecorder()
		c := dial(t, l, to, r)
		await(t, "connection", r.opened)
		text := bytes.Repeat([]byte("0123456789"), 50_000) // more than any socket buffer takes at once
		in(l, func() { c.Write(text) })
		r.wait(t, len(text))
		if !bytes.Equal(r.data.Bytes(), text) {
			t.Error("the bytes differ")
		}
		in(l, func() { c.Close(false); c.Close(true) })
		select {
		case err := <-r.closed:
			t.Errorf("told of its own end: %v", err)
		default:
		}
	})
}

func TestPause(t *testing.T) {
	kinds(t, func(t *testing.T, to Target) {
		l, r := start(t), newRecorder()
		c := dial(t, l, to, r)
		await(t, "connection", r.opened)
		in(l, func() { c.Write([]byte("a")) })
		r.wait(t, 1)
		in(l, func() { c.Pause() })
		in(l, func() { c.Write(make([]byte, 100_000)) })
		// A reader in a goroutine has one read under way; nothing else comes.
		if n := r.size(); n > 20_000 {
			t.Errorf("%d bytes while paused", n)
		}
		in(l, c.Resume)
		for r.size() < 100_001 {
			r.wait(t, min(r.size()+1, 100_001))
		}
	})
}

func TestFailures(t *testing.T) {
	l := start(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(closed.Addr().String())
	_ = closed.Close()
	r := newRecorder()
	dial(t, l, Target{Addr: addr}, r)
	if err := await(t, "refusal", r.closed); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	r = newRecorder()
	dial(t, l, Target{Addr: addr, TLS: &tls.Config{}}, r) //nolint:gosec // never connects
	if err := await(t, "refusal over TLS", r.closed); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	// A server that goes away.
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r = newRecorder()
	dial(t, l, Target{Addr: netip.MustParseAddrPort(server.Addr().String())}, r)
	peer, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	await(t, "connection", r.opened)
	_ = peer.Close()
	if err := await(t, "end", r.closed); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	// One that does not read.
	r = newRecorder()
	c := dial(t, l, Target{Addr: netip.MustParseAddrPort(server.Addr().String())}, r)
	if peer, err = server.Accept(); err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	await(t, "connection", r.opened)
	in(l, func() {
		for range 40 {
			c.Write(make([]byte, maxUnsent/4))
		}
	})
	if err := await(t, "end", r.closed); !errors.Is(err, ErrSendBuffer) {
		t.Error(err)
	}
}

// TestEndClosesEverything: connections of both kinds end with the loop, also those that are only being dialled.
func TestEndClosesEverything(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l, err := New(func(int64) time.Duration { return time.Hour })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	to := Target{Addr: netip.MustParseAddrPort(server.Addr().String())}
	r := newRecorder()
	dial(t, l, to, r)
	peer, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	await(t, "connection", r.opened)
	to.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nobody answers the handshake
	dial(t, l, to, newRecorder())
	cancel()
	if err := await(t, "end", ended); err != nil {
		t.Error(err)
	}
	_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := peer.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection is still there: %v", err)
	}
}
