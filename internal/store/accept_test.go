package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// at is a fixed time; records expire long after it.
var at = time.Now().Add(time.Hour)

func message(ns, room string) *push.Message {
	return &push.Message{
		Namespace: ns, Room: room, PushData: json.RawMessage(`{"a":1}`), SendDate: at.UnixMilli(), Expire: "1",
		ExpireAt: at.Add(time.Hour).UnixMilli(),
	}
}

func ptr[T any](v T) *T { return &v }

// device enters a room of a namespace from a node and returns its member.
func device(t testing.TB, s *Store, ns, user, platform, node string, rooms ...string) client.Member {
	t.Helper()
	id := client.Identity{Namespace: ns, UserID: user, Platform: platform, UUID: "1"}
	m := client.Member{Namespace: ns, ClientID: id.ID(), UserID: user, Platform: platform, Node: node}
	claim, err := s.Claim(t.Context(), m)
	gen := claim.Gen
	check(t, err)
	m.Gen = gen
	check(t, s.Enter(t.Context(), m, rooms))
	return m
}

// stream makes the stream of a node exist, as its Reader does.
func stream(t testing.TB, s *Store, node string) {
	t.Helper()
	check(t, s.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: bus.StreamKey(s.opt.Prefix, node), Values: []any{"h", "1"}}).Err())
}

// entries are the deliveries in a node's stream.
func entries(t testing.TB, s *Store, node string) []push.Delivery {
	t.Helper()
	var list []push.Delivery
	for _, e := range must[[]redis.XMessage](t)(s.rdb.XRange(t.Context(), bus.StreamKey(s.opt.Prefix, node), "-", "+").Result()) {
		if text, ok := e.Values["d"].(string); ok {
			list = append(list, must[push.Delivery](t)(bus.DecodeDelivery(text)))
		}
	}
	return list
}

func TestAccept(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return at }; o.HistoryMax = 3 })
		ctx := t.Context()
		stream(t, s, "n1")
		stream(t, s, "n2")
		device(t, s, "/a", "u1", client.Web, "n1", "r", "user_u1")
		device(t, s, "/a", "u2", client.IOS, "n2", "r")
		device(t, s, "/b", "u1", client.Web, "n1", "r")
		device(t, s, "/a", "u3", client.Web, "gone", "r")

		full := message("/a", "r")
		full.LeaveMessage, full.APNsName, full.Except, full.From, full.Extra =
			ptr(true), ptr("p"), ptr("/a#u9#web-1"), ptr("me"), ptr("x")
		lost := message("/a", "r")
		lost.Extra = ptr(push.ExtraLost)
		batch := []*push.Message{full, lost, message("/a", "user_u1"), message("/b", "r"), message("/a", "empty")}
		check(t, s.Accept(ctx, batch))
		check(t, s.Accept(ctx, nil))

		for i, m := range batch {
			if m.ID != int64(i+1) {
				t.Errorf("message %d has id %d", i, m.ID)
			}
		}
		if got := must[[]int64](t)(s.MessageIDs(ctx, "/a")); !slices.Equal(got, []int64{5, 3, 2}) {
			t.Errorf("history %v", got)
		}
		if got := must[[]int64](t)(s.MessageIDs(ctx, "/b")); !slices.Equal(got, []int64{4}) {
			t.Errorf("history of the other namespace %v", got)
		}
		for ns, want := range map[string]int64{"/a": 4, "/b": 1, "/c": 0} {
			m, h, d, err := s.Counters(ctx, ns, at)
			if err != nil || m != want || h != want || d != want {
				t.Errorf("counters of %s: %d %d %d, want %d", ns, m, h, d, want)
			}
		}
		if m, _, _, _ := s.Counters(ctx, "/a", at.Add(time.Minute)); m != 0 {
			t.Errorf("the next minute has %d", m)
		}
		want := push.Delivery{MessageID: 1, Namespace: "/a", Room: "r", Except: "/a#u9#web-1", Payload: full.Event(false)}
		on1, on2 := entries(t, s, "n1"), entries(t, s, "n2")
		if len(on1) != 3 || len(on2) != 1 || fmt.Sprint(on2[0]) != fmt.Sprint(want) || fmt.Sprint(on1[0]) != fmt.Sprint(want) ||
			on1[1].MessageID != 3 || on1[2].Namespace != "/b" {
			t.Errorf("streams: %+v %+v", on1, on2)
		}
		if n := s.rdb.Exists(ctx, bus.StreamKey(s.opt.Prefix, "gone")).Val(); n != 0 {
			t.Error("the stream of a dead node was created")
		}
		records := must[[]map[string]string](t)(s.Records(ctx, []int64{1, 99, 2}))
		if records[1] != nil || records[0]["pushData"] != `{"a":1}` || records[0]["leaveMessage"] != "true" ||
			records[0]["from"] != "me" || records[2]["extra"] != "lost" || len(records[0]) != 17 {
			t.Errorf("records %v", records)
		}
		if got := must[[]bool](t)(s.Alive(ctx, []int64{1, 99, 5})); !slices.Equal(got, []bool{true, false, true}) {
			t.Errorf("alive %v", got)
		}
	})
}

