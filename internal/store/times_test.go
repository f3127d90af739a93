package store

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
)

// timesOf reads what a record tells of times.
func timesOf(t *testing.T, s *Store, id int64) push.Times {
	t.Helper()
	return push.TimesOf(recordOf(t, s, id))
}

// ackTimes reads when devices acked, ms behind sent; -1 where nobody has kept
// it.
func ackTimes(t *testing.T, s *Store, m *push.Message, clients ...string) string {
	t.Helper()
	var list []int64
	for _, d := range must[[]push.DeviceTimes](t)(s.DeviceTimes(t.Context(), m.ID, timesOf(t, s, m.ID), clients)) {
		at := int64(-1)
		if d.Acked > 0 {
			at = d.Acked - m.SendDate
		}
		list = append(list, at)
	}
	return fmt.Sprint(list)
}

func span(t *testing.T, s *Store, m *push.Message) string {
	t.Helper()
	a := timesOf(t, s, m.ID).Acks
	return fmt.Sprint(a.First-m.SendDate, " ", a.Last-m.SendDate)
}

// ackBatch are acks of a message: client id, platform, ms behind it.
func ackBatch(m *push.Message, acks ...any) []push.ReceiptBatch {
	b := push.ReceiptBatch{MessageID: m.ID, Namespace: m.Namespace, Sent: m.SendDate}
	for i := 0; i < len(acks); i += 3 {
		b.Acks = append(b.Acks, push.Ack{
			MessageID: m.ID, Namespace: m.Namespace, ClientID: acks[i].(string), Platform: acks[i+1].(string), At: m.SendDate + int64(acks[i+2].(int)),
		})
	}
	return []push.ReceiptBatch{b}
}

// A device's first ack has its time, whatever comes with it or after it.
func TestAckTimes(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := message("/a", "r")
		accept(t, s, m)
		times := s.keys.times(strconv.FormatInt(m.ID, 10))
		want := func(what, acked, all string, clients ...string) {
			t.Helper()
			if got := ackTimes(t, s, m, clients...); got != acked {
				t.Errorf("%s: acked at %s, want %s", what, got, acked)
			}
			if got := span(t, s, m); got != all {
				t.Errorf("%s: acks span %s, want %s", what, got, all)
			}
		}
		check(t, s.Record(ctx, ackBatch(m, "a", client.Android, 50)))
		check(t, s.Record(ctx, ackBatch(m, "a", client.Android, 60)))
		want("one device", "[50 -1]", "50 50", "a", "b")
		if n := s.rdb.Exists(ctx, times).Val(); n != 0 {
			t.Error("a message that one device acks needs no further key")
		}
		check(t, s.Record(ctx, ackBatch(m, "b", client.Web, 20, "b", client.Web, 25)))
		want("a second one, which was earlier", "[50 20 -1]", "20 50", "a", "b", "c")
		check(t, s.Record(ctx, ackBatch(m, "c", client.Web, 70, "a", client.Android, 80, "d", client.IOS, -5, "b", client.Web, 90)))
		want("new ones and known ones", "[50 20 70 -5]", "-5 70", "a", "b", "c", "d")
		if ttl := s.rdb.PTTL(ctx, times).Val(); ttl <= 0 {
			t.Errorf("the times live for %s", ttl)
		}
		var many []any
		names := []string{"a", "x0", fmt.Sprint("x", 2*ackChunk)}
		for i := range 2*ackChunk + 1 {
			many = append(many, fmt.Sprint("x", i), client.Platforms[i%3], 1000+i)
		}
		check(t, s.Record(ctx, ackBatch(m, many...)))
		check(t, s.Record(ctx, ackBatch(m, many...)))
		want("many", fmt.Sprintf("[50 1000 %d]", 1000+2*ackChunk), fmt.Sprint("-5 ", 1000+2*ackChunk), names...)
		if got := recordOf(t, s, m.ID)[push.FieldAck]; got != fmt.Sprint(4+2*ackChunk+1) {
			t.Errorf("%s acks", got)
		}

		other := message("/a", "r")
		accept(t, s, other)
		m = other
		check(t, s.Record(ctx, ackBatch(m, "a", client.Web, 9, "b", client.Web, 8)))
		want("two at once", "[9 8]", "8 9", "a", "b")
	})
}

// What a version before the times has recorded stays, and has none; its
// processes and ours may record acks of one message together.
func TestAcksOfTheVersionBefore(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := message("/a", "r")
		accept(t, s, m)
		id := strconv.FormatInt(m.ID, 10)
		before := func(c string) { // as message_record of that version
			check(t, s.rdb.SAdd(ctx, s.keys.acks(id, client.Web), c).Err())
			check(t, s.rdb.HIncrBy(ctx, s.keys.message(id), push.FieldAck, 1).Err())
		}
		check(t, s.rdb.HDel(ctx, s.keys.message(id), push.FieldStored).Err())
		before("old")
		check(t, s.Record(ctx, ackBatch(m, "old", client.Web, 5)))
		check(t, s.Record(ctx, ackBatch(m, "new", client.Web, 6)))
		before("older")
		// Nobody knows which of the two is new: no time is better than a wrong one.
		check(t, s.Record(ctx, ackBatch(m, "older", client.Web, 7, "newer", client.Web, 8)))
		if got := ackTimes(t, s, m, "old", "new", "older", "newer"); got != "[-1 6 -1 -1]" {
			t.Errorf("acked at %s", got)
		}
		if got := recordOf(t, s, m.ID)[push.FieldAck]; got != "4" {
			t.Errorf("%s acks", got)
		}
		acked, _, err := s.Marks(ctx, m.ID, client.Web, []string{"old", "new", "older", "newer"})
		if err != nil || fmt.Sprint(acked) != "[true true true true]" {
			t.Errorf("acked %v %v: both versions look into the set", acked, err)
		}
		if at := timesOf(t, s, m.ID); at.Stored.At != 0 || at.Written != nil {
			t.Errorf("times %+v", at)
		}
	})
}

