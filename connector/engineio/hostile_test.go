package engineio

import (
	"bytes"
	"context"
	bigendian "encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/lightpush/lightpush/connector/netpoll"
)

// Bad input, and what proves that each kind is bounded and counted:
//
//	handshakes that trickle in            TestTrickledHandshake of cmd/lightpush
//	bodies that trickle in                TestTrickledBody
//	clients that vanish without FIN       TestBlackhole, TestBlackhole of netpoll
//	masks, fragments, sizes, lengths of
//	64 bits, control frames, UTF-8        TestFrameViolations; what is kept meanwhile: TestDecoderMemory of wsframe
//	clients that never read               TestSlowClient, TestNeverReads, TestWriteTimeout of netpoll
//	100,000 small frames a second         TestFlood, TestFairness of netpoll, TestInboundPauses of socketio
//	bytes nobody has thought of           the fuzz targets, with testdata/fuzz

// hostileObserver keeps the names under which something was counted.
type hostileObserver struct {
	countingObserver
	mu         sync.Mutex
	reasons    map[Reason]int
	violations map[string]int
	paused     int
}

func (o *hostileObserver) SessionClosed(_ *Session, reason Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reasons == nil {
		o.reasons = map[Reason]int{}
	}
	o.reasons[reason]++
}

func (o *hostileObserver) FrameRefused(violation string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.violations == nil {
		o.violations = map[string]int{}
	}
	o.violations[violation]++
}

func (o *hostileObserver) Paused(*Session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.paused++
}

// wantClosed waits until n sessions were closed with this reason, and no other.
func (o *hostileObserver) wantClosed(t *testing.T, reason Reason, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d times %q", n, reason), func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.reasons) == 1 && o.reasons[reason] == n
	})
}

// wantNothingLeft waits until no session and no socket is left. Shutdown does nothing else than wait then.
func (st *site) wantNothingLeft() {
	st.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := st.server.tasks.wait(ctx); err != nil {
		st.t.Fatalf("something is left: %v", err)
	}
}

// TestFrameViolations: each is answered with its close status, counted by its name, and felt by nobody else.
func TestFrameViolations(t *testing.T) {
	announce := func(length uint64) []byte {
		return append(bigendian.BigEndian.AppendUint64([]byte{0x82, 0x80 | 127}, length), 1, 2, 3, 4)
	}
	masked := func(op ws.OpCode, fin bool, payload string) []byte {
		return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, []byte(payload))))
	}
	var endless []byte
	for range 200 {
		endless = append(endless, masked(ws.OpContinuation, false, strings.Repeat("x", 10))...)
	}
	tests := []struct {
		name      string
		input     []byte
		code      int
		violation string
	}{
		{"no mask", ws.MustCompileFrame(ws.NewTextFrame([]byte("4x"))), 1002, "client frame is not masked"},
		{"larger than maxPayload", masked(ws.OpText, true, "4"+strings.Repeat("x", 1000)), 1009, "message exceeds the limit"},
		{"fragments larger than maxPayload", append(masked(ws.OpText, false, "4"), endless...), 1009, "message exceeds the limit"},
		{"2^62 bytes announced", announce(1 << 62), 1009, "message exceeds the limit"},
		{"2^63 bytes announced", announce(1 << 63), 1002, "frame length has its most significant bit set"},
		{"2^64-1 bytes announced", announce(1<<64 - 1), 1002, "frame length has its most significant bit set"},
		{"ping in fragments", masked(ws.OpPing, false, "x"), 1002, "fragmented control frame"},
		{"close in fragments", masked(ws.OpClose, false, ""), 1002, "fragmented control frame"},
		{"long ping", masked(ws.OpPing, true, strings.Repeat("x", 126)), 1002, "control frame longer than 125 bytes"},
		{"continuation of nothing", masked(ws.OpContinuation, true, "x"), 1002, "continuation without a message"},
		{"message in a message", append(masked(ws.OpText, false, "4"), masked(ws.OpText, true, "4x")...), 1002, "new message inside a fragmented one"},
		{"op code 3", masked(3, true, "x"), 1002, "reserved op code"},
		{"op code 15", masked(15, true, "x"), 1002, "reserved op code"},
		{"RSV1", append([]byte{0xc1, 0x81}, 0, 0, 0, 0, '6'), 1002, "reserved bits set without an extension"},
		{"invalid UTF-8", masked(ws.OpText, true, "4\xc3\x28"), 1007, "text message is not valid UTF-8"},
		{"invalid UTF-8 in fragments", append(masked(ws.OpText, false, "4\xe2"), masked(ws.OpContinuation, true, "\x28")...), 1007, "text message is not valid UTF-8"},
		{"close of one byte", masked(ws.OpClose, true, "x"), 1002, "malformed close frame"},
		{"close with status 1005", masked(ws.OpClose, true, "\x03\xed"), 1002, "malformed close frame"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var o hostileObserver
			st := newSite(t, Options{MaxPayload: 1000, Observer: &o}, func(st *site) { st.hook = echo })
			neighbour := st.connect(V4, "")
			c := st.connect(V4, "")
			_, _ = c.nc.Write(append(slices.Clone(test.input), frame(ws.OpText, "4late")...))
			c.want(fmt.Sprintf("close %d", test.code), "EOF")
			c.wantClosed(t, ReasonTransportError)
			o.wantClosed(t, ReasonTransportError, 1)
			o.mu.Lock()
			if len(o.violations) != 1 || o.violations[test.violation] != 1 {
				t.Errorf("counted as %v, want %q", o.violations, test.violation)
			}
			o.mu.Unlock()
			if len(c.got) > 0 {
				t.Errorf("%q was delivered", <-c.got)
			}
			neighbour.text("4still here")
			neighbour.want("4still here")
		})
	}
}