// TestAcceptConcurrently sends many pushes at once through the committer.
func TestAcceptConcurrently(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		const senders, each, nodes = 16, 60, 3
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return at } })
		ctx := t.Context()
		rooms := []string{"r0", "r1", "r2", "r3"}
		for n := range nodes {
			node := fmt.Sprintf("n%d", n)
			stream(t, s, node)
			device(t, s, "/a", "u"+node, client.Web, node, rooms[:n+2]...) // r0 and r1 on all, r3 on the last
		}
		committers := []*push.Committer{
			push.NewCommitter(s, push.CommitterOptions{BatchMax: 16}),
			push.NewCommitter(s, push.CommitterOptions{}), // a second process
		}
		var mu sync.Mutex
		byRoom := map[string][]int64{}
		var all []int64
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				last := int64(0)
				for j := range each {
					m := message("/a", rooms[(i+j)%len(rooms)])
					if err := committers[i%2].Commit(ctx, m); err != nil {
						t.Error(err)
						return
					}
					if m.ID <= last {
						t.Errorf("id %d after %d", m.ID, last)
					}
					last = m.ID
					mu.Lock()
					all = append(all, m.ID)
					byRoom[m.Room] = append(byRoom[m.Room], m.ID)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for _, c := range committers {
			c.Close()
		}
		slices.Sort(all)
		if len(slices.Compact(slices.Clone(all))) != senders*each || all[len(all)-1] != senders*each {
			t.Fatalf("%d ids, the last is %d", len(all), all[len(all)-1])
		}
		history := must[[]int64](t)(s.MessageIDs(ctx, "/a"))
		slices.Reverse(history)
		if !slices.Equal(history, all) {
			t.Errorf("history has %d ids", len(history))
		}
		if m, h, d, _ := s.Counters(ctx, "/a", at); m != senders*each || h != m || d != m {
			t.Errorf("counters %d %d %d", m, h, d)
		}
		for n := range nodes {
			var want []int64
			for _, r := range rooms[:n+2] {
				want = append(want, byRoom[r]...)
			}
			slices.Sort(want)
			var got []int64
			for _, d := range entries(t, s, fmt.Sprintf("n%d", n)) {
				got = append(got, d.MessageID)
			}
			sorted := slices.Sorted(slices.Values(got))
			if !slices.Equal(sorted, want) {
				t.Errorf("stream of n%d has %d entries, want %d", n, len(got), len(want))
			}
		}
	})
}

// TestAcceptOrder holds that one process' pushes are in the streams in the
// order of their ids.
func TestAcceptOrder(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		stream(t, s, "n1")
		device(t, s, "/a", "u", client.Web, "n1", "r0", "r1", "r2")
		c := push.NewCommitter(s, push.CommitterOptions{})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 50 {
					if err := c.Commit(t.Context(), message("/a", "r"+strconv.Itoa(i%3))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		c.Close()
		list := entries(t, s, "n1")
		if len(list) != 400 {
			t.Fatalf("%d entries", len(list))
		}
		for i, d := range list {
			if d.MessageID != int64(i+1) {
				t.Fatalf("entry %d is message %d", i, d.MessageID)
			}
		}
	})
}

