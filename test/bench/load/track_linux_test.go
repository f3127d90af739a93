package load

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/test/bench/app"
)

// Clients whose connections were cut come back: to a server that continues
// sessions they miss nothing, to another what was sent meanwhile. What came
// twice is counted.
func TestReturn(t *testing.T) {
	for name, recovers := range map[string]bool{"continued": true, "new sessions": false} {
		t.Run(name, func(t *testing.T) {
			addr, ns, _ := startServer(t, func(o *socketio.Options) {
				if recovers {
					o.Recovery = &socketio.Recovery{}
				}
			})
			addr, breaks := startProxy(t, addr)
			c := startClient(t)
			const clients, cut = 6, 4
			c.must(t, Command{Op: OpConnect, Group: "g", Addr: addr, Namespace: app.Namespace, EIO: 4, Count: clients, Check: true})
			c.must(t, Command{Op: OpJoin, Group: "g", Room: "all"})
			c.must(t, Command{Op: OpExpect, Group: "g", Total: 1})
			emit := func(n int) {
				t.Helper()
				if _, err := ns.To("all").Emit("push", app.Message{ID: int64(n + 1), PushData: app.NewData(n, 0)}); err != nil {
					t.Fatal(err)
				}
			}
			emit(0)
			c.must(t, Command{Op: OpWait, Group: "g", Total: clients})
			breaks(cut)
			waitLen(t, ns, clients-cut)
			emit(1)
			for round, n := range []int{1, cut - 1} {
				r := c.must(t, Command{Op: OpReturn, Group: "g", Addr: addr, Count: n})
				want := 0
				if recovers {
					want = n + round // Continued counts since OpExpect
				}
				if r.Completed != n || r.Never != 0 || r.Continued != want {
					t.Errorf("return of %d: %+v", n, r)
				}
			}
			emit(2)
			emit(2)
			want := 3*clients - cut
			if recovers {
				want = 3 * clients
			}
			r := c.must(t, Command{Op: OpWait, Group: "g", Total: want + clients})
			if r.Received != want+clients || r.Repeated != clients || r.Misordered != 0 || r.Open != clients || len(r.Arrivals) == 0 || r.Silence <= 0 {
				t.Errorf("%+v", r)
			}
			r = c.must(t, Command{Op: OpTally, Group: "g", Messages: 4})
			missed := clients*3 - want
			if r.Cut != cut || r.Seen[0] != clients || r.Seen[1] != clients-missed || r.Seen[2] != clients || r.Seen[3] != 0 || r.SeenCut[1] != cut-missed {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestJoinManyRooms(t *testing.T) {
	addr, _, _ := startServer(t)
	c := startClient(t)
	c.must(t, Command{Op: OpConnect, Group: "g", Addr: addr, Namespace: app.Namespace, Count: 7})
	if r := c.must(t, Command{Op: OpJoin, Group: "g", Room: "r", Size: 3, Timeout: 10 * time.Second}); r.Completed != 7 || r.Never != 0 {
		t.Errorf("%+v", r)
	}
}

// startProxy forwards connections to a server. breaks ends the first n of them.
func startProxy(t *testing.T, to string) (addr string, breaks func(n int)) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp4", to)
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			mu.Lock()
			conns = append(conns, client)
			mu.Unlock()
			for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
				all.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					client.Close()
					server.Close()
				})
			}
		}
	})
	breaks = func(n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns[:n] {
			conn.Close()
		}
		conns = conns[n:]
	}
	t.Cleanup(func() {
		l.Close()
		breaks(len(conns))
		all.Wait()
	})
	return l.Addr().String(), breaks
}
