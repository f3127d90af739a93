package socketio_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/socketio"
)

// crowd runs f for many clients on a bounded number of goroutines: the race
// detector allows 8,128 of them, and the server has one per connection.
func crowd(n int, f func(i int)) {
	const workers = 200
	var wg sync.WaitGroup
	for w := range min(workers, n) {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// A handshake that never completes, or an event that is lost beside it, shows
// in crowds: every client sends as early as it may.
func TestCrowdConnects(t *testing.T) {
	n := 5000
	if testing.Short() {
		n = 500
	}
	srv := serve(t, socketio.Options{ConnectTimeout: time.Hour}, func(s *socketio.Server) {
		s.Of("/")
		ns := s.Of("/crowd")
		echo(ns.Behaviour)
		ns.Use(func(ctx context.Context, s *socketio.Socket) error {
			select { // a store that takes its time
			case <-time.After(rand.N(20 * time.Millisecond)):
				return s.Join("all")
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		ns.OnConnect(func(s *socketio.Socket) { _ = s.Emit("ok") })
	})
	addr := srv.http.Listener.Addr().String()
	clients := make([]*wsClient, n)
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.close()
			}
		}
	}()
	sio4 := func(i int) bool { return i%2 == 0 }
	crowd(n, func(i int) {
		var err error
		if sio4(i) {
			clients[i], err = dialWS(addr, "EIO=3&transport=websocket")
		} else {
			clients[i], err = dialWS(addr, "EIO=4&transport=websocket")
		}
		switch {
		case err != nil:
			t.Error(err)
		case sio4(i): // the event behind CONNECT, before the answer
			clients[i].send("40/crowd,", fmt.Sprintf(`42/crowd,%d["echo",%d]`, i, i))
		default:
			clients[i].send("40/crowd,")
		}
	})
	if t.Failed() {
		return
	}
	expect := func(i int, want string) {
		got, err := clients[i].next()
		if err != nil || (got != want && want != "*") {
			t.Errorf("client %d: %q, %v; want %q", i, got, err, want)
		}
	}
	crowd(n, func(i int) {
		expect(i, "*") // the open packet
		if sio4(i) {
			expect(i, "40")
			expect(i, "40/crowd,")
		} else {
			expect(i, "*") // CONNECT with a socket id
		}
		clients[i].send(fmt.Sprintf(`42/crowd,%d["echo",%d]`, n+i, i))
	})
	crowd(n, func(i int) {
		expect(i, `42/crowd,["ok"]`)
		if sio4(i) {
			expect(i, fmt.Sprintf(`43/crowd,%d[%d]`, i, i))
		}
		expect(i, fmt.Sprintf(`43/crowd,%d[%d]`, n+i, i))
	})
	ns := srv.Of("/crowd")
	if ns.Len() != n || ns.RoomLen("all") != n {
		t.Errorf("%d sockets, %d in the room", ns.Len(), ns.RoomLen("all"))
	}
	for _, c := range clients {
		c.close()
	}
	eventually(t, "all are gone", func() bool { return ns.Len() == 0 && ns.RoomLen("all") == 0 })
}

func TestEventsInOrder(t *testing.T) {
	const n = 1000
	for _, kind := range kinds {
		for _, bound := range []int{0, 1, 100} { // of what waits: the reading pauses all the time
			var next atomic.Int64
			srv := serve(t, socketio.Options{InboundEvents: bound}, func(s *socketio.Server) {
				echo(s.Of("/").Behaviour)
				s.Of("/").On("n", func(_ *socketio.Socket, e *socketio.Event) {
					var i int64
					if err := e.Args.Decode(0, &i); err != nil || i != next.Load() {
						t.Errorf("%s: event %d, want %d (%v)", kind, i, next.Load(), err)
					}
					next.Add(1)
				})
			})
			p := srv.join(t, kind, "/")
			var burst []string
			for i := range n {
				burst = append(burst, fmt.Sprintf(`42["n",%d]`, i))
				if len(burst) == 16 || i == n-1 {
					p.send(burst...)
					burst = nil
				}
			}
			p.fence("/")
			if next.Load() != n {
				t.Errorf("%s: %d events handled", kind, next.Load())
			}
		}
	}
}

// Broadcasts in a loop, to everybody, while everybody is connected.
func TestBroadcastsInOrder(t *testing.T) {
	const events, n = 200, 1000
	srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
		s.Of("/").Use(func(_ context.Context, s *socketio.Socket) error { return s.Join("room") })
		s.Of("/").OnConnect(func(*socketio.Socket) {})
	})
	addr := srv.http.Listener.Addr().String()
	clients := make([]*wsClient, n)
	crowd(n, func(i int) {
		var err error
		if clients[i], err = dialWS(addr, fmt.Sprintf("EIO=%d&transport=websocket", 3+i%2)); err != nil {
			t.Error(err)
			return
		}
		if i%2 == 1 {
			clients[i].send("40")
		}
	})
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.close()
			}
		}
	}()
	if t.Failed() {
		return
	}
	crowd(n, func(i int) {
		for range 2 { // open, CONNECT
			if _, err := clients[i].next(); err != nil {
				t.Error(err)
			}
		}
	})
	for e := range events {
		if got, err := srv.Of("/").To("room").Emit("e", e); got != n || err != nil {
			t.Fatalf("broadcast %d on its way to %d: %v", e, got, err)
		}
	}
	crowd(n, func(i int) {
		for e := range events {
			if got, err := clients[i].next(); err != nil || got != fmt.Sprintf(`42["e",%d]`, e) {
				t.Errorf("client %d, event %d: %q, %v", i, e, got, err)
				return
			}
		}
	})
}