// TestExpiry holds that records and acks go when the message expires, and
// that nothing brings them back (B39).
func TestExpiry(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		device(t, s, "/a", "u", client.IOS, "n1", "r")
		m := message("/a", "r")
		m.ExpireAt = time.Now().Add(700 * time.Millisecond).UnixMilli()
		check(t, s.Accept(ctx, []*push.Message{m}))
		ack := push.ReceiptBatch{MessageID: m.ID, Delivered: 1, Acks: []push.Ack{
			{MessageID: m.ID, Namespace: "/a", ClientID: "/a#u#ios-1", Platform: client.IOS}}}
		check(t, s.Record(ctx, []push.ReceiptBatch{ack}))
		id := strconv.FormatInt(m.ID, 10)
		for _, key := range []string{s.keys.message(id), s.keys.acks(id, client.IOS)} {
			if ttl := s.rdb.PTTL(ctx, key).Val(); ttl <= 0 || ttl > 700*time.Millisecond {
				t.Errorf("%s lives for %v", key, ttl)
			}
		}
		for _, bucket := range s.keys.namespace("/a").buckets(time.Now()) {
			if ttl := s.rdb.PTTL(ctx, bucket.key).Val(); ttl < time.Hour || ttl > 101*24*time.Hour {
				t.Errorf("%s lives for %v", bucket.key, ttl)
			}
		}
		if b.mini != nil {
			b.mini.FastForward(time.Second)
		}
		eventually(t, "the message expires", func() bool {
			return !must[[]bool](t)(s.Alive(ctx, []int64{m.ID}))[0]
		})
		check(t, s.Record(ctx, []push.ReceiptBatch{ack}))
		for _, k := range keysLeft(t, s) {
			if len(k) > 2 && k[:2] == "m:" {
				t.Errorf("%s is left", k)
			}
		}
		if got := must[[]push.Target](t)(s.Targets(ctx, []int64{m.ID}))[0]; got.Namespace != "" {
			t.Errorf("target %+v", got)
		}
	})
}

// TestAcceptChecksReplies holds that a failure of any single write is heard.
func TestAcceptChecksReplies(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		stream(t, s, "n1")
		device(t, s, "/a", "u", client.Web, "n1", "r")
		k := s.keys.namespace("/a")
		for _, key := range []string{
			s.keys.messageID(), k.history, k.log, k.buckets(s.opt.Now())[2].key, bus.StreamKey(s.opt.Prefix, "n1"), s.keys.room("/a", "r").index,
		} {
			old := s.rdb.Dump(t.Context(), key)
			check(t, s.rdb.Del(t.Context(), key).Err())
			check(t, s.rdb.SAdd(t.Context(), key, "of another type").Err())
			if err := s.Accept(t.Context(), []*push.Message{message("/a", "r"), message("/b", "r")}); err == nil {
				t.Errorf("%s failed, but nobody heard", key)
			}
			check(t, s.rdb.Del(t.Context(), key).Err())
			if key == bus.StreamKey(s.opt.Prefix, "n1") {
				stream(t, s, "n1")
			} else if old.Err() == nil && b.mini == nil {
				check(t, s.rdb.Restore(t.Context(), key, 0, old.Val()).Err())
			}
		}
	})
}

// deafConn loses everything the server answers once it is deaf.
type deafConn struct {
	net.Conn
	deaf *atomic.Bool
}

func (c deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.deaf.Load() {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// TestAcceptOnce holds that the writes of a group commit are not sent again
// when their reply is lost: they may have been executed.
func TestAcceptOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		var deaf atomic.Bool
		s := b.open(t, func(o *Options) {
			o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, addr)
				return deafConn{c, &deaf}, err
			}
		})
		check(t, s.Accept(t.Context(), []*push.Message{message("/a", "r")}))
		ops := s.appendFigures(nil, []*push.Message{message("/a", "r")})
		for _, o := range ops {
			o.once = true
		}
		deaf.Store(true)
		if err := s.run(t.Context(), ops...); err == nil {
			t.Error("a lost reply was not heard")
		}
		deaf.Store(false)
		if m, _, _, err := s.Counters(t.Context(), "/a", s.opt.Now()); err != nil || m > 2 {
			t.Errorf("%d pushes are counted, %v", m, err)
		}
	})
}

func TestBuckets(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	when := time.Date(2026, 1, 1, 3, 29, 59, 0, zone) // 2025-12-31 21:59:59 UTC
	got := keys{"lp:"}.namespace("/a").buckets(when)
	utc := func(y, mo, d, h, mi int) int64 {
		return time.Date(y, time.Month(mo), d, h, mi, 0, 0, time.UTC).UnixMilli()
	}
	want := [3]bucket{
		{"lp:n:{/a}:m:202512312159", utc(2025, 12, 31, 23, 0)},
		{"lp:n:{/a}:h:2025123121", utc(2026, 1, 1, 22, 0)},
		{"lp:n:{/a}:d:20251231", utc(2026, 4, 11, 0, 0)},
	}
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
