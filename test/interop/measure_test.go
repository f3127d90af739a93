//go:build interop

package interop

import (
	"context"
	"flag"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

var (
	runs    = flag.Int("runs", 1, "runs of the connect burst")
	clients = flag.Int("clients", 2000, "clients per connect burst")
)

// TestMeasure prints the figures of decision 0001 for both peers. Only our
// own are judged.
func TestMeasure(t *testing.T) {
	for _, p := range peers() {
		t.Run(p.name, func(t *testing.T) {
			r := p.start(t)
			defer r.stop()
			judge := t.Errorf
			if p.name != "ours" {
				judge = t.Logf
			}
			if lost := connectBurst(r, *runs, *clients); lost > 0 {
				judge("handshakes that never completed: %d of %d", lost, *runs**clients)
			} else {
				t.Logf("handshakes that never completed: 0 of %d", *runs**clients)
			}
			if wrong := eventOrder(t, r, 1000); wrong > 0 {
				judge("events of one client handled out of order: %d of 1000", wrong)
			} else {
				t.Log("events of one client handled out of order: 0 of 1000")
			}
			if share := broadcasts(t, r, 500, 200); share < 1 {
				judge("broadcasts delivered in order: %.1f %%", 100*share)
			} else {
				t.Log("broadcasts delivered in order: 100 %")
			}
		})
	}
}

func connect(r *running, eio int, timeout time.Duration) (*wsclient.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return wsclient.Dial(ctx, wsclient.Config{Addr: strings.TrimPrefix(r.url, "http://"), EIO: eio, Namespace: "/app"})
}

// connectBurst counts connects without a CONNECT answer within 15 s.
func connectBurst(r *running, runs, clients int) int {
	var lost atomic.Int32
	for range runs {
		var wg sync.WaitGroup
		for i := range clients {
			wg.Add(1)
			go func() {
				defer wg.Done()
				c, err := connect(r, 3+i%2, 15*time.Second)
				if err != nil {
					lost.Add(1)
					return
				}
				_ = c.Close()
			}()
		}
		wg.Wait()
	}
	return int(lost.Load())
}

// eventOrder sends events at once and counts those handled at another place
// than they were sent at.
func eventOrder(t *testing.T, r *running, events int) (wrong int) {
	c, err := connect(r, 4, 15*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range events {
		if err := c.Emit(-1, "n", i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range events {
		select {
		case n := <-r.handled:
			if n != i {
				wrong++
			}
		case <-time.After(10 * time.Second):
			return wrong + events - i
		}
	}
	return wrong
}

// broadcasts emits in one loop to many clients and returns the share that
// arrived at its place.
func broadcasts(t *testing.T, r *running, clients, messages int) float64 {
	conns := make([]*wsclient.Conn, clients)
	for i := range conns {
		c, err := connect(r, 4, 3*time.Second)
		for attempt := 0; err != nil && attempt < 3; attempt++ {
			c, err = connect(r, 4, 3*time.Second) // a lost handshake is counted elsewhere
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		// An answer behind the join: the client is in the room now.
		if err := c.Emit(1, "echo", i); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Next(); err != nil {
			t.Logf("no answer to the echo of client %d: %v", i, err)
		}
		conns[i] = c
	}
	var arrived atomic.Int64
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for want := range messages {
				_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
				p, err := c.Next()
				if err != nil {
					return
				}
				var n int
				if p.Arg(0, &n) == nil && n == want {
					arrived.Add(1)
				}
			}
		}()
	}
	for i := range messages {
		r.broadcast(i)
	}
	wg.Wait()
	return float64(arrived.Load()) / float64(clients*messages)
}