// Broadcasts that start while a client is in its middleware: none that began
// after Join returned is missing, all come behind what the connection handler
// emits, in order.
func TestBroadcastsWhileJoining(t *testing.T) {
	var sent atomic.Int64 // broadcasts that have begun
	stop := make(chan struct{})
	srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
		ns := s.Of("/")
		echo(ns.Behaviour)
		ns.Use(func(_ context.Context, s *socketio.Socket) error {
			if err := s.Join("room"); err != nil {
				return err
			}
			s.Data = sent.Load() + 1 // the first that must not be missing
			for start := sent.Load(); sent.Load() < start+3; {
				time.Sleep(time.Millisecond) // some fall into the middleware
			}
			return nil
		})
		ns.OnConnect(func(s *socketio.Socket) {
			_ = s.Emit("ok", s.Data)
			for start := sent.Load(); sent.Load() < start+3; {
				time.Sleep(time.Millisecond) // and some into the handler
			}
			_ = s.Emit("ok", s.Data)
		})
	})
	var broadcaster sync.WaitGroup
	broadcaster.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				n := sent.Add(1)
				_, _ = srv.Of("/").To("room").Emit("e", n)
				time.Sleep(100 * time.Microsecond) // leave the clients some CPU
			}
		}
	})
	t.Cleanup(broadcaster.Wait)
	defer close(stop)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			p := srv.dial(t, kinds[i%len(kinds)])
			defer p.close()
			if p.v == 4 {
				p.send("40")
			}
			read := func() string {
				packet, err := p.next()
				if err != nil {
					t.Error(err)
				}
				return packet
			}
			read() // CONNECT
			var first, second, next int64
			_, err1 := fmt.Sscanf(read(), `42["ok",%d]`, &first)
			_, err2 := fmt.Sscanf(read(), `42["ok",%d]`, &second)
			if err1 != nil || err2 != nil || first != second {
				t.Errorf("the connection handler's events: %v, %v", err1, err2)
				return
			}
			for i := range int64(20) {
				packet := read()
				var got int64
				if _, err := fmt.Sscanf(packet, `42["e",%d]`, &got); err != nil {
					t.Errorf("got %q", packet)
					return
				}
				// One that had begun before Join may have come too.
				if i == 0 && got <= first {
					next = got
				} else if i == 0 {
					t.Errorf("first broadcast is %d, want %d or earlier", got, first)
					return
				}
				if got != next {
					t.Errorf("broadcast %d, want %d", got, next)
					return
				}
				next++
			}
		})
	}
	wg.Wait()
}
