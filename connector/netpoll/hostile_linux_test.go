package netpoll

import (
	"bytes"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// blackhole makes nc drop every segment that comes for it before TCP sees it: nothing is acknowledged any more, and
// nothing sent, as when the client's network is gone. It needs no privilege.
func blackhole(t *testing.T, nc net.Conn) {
	t.Helper()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err == nil {
		const returnImmediate = 0x06
		control := raw.Control(func(fd uintptr) {
			//nolint:staticcheck // its replacement is a module of its own, and four lines are not worth one
			err = syscall.AttachLsf(int(fd), []syscall.SockFilter{{Code: returnImmediate, K: 0}})
		})
		err = errors.Join(control, err)
	}
	if err != nil {
		t.Skipf("no socket filters here: %v", err)
	}
}

// TestBlackhole: a peer that has vanished without FIN takes no call of Conn with it. What it does not acknowledge is
// bounded by the write timeout, and closing does not wait for it longer than for a peer that does not close.
func TestBlackhole(t *testing.T) {
	const writeTimeout = 200 * time.Millisecond
	tests := []struct {
		name string
		act  func(c Conn) error
		want error
	}{
		{"more is written than the kernel takes", func(c Conn) error { return c.Write(bytes.Repeat([]byte("x"), 32<<20)) }, os.ErrDeadlineExceeded},
		{"flushed", func(c Conn) error {
			err := c.Write([]byte("bye"))
			c.CloseAfterFlush(5 * time.Second)
			return err
		}, nil},
		{"closed", func(c Conn) error { c.Close(ErrOverflow); return nil }, ErrOverflow},
	}
	for _, portable := range []bool{false, true} {
		for _, test := range tests {
			name := test.name
			if portable {
				name += ", portable"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p, err := New(Options{Portable: portable, MaxQueued: 64 << 20, WriteTimeout: writeTimeout})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				r := &rig{t: t, poller: p, connect: tcpPair}
				c, h, client := r.attach("", nil)
				blackhole(t, client)
				c.Resume()
				start := time.Now()
				if err := test.act(c); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took > patience/2 {
					t.Errorf("the caller waited %s", took)
				}
				select {
				case err := <-h.closed:
					if !errors.Is(err, test.want) {
						t.Errorf("closed with %v, want %v", err, test.want)
					}
				case <-time.After(patience):
					t.Fatal("never closed")
				}
			})
		}
	}
}