// A record tells when a message left for which nodes, and what they wrote.
func TestMessageTimes(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		for _, node := range []string{"n1", "n2"} {
			device(t, s, "/a", node, client.Web, node, "r")
			stream(t, s, node)
		}
		m, lost := message("/a", "r"), message("/a", "r")
		lost.Extra = ptr(push.ExtraLost)
		from := s.nowMillis()
		accept(t, s, m)
		accept(t, s, lost)
		if got := timesOf(t, s, m.ID); got.Sent != m.SendDate || got.Stored.At < from || got.Stored.At > s.nowMillis() ||
			got.Stored.Nodes != 2 || len(got.Stored.Names) != 2 || got.Written != nil || got.Acks.First != 0 {
			t.Errorf("times %+v", got)
		}
		if got := timesOf(t, s, lost.ID).Stored; got.Nodes != 0 || got.Names != nil {
			t.Errorf("a lost message went to %+v", got)
		}
		wrote := func(node string, n, first, last int64) push.ReceiptBatch {
			return push.ReceiptBatch{MessageID: m.ID, Namespace: "/a", Node: node, Delivered: n, First: m.SendDate + first, Last: m.SendDate + last}
		}
		check(t, s.Record(ctx, []push.ReceiptBatch{wrote("n1", 3, 10, 12)}))
		check(t, s.Record(ctx, []push.ReceiptBatch{wrote("n2", 1, 4, 4), wrote("n1", 2, 11, 99), wrote("n1", 1, 9, 9)}))
		want := []push.Written{
			{Node: "n2", First: m.SendDate + 4, Last: m.SendDate + 4, Connections: 1},
			{Node: "n1", First: m.SendDate + 9, Last: m.SendDate + 99, Connections: 6},
		}
		if got := timesOf(t, s, m.ID).Written; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("written %+v, want %+v", got, want)
		}
		batch := make([]push.ReceiptBatch, 400)
		for i := range batch {
			batch[i] = wrote(fmt.Sprint("many", i), 1, 1, 1)
		}
		check(t, s.Record(ctx, batch))
		if n := s.rdb.HLen(ctx, s.keys.message(strconv.FormatInt(m.ID, 10))).Val(); n != 300 {
			t.Errorf("a record of %d fields", n)
		}
		if got := recordOf(t, s, m.ID)[push.FieldOnline]; got != "407" {
			t.Errorf("%s connections", got)
		}
	})
}

// A fate that gives way to another is remembered, and when the push service
// was asked.
func TestPastFates(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := message("/a", "r")
		accept(t, s, m)
		settle := func(run push.Run, c string, state push.State, at int64, detail string) {
			t.Helper()
			check(t, s.Settle(ctx, m.ID, run, []push.Settled{{ClientID: c, Fate: push.Fate{State: state, At: at, Detail: detail}}}))
		}
		settle(push.Run{}, "i", push.StateInbox, 5, "live")
		settle(push.Run{}, "i", push.StateInbox, 6, "")
		settle(push.Run{}, "i", push.StateDelivered, 7, "")
		settle(testRun, "p", push.StatePending, 8, "429")
		settle(push.Run{}, "p", push.StateLive, 9, push.DetailAgain)
		settle(testRun, "p", push.StateAPNs, 11, "id")
		settle(testRun, "q", push.StateAPNs, 10, "id")
		got := must[[]push.DeviceTimes](t)(s.DeviceTimes(ctx, m.ID, timesOf(t, s, m.ID), []string{"i", "p", "q"}))
		if text := fmt.Sprint(got); text != "[{0 [{inbox 5 live}]} {0 [{pending 8 429} {live 9 again}]} {0 []}]" {
			t.Errorf("past fates %s", text)
		}
		if p := timesOf(t, s, m.ID).Provider; p != [2]int64{8, 11} {
			t.Errorf("the push service answered %v", p)
		}
		// One that is away and comes back for ever.
		for i := range int64(200) {
			settle(testRun, "f", push.StatePending, 100+2*i, "429")
			settle(push.Run{}, "f", push.StateLive, 101+2*i, "")
		}
		past := must[[]push.DeviceTimes](t)(s.DeviceTimes(ctx, m.ID, timesOf(t, s, m.ID), []string{"f"}))[0].Past
		if len(past) < 10 || len(past) > 100 || past[0].At != 100 {
			t.Errorf("%d past fates", len(past))
		}
		if ttl := s.rdb.PTTL(ctx, s.keys.times(strconv.FormatInt(m.ID, 10))).Val(); ttl <= 0 {
			t.Errorf("the times live for %s", ttl)
		}
	})
}

func TestOfflineJob(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := message("/a", "r")
		m.LeaveMessage = ptr(true)
		accept(t, s, m)
		now := s.nowMillis()
		got := must[queue.Status](t)(s.OfflineJob(ctx, m.ID))
		if !got.Known || got.Attempt != 0 || got.Due < now-1000 || got.Due > now+60_000 || got.Dead != 0 {
			t.Errorf("job %+v at %d", got, now)
		}
		if got := must[queue.Status](t)(s.OfflineJob(ctx, 4711)); got != (queue.Status{}) {
			t.Errorf("no job: %+v", got)
		}
	})
}
