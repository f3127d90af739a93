//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// fleet are clients that continue their sessions, in the room of their user and one of a few rooms more, under a steady
// push. Every push is repeated with its Idempotency-Key until it is answered 200; a ledger knows who must have got it.
type fleet struct {
	t       *testing.T
	d       *deployment
	targets []string // host:port of the connectors
	rooms   int
	local   int // source addresses 127.0.1.1 … to spread the clients over; 0: the usual one

	clients []*fleetClient
	stop    context.CancelFunc
	running sync.WaitGroup

	ready    atomic.Int64 // clients that are connected, their rooms joined
	refused  atomic.Int64 // handshakes answered 503
	failed   atomic.Int64 // other attempts that came to nothing
	restarts atomic.Int64 // sessions that could not be continued
	repeats  atomic.Int64 // pushes that came twice
	retried  atomic.Int64 // pushes that were not answered 200 at once

	mu     sync.Mutex
	pushed map[int]string // number → room, of those answered 200
	worst  time.Duration  // from the first attempt at a push to its 200
	answer map[int]int    // other answers, by status
}

type fleetClient struct {
	f    *fleet
	i    int
	user string
	room string

	pid, offset string // of the session; its goroutine

	mu   sync.Mutex
	seen map[int]int // pushes by number
}

func newFleet(t *testing.T, d *deployment, clients, rooms int) *fleet {
	f := &fleet{t: t, d: d, rooms: rooms, pushed: map[int]string{}, answer: map[int]int{}}
	for i := range d.sockets {
		f.targets = append(f.targets, d.host(i))
	}
	for i := range clients {
		f.clients = append(f.clients, &fleetClient{
			f: f, i: i, user: fmt.Sprintf("u%d", i), room: fmt.Sprintf("g%d", i%rooms), seen: map[int]int{},
		})
	}
	return f
}

// start lets the clients connect; the test's end stops them.
func (f *fleet) start() {
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	f.t.Cleanup(func() {
		cancel()
		f.running.Wait()
	})
	for _, c := range f.clients {
		f.running.Go(func() { c.run(ctx) })
	}
}

// end disconnects all clients.
func (f *fleet) end() {
	f.stop()
	f.running.Wait()
}

// waitReady waits until all clients are connected.
func (f *fleet) waitReady(within time.Duration) {
	f.t.Helper()
	eventually(f.t, within, "everybody is connected", func() error {
		if n := int(f.ready.Load()); n != len(f.clients) {
			return fmt.Errorf("%d of %d are, %d handshakes were refused, %d attempts failed", n, len(f.clients), f.refused.Load(), f.failed.Load())
		}
		return nil
	})
}

var errFleetRefused = errors.New("503")

func (c *fleetClient) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.connection(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errFleetRefused):
			c.f.refused.Add(1)
		default:
			c.f.failed.Add(1)
		}
		// A client library's back-off.
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(200+rand.IntN(600)) * time.Millisecond):
		}
	}
}

func (c *fleetClient) connection(ctx context.Context) error {
	dial, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var from net.IP
	if c.f.local > 0 {
		from = net.IPv4(127, 0, 1, byte(1+c.i%c.f.local))
	}
	query := url.Values{"EIO": {"4"}, "transport": {"websocket"}, "uuid": {c.user}, "userid": {c.user}}
	s, err := wsclient.DialSocket(dial, c.f.targets[rand.IntN(len(c.f.targets))], "/socket.io/?"+query.Encode(), from)
	if err != nil {
		if strings.Contains(err.Error(), "answered 503") {
			return errFleetRefused
		}
		return err
	}
	defer func() { _ = s.Close() }()
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	return c.live(s)
}

func (c *fleetClient) live(s *wsclient.Socket) error {
	_ = s.SetReadDeadline(time.Now().Add(20 * time.Second))
	joined := false
	defer func() {
		if joined {
			c.f.ready.Add(-1)
		}
	}()
	for {
		_, msg, err := s.ReadMessage()
		if err != nil {
			return err
		}
		if len(msg) == 0 {
			continue
		}
		switch msg[0] {
		case '0':
			auth, _ := json.Marshal(map[string]string{"pid": c.pid, "offset": c.offset})
			if c.pid == "" {
				auth = []byte("{}")
			}
			if err := s.WriteText("40" + c.f.d.namespace.name + "," + string(auth)); err != nil {
				return err
			}
		case '1':
			return wsclient.ErrClosed
		case '2':
			_ = s.SetReadDeadline(time.Now().Add(60 * time.Second))
			if err := s.WriteText("3"); err != nil {
				return err
			}
		case '4':
			p, err := wsclient.ParsePacket(string(msg[1:]))
			if err != nil {
				return err
			}
			now, err := c.take(s, p)
			if err != nil {
				return err
			}
			if now && !joined {
				joined = true
				c.f.ready.Add(1)
				_ = s.SetReadDeadline(time.Now().Add(60 * time.Second))
			}
		}
	}
}

