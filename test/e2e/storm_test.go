//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

const (
	stormRooms   = 10                     // the clients that stay are spread over so many rooms
	stormEvery   = 100 * time.Millisecond // between two pushes to one of these rooms
	stormTimeout = 2 * time.Minute        // to connect, and to notice the end of all others
)

// TestDisconnectStorm: nine tenths of ten thousand clients vanish in one moment, without a close frame. The others are
// in the middle of a stream of 100 pushes a second, and get every one of it, in order and in time; the online report
// is theirs alone soon after. The race detector makes the server several times slower, so it sees a smaller storm.
func TestDisconnectStorm(t *testing.T) {
	clients := 10_000
	if set := os.Getenv("E2E_STORM"); set != "" {
		n, err := strconv.Atoi(set)
		if err != nil || n < 50*stormRooms {
			t.Fatalf("E2E_STORM=%s: %v", set, err)
		}
		clients = n
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < uint64(clients)+500 {
		t.Fatalf("%d clients need as many file descriptors here; the limit is %d (%v)", clients, limit.Max, err)
	}
	t.Run("race detector", func(t *testing.T) { runStorm(t, clients/5, 15*time.Second) })
	t.Run("as released", func(t *testing.T) {
		useReleased(t)
		runStorm(t, clients, 3*time.Second)
	})
}

// useReleased makes the test start a lightpush without the race detector.
func useReleased(t *testing.T) {
	t.Helper()
	if os.Getenv("E2E_BINARY") != "" {
		return // it is what it is
	}
	out := filepath.Join(t.TempDir(), "lightpush")
	if text, err := exec.Command("go", "build", "-trimpath", "-o", out, "../../cmd/lightpush").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	before := binary
	binary = out
	t.Cleanup(func() { binary = before })
}

// runStorm fails when a delivery takes longer than bound, which is generous: what it took is logged.
func runStorm(t *testing.T, clients int, bound time.Duration) {
	d := startRoles(t, 1, 1)
	s := &storm{t: t, d: d, clients: clients, stayers: clients / 10}
	defer s.closeAll()

	start := time.Now()
	s.connect()
	api := d.api(t, 0)
	api.waitOnline("storm", clients, stormTimeout)
	t.Logf("%d clients online after %s", clients, time.Since(start).Round(time.Millisecond))

	stop := s.stream()
	time.Sleep(2 * time.Second) // a part of the stream to compare with
	calm := s.takeLatencies()
	start = time.Now()
	for _, conn := range s.leaving {
		reset(conn)
	}
	gone := time.Since(start)
	api.waitOnline("storm", s.stayers, stormTimeout)
	noticed := time.Since(start)
	during := s.takeLatencies()
	time.Sleep(time.Second)
	stop()
	s.waitStayers()
	after := s.takeLatencies()

	t.Logf("%d clients gone within %s, %d left in the report after %s", len(s.leaving), gone.Round(time.Millisecond), s.stayers, noticed.Round(time.Millisecond))
	t.Logf("push to client: before %s; during the storm %s; after it %s", calm, during, after)
	if most := max(during.most(), after.most()); most > bound {
		t.Errorf("a delivery took %s, more than %s", most, bound)
	}
	for i := range stormRooms {
		api.waitOnline(s.room(i), s.stayers/stormRooms, eventTimeout)
	}
	api.waitOnline("storm", s.stayers, eventTimeout)
}

// storm is the clients of the test.
type storm struct {
	t                *testing.T
	d                *deployment
	clients, stayers int

	staying, leaving []*wsclient.Conn // fixed after connect
	readers          sync.WaitGroup   // of the goroutines of staying

	pushed [stormRooms]int // by the goroutine of stream that pushes to the room; read when it has ended

	mu        sync.Mutex
	latencies latencies
	received  map[*wsclient.Conn]int
	failed    []error
}

func (s *storm) room(i int) string { return fmt.Sprintf("storm-%d", i) }

// connect brings all clients into the room storm, and the first ones, which stay, into one of theirs too.
func (s *storm) connect() {
	s.received = map[*wsclient.Conn]int{}
	conns, errs := make([]*wsclient.Conn, s.clients), make([]error, s.clients)
	slots := make(chan struct{}, 100)
	var wg sync.WaitGroup
	for i := range s.clients {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			conns[i], errs[i] = s.join(i)
		})
	}
	wg.Wait()
	for _, conn := range conns {
		if conn == nil {
			continue
		}
		if len(s.staying) < s.stayers {
			s.staying = append(s.staying, conn)
		} else {
			s.leaving = append(s.leaving, conn)
		}
	}
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
	for i, conn := range s.staying {
		s.readers.Go(func() { s.read(conn, i%stormRooms) })
	}
	for _, conn := range s.leaving {
		go func() { // ends with the connection
			for {
				if _, err := conn.Next(); err != nil {
					return
				}
			}
		}()
	}
}

