package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/embedded"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// The benchmarks run on a real server and also report what an operation
// costs there and here: commands and CPU microseconds.
//
//	go test ./internal/store -run - -bench .

const benchWorkers = 64

// meter measures both processes between start and report.
type meter struct {
	s        *Store
	commands int64
	redis    time.Duration
	own      time.Duration
}

func (m *meter) start(b *testing.B) {
	b.Helper()
	m.commands, m.redis, m.own = m.read(b)
	b.ResetTimer()
}

func (m *meter) report(b *testing.B) {
	b.Helper()
	b.StopTimer()
	commands, redis, own := m.read(b)
	n := float64(b.N)
	b.ReportMetric(float64(commands-m.commands)/n, "commands/op")
	b.ReportMetric(float64((redis-m.redis).Microseconds())/n, "redis-µs/op")
	b.ReportMetric(float64((own-m.own).Microseconds())/n, "own-µs/op")
	b.ReportMetric(n/b.Elapsed().Seconds(), "ops/s")
}

func (m *meter) read(b *testing.B) (commands int64, redis, own time.Duration) {
	b.Helper()
	// Without them, on the embedded store, the figures are 0.
	stats, _ := infoSection(b.Context(), m.s.rdb, "stats")
	commands, _ = strconv.ParseInt(stats["total_commands_processed"], 10, 64)
	cpu, _ := infoSection(b.Context(), m.s.rdb, "cpu")
	for _, field := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, _ := strconv.ParseFloat(cpu[field], 64)
		redis += time.Duration(seconds * float64(time.Second))
	}
	var usage syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return commands, redis, time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// onBenchStores runs a benchmark on a real server and on the embedded store,
// whose figures of the server are part of the process' own.
func onBenchStores(b *testing.B, bench func(b *testing.B, s *Store, m *meter)) {
	b.Run("redis", func(b *testing.B) {
		s, m := benchStore(b)
		bench(b, s, m)
	})
	b.Run("embedded", func(b *testing.B) {
		server, err := embedded.Open(b.Context(), embedded.Options{Dir: b.TempDir()})
		check(b, err)
		b.Cleanup(func() { _ = server.Close() })
		s, err := Open(b.Context(), Options{Addresses: []string{"embedded"}, Dialer: server.Dial, RecoveryWindow: 2 * time.Minute})
		check(b, err)
		b.Cleanup(func() { _ = s.Close() })
		bench(b, s, &meter{s: s})
	})
}

func benchStore(b *testing.B) (*Store, *meter) {
	r := realServer(b)
	s, err := Open(b.Context(), Options{Addresses: r.Addresses, Prefix: fmt.Sprintf("b%d:", prefixes.Add(1)), RecoveryWindow: 2 * time.Minute})
	check(b, err)
	b.Cleanup(func() {
		_ = s.rdb.FlushAll(context.Background())
		_ = s.Close()
	})
	return s, &meter{s: s}
}

// spread runs work b.N times on benchWorkers goroutines.
func spread(b *testing.B, work func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range benchWorkers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				work(i)
			}
		})
	}
	wg.Wait()
}

// BenchmarkPush is one push to the room of one user, durable when it returns.
func BenchmarkPush(b *testing.B) {
	s, m := benchStore(b)
	const users = 1000
	for n := range 3 {
		stream(b, s, fmt.Sprint("n", n))
	}
	for u := range users {
		user := fmt.Sprint("u", u)
		device(b, s, "/bench", user, client.Web, fmt.Sprint("n", u%3), room.ForUser(user))
	}
	data := []byte(`{"message":"` + strings.Repeat("x", 180) + `"}`)
	c := push.NewCommitter(s, push.CommitterOptions{})
	m.start(b)
	spread(b, func(i int) {
		msg := message("/bench", room.ForUser(fmt.Sprint("u", i%users)))
		msg.PushData = data
		if err := c.Commit(b.Context(), msg); err != nil {
			b.Error(err)
		}
	})
	m.report(b)
	c.Close()
}

// BenchmarkAcks is one ack of a push to a room of 1,000 devices.
func BenchmarkAcks(b *testing.B) { onBenchStores(b, benchAcks) }

func benchAcks(b *testing.B, s *Store, m *meter) {
	const devices = 1000
	ids := make([]string, devices)
	for d := range devices {
		ids[d] = device(b, s, "/bench", fmt.Sprint("u", d), client.Platforms[d%3], "n1", "r").ClientID
	}
	var batch []*push.Message
	for range b.N/devices + 1 {
		batch = append(batch, message("/bench", "r"))
		if len(batch) == 500 {
			check(b, s.Accept(b.Context(), batch))
			batch = batch[:0]
		}
	}
	last := message("/bench", "r")
	check(b, s.Accept(b.Context(), append(batch, last)))
	r := push.NewReceipts(s, push.ReceiptsOptions{OnError: func(err error) { b.Error(err) }, OnDrop: func(n int) { b.Errorf("%d dropped", n) }})
	m.start(b)
	for i := range b.N {
		r.Ack(push.Ack{MessageID: last.ID - int64(i/devices), Namespace: "/bench", ClientID: ids[i%devices], Platform: client.Platforms[i%devices%3]})
		for r.Queued() > 500_000 {
			time.Sleep(time.Millisecond)
		}
	}
	r.Close()
	m.report(b)
	if got := must[[]map[string]string](b)(s.Records(b.Context(), []int64{last.ID}))[0][push.FieldAck]; got != fmt.Sprint(min(b.N, devices)) {
		b.Errorf("%s acks", got)
	}
}

