package engineio

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/lightpush/lightpush/connector/netpoll"
)

// rss is the resident memory of this process in bytes.
func rss(tb testing.TB) float64 {
	tb.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		tb.Fatal(err)
	}
	return kb * 1024
}

// cpu is the time this process has spent on the processors.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

var pollers = []struct {
	name    string
	options netpoll.Options
}{
	{"reactor", netpoll.Options{}},
	{"goroutines", netpoll.Options{Portable: true}},
}

// BenchmarkIdleSession reports what an established WebSocket session that nothing happens on costs: Go heap and
// stacks after a collection, and resident memory before and after memory was returned to the system; then what is left
// when all clients have gone away at once. One iteration is 10,000 sessions:
//
//	go test ./connector/engineio -run '^$' -bench IdleSession -benchtime 1x
func BenchmarkIdleSession(b *testing.B) {
	const sessions = 10_000
	for _, poller := range pollers {
		b.Run(poller.name, func(b *testing.B) {
			for range b.N {
				h := newHall(b, poller.options, false)
				h.admit(b, 100) // warm: pools, tables, event loops
				debug.FreeOSMemory()
				goroutines := runtime.NumGoroutine()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				rssBefore, cpuBefore := rss(b), cpu(b)
				h.admit(b, sessions)
				spent := cpu(b) - cpuBefore
				rssPeak := rss(b)
				debug.FreeOSMemory()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/sessions, "heap-B/session")
				b.ReportMetric(float64(after.StackInuse-before.StackInuse)/sessions, "stack-B/session")
				b.ReportMetric((rss(b)-rssBefore)/sessions, "rss-B/session")
				b.ReportMetric((rssPeak-rssBefore)/sessions, "rss-before-gc-B/session")
				b.ReportMetric(float64(spent.Microseconds())/sessions, "cpu-µs/connect")
				b.ReportMetric(0, "ns/op")

				h.sessions = nil
				h.crowd.stop()
				for h.server.Len() > 0 || runtime.NumGoroutine() > goroutines {
					time.Sleep(time.Millisecond)
				}
				runtime.GC() // pools forget in two steps
				debug.FreeOSMemory()
				runtime.ReadMemStats(&after)
				b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/1024, "heap-left-KB")
				b.ReportMetric((rss(b)-rssBefore)/1024, "rss-left-KB")
			}
		})
	}
}

// BenchmarkDelivery reports the CPU time of this process, system calls included, for each delivery to a room of
// 5,000 sessions. The floor is a loop that writes the ready frame to the same sockets. A burst is 40 messages:
//
//	go test ./connector/engineio -run '^$' -bench Delivery -benchtime 20x
func BenchmarkDelivery(b *testing.B) {
	const members, burst = 5_000, 40
	h := newHall(b, netpoll.Options{}, true)
	h.admit(b, members)
	m := TextMessage([]byte(`2/my-namespace,17["push",{"id":"1234567","room":"user-100042","title":"` + strings.Repeat("x", 60) + `"}]`))
	one := []*Message{m}
	many := make([]*Message, burst)
	for i := range many {
		many[i] = m
	}
	frame := m.frames(V4, wireForm{})[0]
	frames := bytes.Repeat(frame, burst)
	total := int64(0)

	floor := func(p []byte) {
		for _, fd := range h.listener.fds {
			// Raw, as the reactor writes; syscall.Write would tell the scheduler, which costs more.
			n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
			if errno != 0 || int(n) != len(p) {
				b.Fatal(n, errno)
			}
		}
	}
	send := func(msgs []*Message) {
		for _, s := range h.sessions {
			if err := s.Send(msgs...); err != nil {
				b.Fatal(err)
			}
		}
	}
	deferred := func(times int) {
		var batch Batch
		defer batch.Flush()
		for range times {
			for _, s := range h.sessions {
				if err := s.SendDeferred(&batch, m); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for _, way := range []struct {
		name     string
		messages int
		run      func()
	}{
		{"single/floor", 1, func() { floor(frame) }},
		{"single/send", 1, func() { send(one) }},
		{"single/deferred", 1, func() { deferred(1) }},
		{"burst/floor, one write each", burst, func() {
			for range burst {
				floor(frame)
			}
		}},
		{"burst/deferred", burst, func() { deferred(burst) }},
		{"burst/floor, joined", burst, func() { floor(frames) }},
		{"burst/send each", burst, func() {
			for range burst {
				send(one)
			}
		}},
		{"burst/send all at once", burst, func() { send(many) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			var spent time.Duration
			deliveries := 0
			for b.Loop() {
				start := cpu(b)
				way.run()
				total += int64(way.messages * members * len(frame))
				h.crowd.waitReceived(b, total) // what was queued counts too
				spent += cpu(b) - start
				deliveries += way.messages * members
			}
			b.ReportMetric(float64(spent.Nanoseconds())/1000/float64(deliveries), "cpu-µs/delivery")
		})
	}
}