func (s *storm) join(i int) (*wsclient.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stormTimeout)
	defer cancel()
	conn, err := wsclient.Dial(ctx, wsclient.Config{
		Addr: s.d.host(0), EIO: 4, Namespace: s.d.namespace.name, LocalIP: net.IPv4(127, 0, 2, 1),
		Query: url.Values{"uuid": {fmt.Sprintf("s%d", i)}, "userid": {fmt.Sprintf("u%d", i)}, "platform": {"web"}},
	})
	if err != nil {
		return nil, err
	}
	rooms := []string{"storm"}
	if i < s.stayers {
		rooms = append(rooms, s.room(i%stormRooms))
	}
	_ = conn.SetDeadline(time.Now().Add(stormTimeout))
	if err = conn.Emit(1, "joinRoom", rooms); err == nil {
		err = untilReady(conn, 1)
	}
	_ = conn.SetDeadline(time.Time{})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// read takes the stream of one room: every push once, in order.
func (s *storm) read(conn *wsclient.Conn, room int) {
	for want := 0; ; want++ {
		p, err := conn.Next()
		var event struct {
			Room     string
			PushData struct {
				N    int
				Sent int64
			}
		}
		if err == nil {
			err = p.Arg(0, &event)
		}
		took := time.Duration(time.Now().UnixNano() - event.PushData.Sent)
		switch {
		case err != nil:
		case event.PushData.N < 0: // the end of the stream
			s.mu.Lock()
			s.received[conn] = want
			s.mu.Unlock()
			return
		case event.Room != s.room(room) || event.PushData.N != want:
			err = fmt.Errorf("push %d to %s came in place of %d to %s", event.PushData.N, event.Room, want, s.room(room))
		}
		s.mu.Lock()
		if err != nil {
			s.failed = append(s.failed, err)
		}
		s.latencies = append(s.latencies, took)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// stream pushes to all rooms until it is stopped; the last push says so.
func (s *storm) stream() (stop func()) {
	quit := make(chan struct{})
	var senders sync.WaitGroup
	for i := range stormRooms {
		senders.Go(func() {
			api := s.d.api(s.t, 0)
			tick := time.NewTicker(stormEvery)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					api.push(s.room(i), map[string]any{"n": s.pushed[i], "sent": time.Now().UnixNano()})
					s.pushed[i]++
				case <-quit:
					api.push(s.room(i), map[string]any{"n": -1})
					return
				}
			}
		})
	}
	return func() { close(quit); senders.Wait() }
}

// waitStayers waits until every client that stays has read the whole stream of its room.
func (s *storm) waitStayers() {
	s.t.Helper()
	for _, conn := range s.staying {
		_ = conn.SetReadDeadline(time.Now().Add(stormTimeout / 2))
	}
	s.readers.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, err := range s.failed {
		if i < 5 {
			s.t.Error(err)
		}
	}
	for i, conn := range s.staying {
		if got, want := s.received[conn], s.pushed[i%stormRooms]; got != want {
			s.t.Fatalf("client %d got %d of %d pushes", i, got, want)
		}
	}
	if s.pushed[0] == 0 {
		s.t.Error("nothing was pushed")
	}
}

func (s *storm) takeLatencies() latencies {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.latencies
	s.latencies = nil
	slices.Sort(taken)
	return taken
}

func (s *storm) closeAll() {
	for _, conn := range slices.Concat(s.staying, s.leaving) {
		_ = conn.Close()
	}
}

// latencies are sorted once they are taken.
type latencies []time.Duration

func (l latencies) most() time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[len(l)-1]
}

func (l latencies) String() string {
	if len(l) == 0 {
		return "none"
	}
	ms := time.Millisecond / 10
	return fmt.Sprintf("p50 %s, p99 %s, at most %s (%d deliveries)", l[len(l)/2].Round(ms), l[len(l)*99/100].Round(ms), l.most().Round(ms), len(l))
}