// BenchmarkAcksEach is one ack of a push to one device.
func BenchmarkAcksEach(b *testing.B) {
	s, m := benchStore(b)
	id := device(b, s, "/bench", "u", client.Web, "n1", "r").ClientID
	first := int64(0)
	for left := b.N; left > 0; {
		batch := make([]*push.Message, min(left, 500))
		for i := range batch {
			batch[i] = message("/bench", "r")
		}
		check(b, s.Accept(b.Context(), batch))
		if first == 0 {
			first = batch[0].ID
		}
		left -= len(batch)
	}
	r := push.NewReceipts(s, push.ReceiptsOptions{OnError: func(err error) { b.Error(err) }, OnDrop: func(n int) { b.Errorf("%d dropped", n) }})
	m.start(b)
	for i := range b.N {
		r.Ack(push.Ack{MessageID: first + int64(i), Namespace: "/bench", ClientID: id, Platform: client.Web})
		for r.Queued() > 100_000 {
			time.Sleep(time.Millisecond)
		}
	}
	r.Close()
	m.report(b)
	if got := must[[]map[string]string](b)(s.Records(b.Context(), []int64{first + int64(b.N) - 1}))[0][push.FieldAck]; got != "1" {
		b.Errorf("%s acks", got)
	}
}

// BenchmarkConnect is Claim and Enter of a device with its user room.
func BenchmarkConnect(b *testing.B) {
	s, m := benchStore(b)
	m.start(b)
	spread(b, func(i int) {
		user := fmt.Sprint("u", i)
		id := client.Identity{Namespace: "/bench", UserID: user, Platform: client.Web, UUID: "1"}
		member := client.Member{Namespace: "/bench", ClientID: id.ID(), UserID: user, Platform: client.Web, Node: "n1",
			PID: "xLqOqF-jqhhkb9e63Twe", SID: "dlFSAblz_lC9bg5aidvS"}
		claim, err := s.Claim(b.Context(), member)
		gen := claim.Gen
		if err == nil {
			member.Gen = gen
			err = s.Enter(b.Context(), member, []string{room.ForUser(user)})
		}
		if err != nil {
			b.Error(err)
		}
	})
	m.report(b)
}

// BenchmarkRecover is the return of a device to its session, with 40 messages
// missed among 1,000 of its namespace.
func BenchmarkRecover(b *testing.B) {
	s, m := benchStore(b)
	var batch []*push.Message
	for i := range 1000 {
		msg := message("/bench", "other")
		if i%25 == 0 {
			msg.Room = "r"
		}
		batch = append(batch, msg)
	}
	before := message("/bench", "r")
	check(b, s.Accept(b.Context(), []*push.Message{before}))
	check(b, s.Accept(b.Context(), batch))
	member := func(i int) client.Member {
		id := client.Identity{Namespace: "/bench", UserID: fmt.Sprint("u", i), Platform: client.Web, UUID: "1"}
		return client.Member{Namespace: "/bench", ClientID: id.ID(), UserID: id.UserID, Platform: client.Web, Node: "n1"}
	}
	for i := range b.N {
		connect(b, s, member(i), "one", room.ForUser(fmt.Sprint("u", i)), "r")
	}
	m.start(b)
	spread(b, func(i int) {
		device := member(i)
		claim, err := s.Claim(b.Context(), device)
		if err != nil {
			b.Error(err)
			return
		}
		rooms, alive, err := s.Session(b.Context(), device, claim)
		q := push.MissedQuery{
			Namespace: "/bench", ClientID: device.ClientID, Rooms: rooms, Alive: alive,
			Offset: push.MessageOffset(before.ID), MessagesMax: 1000, BytesMax: 1 << 20,
		}
		if err == nil {
			_, err = s.Missed(b.Context(), q)
		}
		if err == nil {
			device.Gen, device.PID, device.SID = claim.Gen, claim.Session.PID, claim.Session.SID
			err = s.Enter(b.Context(), device, rooms)
		}
		var missed []push.Delivery
		if err == nil {
			missed, err = s.Missed(b.Context(), q)
		}
		if err != nil || len(missed) != 40 {
			b.Errorf("%d messages, %v", len(missed), err)
		}
	})
	m.report(b)
}
