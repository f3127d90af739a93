package socketio_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

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
