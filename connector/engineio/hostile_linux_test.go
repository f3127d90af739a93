package engineio

import (
	"errors"
	"fmt"
	"net"
	"strings"
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

// TestBlackhole: clients that vanish without FIN, on both transports and during an upgrade, are ended by the heartbeat,
// counted as lost, and leave neither session nor socket, also when pushes go on until the end.
func TestBlackhole(t *testing.T) {
	const interval, timeout = 200 * time.Millisecond, 200 * time.Millisecond
	vanish := map[string]func(t *testing.T, st *site, v Protocol) *peer{
		"websocket": func(t *testing.T, st *site, v Protocol) *peer {
			c := st.connect(v, "")
			blackhole(t, c.nc)
			return c.peer
		},
		"websocket with traffic": func(t *testing.T, st *site, v Protocol) *peer {
			c := st.connect(v, "")
			blackhole(t, c.nc)
			go func() { // ends with the session
				for push := text(strings.Repeat("x", 500)); c.s.Send(push) == nil; {
					time.Sleep(5 * time.Millisecond)
				}
			}()
			return c.peer
		},
		"polling, GET held": func(t *testing.T, st *site, v Protocol) *peer {
			p := st.poll(v, "")
			nc, err := net.Dial("tcp", st.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nc.Close() })
			fmt.Fprintf(nc, "GET /socket.io/?%s HTTP/1.1\r\nHost: test\r\n\r\n", p.query)
			p.waitHeld()
			blackhole(t, nc)
			return p.peer
		},
		"upgrade": func(t *testing.T, st *site, v Protocol) *peer {
			p := st.poll(v, "")
			c := p.attach()
			c.text("2probe")
			c.want("3probe")
			blackhole(t, c.nc)
			return p.peer
		},
	}
	for name, vanish := range vanish {
		bothProtocols(t, name, func(t *testing.T, v Protocol) {
			t.Parallel()
			var o hostileObserver
			st := newSite(t, Options{PingInterval: interval, PingTimeout: timeout, Observer: &o})
			start := time.Now()
			p := vanish(t, st, v)
			p.wantClosed(t, ReasonPingTimeout)
			if took := time.Since(start); took > interval+timeout+patience/2 {
				t.Errorf("noticed after %s", took)
			}
			o.wantClosed(t, ReasonPingTimeout, 1)
			st.http.CloseClientConnections() // a held GET is answered, and its connection is of net/http
			st.wantNothingLeft()
		})
	}
}