// TestViolationDuringUpgrade: the candidate is refused and counted, the session goes on.
func TestViolationDuringUpgrade(t *testing.T) {
	var o hostileObserver
	st := newSite(t, Options{Observer: &o})
	p := st.poll(V4, "")
	c := p.attach()
	c.write([]byte{0x83, 0x80, 0, 0, 0, 0})
	c.want("close 1002", "EOF")
	o.mu.Lock()
	if o.violations["reserved op code"] != 1 {
		t.Errorf("counted as %v", o.violations)
	}
	o.mu.Unlock()
	p.postOK("4x")
	p.wantMessages(t, "x")
}

// TestTrickledBody: a POST whose body comes byte by byte keeps no session alive longer than its heartbeat, because
// nothing else can be heard meanwhile.
func TestTrickledBody(t *testing.T) {
	for _, v := range []Protocol{V3, V4} {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			var o hostileObserver
			st := newSite(t, Options{PingInterval: 100 * time.Millisecond, PingTimeout: 100 * time.Millisecond, Observer: &o})
			p := st.poll(v, "")
			nc, err := net.Dial("tcp", st.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			start := time.Now()
			fmt.Fprintf(nc, "POST /socket.io/?%s HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n", p.query)
			for err = nil; err == nil && time.Since(start) < patience; time.Sleep(20 * time.Millisecond) {
				_, err = nc.Write([]byte("4"))
			}
			if err == nil {
				t.Fatal("the body may trickle for ever")
			}
			p.wantClosed(t, ReasonPingTimeout)
			o.wantClosed(t, ReasonPingTimeout, 1)
			st.wantNothingLeft()
		})
	}
}

// TestNeverReads: a client that asks for answers without reading them is closed as slow, whether its queue overflows
// or does not move, and holds no more than its bound meanwhile.
func TestNeverReads(t *testing.T) {
	const sendBuffer = 256 << 10
	for name, timeout := range map[string]time.Duration{"queue overflows": time.Hour, "queue does not move": 300 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			poller, err := netpoll.New(netpoll.Options{Portable: portable, MaxQueued: sendBuffer + frameSlack, WriteTimeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			defer poller.Close()
			var o hostileObserver
			st := newSite(t, Options{SendBuffer: sendBuffer, Poller: poller, Observer: &o}, func(st *site) {
				if timeout == time.Hour {
					st.hook = echo
				}
			})
			c := st.connect(V4, "")
			most := 0
			ask := frame(ws.OpText, "4"+strings.Repeat("x", 10_000)) // is echoed
			if timeout != time.Hour {
				ask = frame(ws.OpPing, strings.Repeat("x", 125)) // is answered, too, but never overflows
			}
			ask = bytes.Repeat(ask, 1+64<<10/len(ask))
			_ = c.nc.SetWriteDeadline(time.Now().Add(patience))
			for open := true; open; {
				_, err := c.nc.Write(ask)
				open = err == nil && c.s.isOpen()
				if conn := c.s.socketNow(); conn != nil {
					most = max(most, conn.conn.Queued())
				}
			drained:
				for {
					select {
					case <-c.got:
					default:
						break drained
					}
				}
			}
			c.wantClosed(t, ReasonSlowClient)
			o.wantClosed(t, ReasonSlowClient, 1)
			if n := o.overflows.Load(); n != 1 {
				t.Errorf("counted %d times", n)
			}
			if most > sendBuffer+frameSlack {
				t.Errorf("%d bytes were queued, allowed are %d", most, sendBuffer+frameSlack)
			}
			st.wantNothingLeft()
		})
	}
}

