package push

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/input"
)

// Bodies of pushes as business systems send them.
var (
	benchBody = `{"room":"user_joe","pushData":{"title":"hello","body":"` + strings.Repeat("x", 100) + `","badge":3}}`
	benchFull = `{"room":"user_joe","leaveMessage":true,"expire":2,"from":{"id":7},"except":"/demo#a#web-1","extra":"x",` +
		`"pushData":{"title":"hello","body":"` + strings.Repeat("x", 100) + `","apsData":{"aps":{"alert":"hello","badge":3}}}}`
)

// BenchmarkParse is the body of a push: fields, validation and the message.
func BenchmarkParse(b *testing.B) {
	for _, bm := range []struct{ name, body string }{{"usual", benchBody}, {"all fields", benchFull}} {
		b.Run(bm.name, func(b *testing.B) {
			body, now := []byte(bm.body), time.UnixMilli(1_800_000_000_000)
			b.ReportAllocs()
			for b.Loop() {
				f, err := input.FromJSON(body)
				if err != nil {
					b.Fatal(err)
				}
				req, err := rules.Parse(f, demo)
				if err != nil {
					b.Fatal(err)
				}
				if req.Message("/demo", now).Room != "user_joe" {
					b.Fatal("another room")
				}
			}
		})
	}
}

// BenchmarkMessageEvent is the payload of the push event; the apsData of the
// second message is left out of it.
func BenchmarkMessageEvent(b *testing.B) {
	for _, bm := range []struct{ name, body string }{{"usual", benchBody}, {"apsData", benchFull}} {
		b.Run(bm.name, func(b *testing.B) {
			f, err := input.FromJSON([]byte(bm.body))
			if err != nil {
				b.Fatal(err)
			}
			req, err := rules.Parse(f, demo)
			if err != nil {
				b.Fatal(err)
			}
			m := req.Message("/demo", time.UnixMilli(1_800_000_000_000))
			b.ReportAllocs()
			for b.Loop() {
				if len(m.Event(false)) < 100 {
					b.Fatal("cut")
				}
			}
		})
	}
}

// instant is a Store and ReceiptStore that takes no time.
type instant struct {
	ids     int64
	members []bool
	targets []Target
}

func (s *instant) Accept(_ context.Context, batch []*Message) error {
	for _, m := range batch {
		s.ids++
		m.ID = s.ids
	}
	return nil
}

func (s *instant) Targets(_ context.Context, ids []int64) ([]Target, error) {
	return s.targets[:len(ids)], nil
}
func (s *instant) Members(_ context.Context, acks []Ack, _ []string) ([]bool, error) {
	return s.members[:len(acks)], nil
}
func (s *instant) Offered(_ context.Context, acks []Ack) ([]bool, error) {
	return s.members[:len(acks)], nil
}
func (*instant) Record(context.Context, []ReceiptBatch) error  { return nil }
func (*instant) Collect(context.Context, []Ack, []int64) error { return nil }

// BenchmarkCommit is a lone push on its way through a group commit.
func BenchmarkCommit(b *testing.B) {
	c := NewCommitter(&instant{}, CommitterOptions{})
	defer c.Close()
	m := &Message{Namespace: "/demo", Room: "user_joe"}
	commit := func() {
		if err := c.Commit(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
	commit()
	b.ReportAllocs()
	for b.Loop() {
		commit()
	}
}

// BenchmarkReceipts is the collecting and checking of the acks of one message,
// and of its deliveries, by 1,000 devices: what one write of them costs.
func BenchmarkReceipts(b *testing.B) {
	const devices = 1000
	store := &instant{members: make([]bool, devices), targets: []Target{{Namespace: "/demo", Room: "r", ExpireAt: 1 << 60, Leave: true}}}
	acks := make([]Ack, devices)
	for i := range acks {
		acks[i] = Ack{MessageID: 7, Namespace: "/demo", ClientID: fmt.Sprint("/demo#joe#web-", i), Platform: "web"}
		store.members[i] = true
	}
	r := NewReceipts(store, ReceiptsOptions{Interval: time.Hour}) // it is flushed by hand
	defer r.Close()
	collect := func() {
		for _, a := range acks {
			r.Ack(a)
		}
		r.Delivered("/demo", 7, devices)
		if !r.flush() {
			b.Fatal("not written")
		}
	}
	collect()
	b.ReportAllocs()
	for b.Loop() {
		collect()
	}
}
