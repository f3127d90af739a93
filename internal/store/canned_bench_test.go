package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/inbox"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
)

// The benchmarks of this file measure this side of Redis alone: the commands
// that are made and written, and the replies that are read.

// BenchmarkAccept is a group commit of one push, and of 100 to as many rooms,
// each of which one node holds.
func BenchmarkAccept(b *testing.B) {
	for _, n := range []int{1, 100} {
		for _, recovery := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/recovery=%v", n, recovery), func(b *testing.B) {
				s := cannedStore(b, map[string]string{
					"INCRBY": number(1000), "TIME": array(bulk("1800000000"), bulk("0")), "HKEYS": array(bulk("n1"), bulk("~web")),
					"HSET": number(13), "PEXPIREAT": number(1), "LPUSH": number(1), "LTRIM": "+OK\r\n", "XADD": bulk("1-1"),
					"PEXPIRE": number(1), "XTRIM": number(0),
				}, func(o *Options) {
					if recovery {
						o.RecoveryWindow = 2 * time.Minute
					}
				})
				s.origin = 1 << 63 // of one length, always
				batch := make([]*push.Message, n)
				for i := range batch {
					batch[i] = message("/demo", fmt.Sprint("user_", i))
					batch[i].PushData = []byte(`{"title":"` + strings.Repeat("x", 100) + `"}`)
				}
				accept := func() { check(b, s.Accept(b.Context(), batch)) }
				for range 10 { // buffers have their size
					accept()
				}
				b.ReportAllocs()
				for b.Loop() {
					accept()
				}
			})
		}
	}
}

// BenchmarkTake is a worker that takes ten jobs out of a queue.
func BenchmarkTake(b *testing.B) {
	var ids, jobs []string
	for i := range 10 {
		ids = append(ids, bulk(fmt.Sprint(1234567+i)))
		jobs = append(jobs, bulk("0|0|1800000000000|1800000000000|"))
	}
	s := cannedStore(b, map[string]string{"EVALSHA": array(array(ids...), array(jobs...), array(), number(0))}, nil)
	take := func() {
		if jobs := must[[]queue.Job](b)(s.Queues().Take(b.Context(), queue.Offline, "w", nil, 10, time.Minute)); len(jobs) != 10 {
			b.Fatal(len(jobs))
		}
	}
	for range 10 {
		take()
	}
	b.ReportAllocs()
	for b.Loop() {
		take()
	}
}

// BenchmarkLetters is the reading of ten messages of an inbox, which nobody has
// read lately.
func BenchmarkLetters(b *testing.B) {
	var values []string
	for _, field := range inbox.Fields {
		switch field {
		case "pushData":
			values = append(values, bulk(`{"title":"`+strings.Repeat("x", 100)+`"}`))
		case "except", "extra", "from", "apnsName":
			values = append(values, "$-1\r\n")
		default:
			values = append(values, bulk("1234567"))
		}
	}
	s := cannedStore(b, map[string]string{"HMGET": array(values...), "HSTRLEN": number(112)}, nil)
	ids := make([]int64, 10)
	for i := range ids {
		ids[i] = int64(1234567 + i)
	}
	read := func() {
		clear(s.letters.byID)
		if fits := must[int](b)(s.inboxFits(b.Context(), ids, 1<<20)); fits != len(ids) {
			b.Fatal(fits)
		}
		if list := must[[]*letter](b)(s.lettersOf(b.Context(), ids)); !list[9].ok {
			b.Fatal("not read")
		}
	}
	for range 10 {
		read()
	}
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
}

// BenchmarkRecord is the recording of the acks of 100 devices for one message.
func BenchmarkRecord(b *testing.B) {
	s := cannedStore(b, map[string]string{"EVALSHA": number(1)}, nil)
	batch := []push.ReceiptBatch{{MessageID: 1234567, Namespace: "/demo", Delivered: 100}}
	for i := range 100 {
		batch[0].Acks = append(batch[0].Acks, push.Ack{
			MessageID: 1234567, Namespace: "/demo", ClientID: fmt.Sprint("/demo#joe#web-", i), Platform: client.Platforms[i%3],
		})
	}
	record := func() { check(b, s.Record(b.Context(), batch)) }
	for range 10 {
		record()
	}
	b.ReportAllocs()
	for b.Loop() {
		record()
	}
}