// take handles a packet; ready says that the client is where it belongs.
func (c *fleetClient) take(s *wsclient.Socket, p wsclient.Packet) (ready bool, err error) {
	switch p.Type {
	case wsclient.Connect:
		var is struct{ PID string }
		if err := json.Unmarshal(p.Data, &is); err != nil {
			return false, err
		}
		if is.PID == c.pid && c.pid != "" {
			return true, nil // continued, rooms and all
		}
		if c.pid != "" {
			c.f.restarts.Add(1)
		}
		c.pid, c.offset = is.PID, ""
		return false, s.WriteText("42" + c.f.d.namespace.name + `,1["joinRoom",["` + c.room + `"]]`)
	case wsclient.Ack:
		var a ackAnswer
		if err := p.Arg(0, &a); err != nil || a.Status != 200 {
			return false, fmt.Errorf("joinRoom answered %s, %w", p.Data, err)
		}
		return true, nil
	case wsclient.ConnectError, wsclient.Disconnect:
		return false, fmt.Errorf("packet %c %s", p.Type, p.Data)
	case wsclient.Event:
		c.event(p)
	}
	return false, nil
}

func (c *fleetClient) event(p wsclient.Packet) {
	var args []json.RawMessage
	if json.Unmarshal(p.Data, &args) != nil || len(args) < 2 {
		return
	}
	var offset string
	if json.Unmarshal(args[len(args)-1], &offset) == nil {
		c.offset = offset
	}
	if p.Name() != "push" {
		return
	}
	var event struct{ PushData struct{ N int } }
	if json.Unmarshal(args[1], &event) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[event.PushData.N]++; c.seen[event.PushData.N] > 1 {
		c.f.repeats.Add(1)
	}
}

// pushing pushes perSecond times a second until the returned function is called, which returns when all pushes are
// answered. Four of five go to one user.
func (f *fleet) pushing(perSecond int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var pushes sync.WaitGroup
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer pushes.Wait()
		ticker := time.NewTicker(time.Second / time.Duration(perSecond))
		defer ticker.Stop()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			pushes.Go(func() { f.push(n) })
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	f.t.Cleanup(stop)
	return stop
}

const pushPatience = 90 * time.Second

func (f *fleet) push(n int) {
	room := f.clients[rand.IntN(len(f.clients))].room
	if n%5 != 0 {
		room = "user_" + f.clients[rand.IntN(len(f.clients))].user
	}
	body := fmt.Appendf(nil, `{"room":%q,"pushData":{"n":%d}}`, room, n)
	start := time.Now()
	for first := true; time.Since(start) < pushPatience; first = false {
		a := f.d.api(f.t, n%len(f.d.apis))
		status, text, err := a.doWith("POST", "/api/auth/push", body, "Idempotency-Key", fmt.Sprint("n", n))
		if err == nil && status == 200 {
			f.mu.Lock()
			f.pushed[n] = room
			f.worst = max(f.worst, time.Since(start))
			f.mu.Unlock()
			return
		}
		f.mu.Lock()
		f.answer[status]++
		f.mu.Unlock()
		if first {
			f.retried.Add(1)
		}
		if err == nil && status != 503 && status != 409 {
			f.t.Errorf("push %d: %d %s", n, status, text)
			return
		}
		time.Sleep(time.Duration(300+rand.IntN(400)) * time.Millisecond)
	}
	f.t.Errorf("push %d was not answered 200 in %s", n, pushPatience)
}

// caughtUp waits until every client has got what was pushed so far.
func (f *fleet) caughtUp(within time.Duration) {
	f.t.Helper()
	f.mu.Lock()
	last := 0
	for n := range f.pushed {
		last = max(last, n)
	}
	f.mu.Unlock()
	eventually(f.t, within, "what was missed has arrived", func() error {
		for _, m := range f.missing() {
			var n int
			if _, err := fmt.Sscanf(m, "push %d ", &n); err != nil || n <= last {
				return errors.New(m)
			}
		}
		return nil
	})
}

// settle waits until every client has got what it must have, and judges.
func (f *fleet) settle(within time.Duration) {
	f.t.Helper()
	f.mu.Lock()
	pushed := len(f.pushed)
	f.mu.Unlock()
	eventually(f.t, within, "everything has arrived", func() error {
		if missing := f.missing(); len(missing) > 0 {
			return fmt.Errorf("%d of %d pushes are missing somewhere, as %s", len(missing), pushed, missing[0])
		}
		return nil
	})
	f.t.Logf("%d pushes, %d repeated by the sender (other answers %v), slowest answer %s; %d copies arrived twice, %d handshakes refused, "+
		"%d attempts failed, %d sessions not continued",
		pushed, f.retried.Load(), f.answer, f.worst.Round(time.Millisecond), f.repeats.Load(), f.refused.Load(), f.failed.Load(), f.restarts.Load())
}

func (f *fleet) missing() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	byRoom := map[string][]int{}
	for n, room := range f.pushed {
		byRoom[room] = append(byRoom[room], n)
	}
	for _, c := range f.clients {
		c.mu.Lock()
		for _, room := range []string{"user_" + c.user, c.room} {
			for _, n := range byRoom[room] {
				if c.seen[n] == 0 {
					list = append(list, fmt.Sprintf("push %d to %s at client %s", n, room, c.user))
				}
			}
		}
		c.mu.Unlock()
	}
	return list
}
