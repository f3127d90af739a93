package socketio_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
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

// Random interleavings on several namespaces of one connection. Whatever
// happens, a socket that passed its middlewares gets its connection handler
// at most once, then its events, then its disconnect handler exactly once;
// and nothing is left.
func TestRandomLives(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 10
	}
	sockets, events := 0, 0
	for seed := range seeds {
		s, e := randomLife(t, seed)
		sockets, events = sockets+s, events+e
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d sockets passed, %d events", sockets, events)
	if sockets < 20*int(seeds) || events < 20*int(seeds) {
		t.Errorf("no test: %d sockets, %d events", sockets, events)
	}
}

// life is what the application sees of one socket. Only the lane touches it.
type life struct {
	connected, events, ended int
}

func randomLife(t *testing.T, seed uint64) (sockets, events int) {
	names := []string{"/", "/a", "/b", "/c"}
	var mu sync.Mutex
	lives := map[*socketio.Socket]*life{}
	rnd := rand.New(rand.NewPCG(seed, 1))
	var shared sync.Mutex // rnd is used by handlers too
	dice := func(n int) int {
		shared.Lock()
		defer shared.Unlock()
		return rnd.IntN(n)
	}
	srv := serve(t, socketio.Options{ConnectTimeout: time.Hour}, func(s *socketio.Server) {
		for _, name := range names {
			ns := s.Of(name)
			ns.Use(func(ctx context.Context, s *socketio.Socket) error {
				_ = s.Join("one", s.ID())
				if dice(4) == 0 {
					select {
					case <-time.After(time.Duration(dice(2000)) * time.Microsecond):
					case <-ctx.Done():
					}
				}
				switch dice(8) {
				case 0:
					return fmt.Errorf("refused")
				case 1:
					s.Disconnect(false)
				}
				return nil
			})
			ns.Use(func(_ context.Context, s *socketio.Socket) error { // the last: it has passed
				l := &life{}
				s.Data = l
				mu.Lock()
				lives[s] = l
				mu.Unlock()
				return nil
			})
			ns.OnConnect(func(s *socketio.Socket) {
				l := s.Data.(*life)
				if l.connected++; l.connected > 1 || l.ended > 0 || l.events > 0 {
					t.Errorf("connected: %+v", *l)
				}
				_ = s.Join("two")
				_ = s.Emit("ok")
				if dice(10) == 0 {
					s.Disconnect(false)
				}
			})
			ns.On("e", func(s *socketio.Socket, e *socketio.Event) {
				l := s.Data.(*life)
				if l.events++; l.ended > 0 {
					t.Errorf("event: %+v", *l)
				}
				_ = e.Ack()
				_ = s.EmitWithAck(0, func(socketio.Args, error) {}, "q")
				if dice(20) == 0 {
					s.Disconnect(false)
				}
			})
			ns.OnDisconnect(func(s *socketio.Socket, _ engineio.Reason) {
				l := s.Data.(*life)
				if l.ended++; l.ended > 1 {
					t.Errorf("ended: %+v", *l)
				}
			})
		}
	})
	var clients sync.WaitGroup
	for i, kind := range kinds {
		p := srv.dial(t, kind)
		joined := map[string]bool{} // as far as the client knows
		var mu sync.Mutex           // guards joined
		clients.Go(func() {
			for { // take what comes
				packet, err := p.next()
				if err != nil {
					return
				}
				if packet[:2] == "41" || packet[:2] == "44" {
					name, _, _ := strings.Cut(packet[2:], ",")
					mu.Lock()
					delete(joined, cmp.Or(name, "/"))
					mu.Unlock()
				}
			}
		})
		clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for range 60 {
				var burst []string
				mu.Lock()
				for range 1 + r.IntN(5) {
					name := names[r.IntN(len(names))]
					// A second CONNECT, and an event before the first, cost
					// an SIO5 client the connection: not too often.
					switch careful := p.v == 4 && r.IntN(50) > 0; {
					case !joined[name] || (!careful && r.IntN(4) == 0):
						burst = append(burst, "40"+name+",")
						joined[name] = true
					case r.IntN(4) == 0:
						burst = append(burst, "41"+name+",")
						joined[name] = false
					default:
						burst = append(burst, "42"+name+`,1["e"]`)
					}
				}
				mu.Unlock()
				p.send(burst...)
				if r.IntN(10) == 0 {
					srv.Of(names[r.IntN(len(names))]).All().Disconnect(r.IntN(40) == 0)
				}
			}
			if r.IntN(2) == 0 {
				srv.Of(names[r.IntN(len(names))]).To("one").Disconnect(true)
			}
			p.close()
		})
	}
	clients.Wait()
	srv.shutdown(t)
	mu.Lock()
	defer mu.Unlock()
	for _, l := range lives {
		events += l.events
		if l.ended != 1 {
			t.Errorf("seed %d: %+v", seed, *l)
		}
	}
	for _, name := range names {
		ns := srv.Of(name)
		if ns.Len() != 0 || ns.RoomLen("one") != 0 || ns.RoomLen("two") != 0 {
			t.Errorf("%s: %d sockets, %d, %d in rooms", name, ns.Len(), ns.RoomLen("one"), ns.RoomLen("two"))
		}
	}
	return len(lives), events
}