func (s *Session) socketNow() *webSocket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.socket
}

// TestPausedIsCounted: backpressure shows.
func TestPausedIsCounted(t *testing.T) {
	var o hostileObserver
	st := newSite(t, Options{Observer: &o})
	c := st.connect(V4, "")
	c.s.Pause()
	c.s.Pause()
	c.s.Resume()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.paused != 1 {
		t.Errorf("counted %d times", o.paused)
	}
}

// TestFlood: clients that send 100,000 small frames a second, or as many as they get rid of, cost their neighbours a
// few of their turns and the process no memory; the frames are counted.
func TestFlood(t *testing.T) {
	const rate = 100_000
	for _, test := range []struct {
		name  string
		small []byte
		rate  int // frames a second of each client; 0: no limit
	}{
		{"noops", frame(ws.OpText, "6"), rate},
		{"messages", frame(ws.OpText, "4"), rate},
		{"pings of RFC 6455", frame(ws.OpPing, ""), rate},
		{"pongs of RFC 6455", frame(ws.OpPong, ""), rate},
		{"empty continuations", ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpContinuation, false, nil))), rate},
		{"noops without limit", frame(ws.OpText, "6"), 0},
	} {
		t.Run(test.name, func(t *testing.T) { flood(t, test.small, test.rate) })
	}
}

func flood(t *testing.T, small []byte, rate int) {
	const flooders, neighbours, lasts = 2, 4, 500 * time.Millisecond
	var o hostileObserver
	var messages atomic.Int64
	st := newSite(t, Options{Observer: &o}, func(st *site) {
		st.onOpen = func(p *peer) {
			p.hook = func(p *peer, binary bool, data []byte) error {
				if len(data) > 0 {
					return echo(p, binary, data)
				}
				messages.Add(1)
				<-p.got // nobody takes them
				return nil
			}
			p.got <- "" // room for the exchange above
		}
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	var flooding, quiet []*socket
	for range flooders {
		c := st.connect(V4, "")
		if small[0] == 0 { // continuations need a beginning
			c.write(ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte("6")))))
		}
		flooding = append(flooding, c)
	}
	for range neighbours {
		quiet = append(quiet, st.connect(V4, ""))
	}
	const tick = 10 * time.Millisecond
	segment := bytes.Repeat(small, 32<<10/len(small))
	if rate > 0 {
		segment = bytes.Repeat(small, rate/int(time.Second/tick))
	}
	var running sync.WaitGroup
	var sent atomic.Int64
	end := time.Now().Add(lasts)
	for _, c := range flooding {
		_ = c.nc.SetDeadline(end.Add(3 * patience))
		running.Go(func() {
			for due := time.Now(); time.Now().Before(end); due = due.Add(tick) {
				if rate > 0 {
					time.Sleep(time.Until(due))
				}
				if _, err := c.nc.Write(segment); err != nil {
					t.Errorf("a flooding client was closed: %v", err)
					return
				}
				sent.Add(int64(len(segment) / len(small)))
			}
			c.wantAlive(t)
			_ = c.nc.(*net.TCPConn).CloseWrite() // all of it is read before the end is
		})
		running.Go(func() {
			// It ends with a reset when pongs are still queued for a client that will send no more.
			if _, err := io.Copy(io.Discard, c.nc); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a flooding client was not closed in the end: %v", err)
			}
		})
	}
	var mu sync.Mutex
	var waits []time.Duration
	for _, c := range quiet {
		running.Go(func() {
			for first := true; first || time.Now().Before(end); first = false {
				start := time.Now()
				_, _ = c.nc.Write(frame(ws.OpText, "4x"))
				if got := c.read(); got != "4x" {
					t.Errorf("a neighbour read %q", got)
					return
				}
				mu.Lock()
				waits = append(waits, time.Since(start))
				mu.Unlock()
				<-c.got
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	running.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	slices.Sort(waits)
	if len(waits) == 0 {
		t.Fatal("neighbours had no answer")
	}
	p99, most := waits[len(waits)*99/100], waits[len(waits)-1]
	t.Logf("%d frames a second; neighbours waited %s (p50), %s (p99), %s at most; %d received, %d messages",
		sent.Load()*int64(time.Second)/int64(lasts), waits[len(waits)/2], p99, most, o.received.Load(), messages.Load())
	// Generous: this runs with the race detector, beside other tests, on few cores.
	if limit := time.Second; rate > 0 && p99 > limit || most > 5*limit {
		t.Errorf("neighbours waited %s (p99), %s at most", p99, most)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if small[0] != 0 && o.received.Load() < sent.Load() {
		t.Errorf("%d packets were counted of %d sent", o.received.Load(), sent.Load())
	}
}
