package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestTrickledHandshake: requests that come byte by byte end with the timeouts of the server, are counted, and keep
// nobody else waiting.
func TestTrickledHandshake(t *testing.T) {
	var counted atomic.Int32
	server := newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "served") // whatever the body is
	}), zerolog.Nop(), func() { counted.Add(1) })
	if server.ReadHeaderTimeout <= 0 || server.ReadHeaderTimeout > 10*time.Second || server.ReadTimeout <= 0 || server.MaxHeaderBytes > 64<<10 {
		t.Fatalf("timeouts %s and %s, headers of %d bytes", server.ReadHeaderTimeout, server.ReadTimeout, server.MaxHeaderBytes)
	}
	server.ReadHeaderTimeout, server.ReadTimeout = 300*time.Millisecond, 600*time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	defer func() { _ = server.Close(); <-served }()

	tests := []struct {
		name, first string
		counts      bool
	}{
		{"a handshake", "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nX-Slow: ", true},
		{"no byte at all", "", true},
		{"a body", "POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", false},
		{"a body in chunks", "POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := counted.Load()
			nc, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_, _ = io.WriteString(nc, test.first)
			gone := make(chan struct{})
			go func() { defer close(gone); _, _ = io.Copy(io.Discard, nc) }()
			deadline := time.After(10 * time.Second)
			for open := true; open; {
				select {
				case <-gone:
					open = false
				case <-deadline:
					t.Fatal("it may trickle for ever")
				case <-time.After(30 * time.Millisecond):
					if test.first != "" {
						_, _ = io.WriteString(nc, "x")
					}
				}
			}
			want := before
			if test.counts {
				want++
			}
			for end := time.Now().Add(5 * time.Second); counted.Load() != want && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			if got := counted.Load(); got != want {
				t.Errorf("%d connections were counted, want %d", got, want)
			}
		})
	}

	before := counted.Load()
	nc, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("a whole request: %v, %v", answer, err)
	}
	_, _ = io.Copy(io.Discard, nc)
	if counted.Load() != before {
		t.Error("a whole request was counted")
	}
}
