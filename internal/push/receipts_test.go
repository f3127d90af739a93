package push

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ledger is a ReceiptStore in memory.
type ledger struct {
	mu       sync.Mutex
	targets  map[int64]Target
	members  map[string]bool // "client room"
	counts   map[int64]int64
	acks     map[int64]map[string]bool
	fail     error
	asked    int // messages asked of Targets
	wrote    chan struct{}
	refused  chan struct{}
	maxBatch int

	offers    map[string]bool  // "message client"
	inboxes   map[string]int64 // "message client" → expiry
	failInbox error
	collected int // acks that reached Collect
	batches   []ReceiptBatch
}

func newLedger() *ledger {
	return &ledger{
		targets: map[int64]Target{}, members: map[string]bool{}, counts: map[int64]int64{}, acks: map[int64]map[string]bool{},
		wrote: make(chan struct{}, 10_000), refused: make(chan struct{}, 10_000),
	}
}

func (l *ledger) Targets(_ context.Context, ids []int64) ([]Target, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		l.refused <- struct{}{}
		return nil, l.fail
	}
	l.asked += len(ids)
	list := make([]Target, len(ids))
	for i, id := range ids {
		list[i] = l.targets[id]
	}
	return list, nil
}

func (l *ledger) Members(_ context.Context, acks []Ack, rooms []string) ([]bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]bool, len(acks))
	for i, a := range acks {
		list[i] = l.members[a.ClientID+" "+rooms[i]]
	}
	return list, nil
}

func (l *ledger) Record(_ context.Context, batches []ReceiptBatch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		l.refused <- struct{}{}
		return l.fail
	}
	l.batches = append(l.batches, batches...)
	for _, b := range batches {
		l.counts[b.MessageID] += b.Delivered
		l.maxBatch = max(l.maxBatch, len(b.Acks))
		for _, a := range b.Acks {
			if l.acks[b.MessageID] == nil {
				l.acks[b.MessageID] = map[string]bool{}
			}
			l.acks[b.MessageID][a.ClientID] = true
		}
	}
	l.wrote <- struct{}{}
	return nil
}

func (l *ledger) Offered(_ context.Context, acks []Ack) ([]bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]bool, len(acks))
	for i, a := range acks {
		list[i] = l.offers[fmt.Sprint(a.MessageID, " ", a.ClientID)]
	}
	return list, nil
}

func (l *ledger) Collect(_ context.Context, acks []Ack, expire []int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.collected += len(acks)
	if l.failInbox != nil {
		l.refused <- struct{}{}
		return l.failInbox
	}
	for i, a := range acks {
		key := fmt.Sprint(a.MessageID, " ", a.ClientID)
		if l.inboxes[key] == expire[i] {
			delete(l.inboxes, key)
		}
	}
	return nil
}

func (l *ledger) setFail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// text is what was recorded of a message.
func (l *ledger) text(id int64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d %s", l.counts[id], strings.Join(slices.Sorted(maps.Keys(l.acks[id])), ","))
}

func later() int64 { return time.Now().Add(time.Hour).UnixMilli() }

func TestReceiptsRecordOnlyRecipients(t *testing.T) {
	l := newLedger()
	l.targets[1] = Target{Namespace: "/demo", Room: "r", Except: "sender", ExpireAt: later()}
	l.targets[2] = Target{Namespace: "/other", Room: "r", ExpireAt: later()}
	for _, member := range []string{"a r", "b r", "sender r", "x other"} {
		l.members[member] = true
	}
	r := NewReceipts(l, ReceiptsOptions{Interval: time.Hour}) // Close writes
	for _, a := range []Ack{
		{MessageID: 1, Namespace: "/demo", ClientID: "a", Platform: "web"},
		{MessageID: 1, Namespace: "/demo", ClientID: "a", Platform: "web"},
		{MessageID: 1, Namespace: "/demo", ClientID: "b", Platform: "ios"},
		{MessageID: 1, Namespace: "/demo", ClientID: "sender", Platform: "web"}, // excepted
		{MessageID: 1, Namespace: "/demo", ClientID: "x", Platform: "web"},      // of another room
		{MessageID: 1, Namespace: "/other", ClientID: "a", Platform: "web"},     // of another namespace
		{MessageID: 2, Namespace: "/demo", ClientID: "a", Platform: "web"},      // another namespace's message
		{MessageID: 3, Namespace: "/demo", ClientID: "a", Platform: "web"},      // no such message
		{MessageID: 0, Namespace: "", ClientID: "a", Platform: "web"},
	} {
		r.Ack(a)
	}
	r.Delivered("/a", 1, 2)
	r.Delivered("/a", 1, 3)
	r.Delivered("/a", 1, 0)
	r.Delivered("/a", 4, 1)
	if n := r.Queued(); n != 11 {
		t.Errorf("%d queued, want 9 acks and 2 deliveries", n)
	}
	r.Close()
	for id, want := range map[int64]string{1: "5 a,b", 2: "0 ", 3: "0 ", 4: "1 "} {
		if got := l.text(id); got != want {
			t.Errorf("message %d: %q, want %q", id, got, want)
		}
	}
	if len(l.acks[2])+len(l.acks[3])+len(l.acks[0]) != 0 {
		t.Error("foreign or unknown messages were touched")
	}
	r.Close()
}

func TestReceiptsGatherAndRemember(t *testing.T) {
	l := newLedger()
	l.targets[1] = Target{Namespace: "/demo", Room: "r", ExpireAt: later()}
	for i := range 100 {
		l.members[fmt.Sprintf("c%d r", i)] = true
	}
	r := NewReceipts(l, ReceiptsOptions{Interval: time.Millisecond})
	defer r.Close()
	for i := range 100 {
		r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: fmt.Sprintf("c%d", i), Platform: "web"})
		if i%10 == 0 {
			receive(t, l.wrote, "a write")
		}
	}
	eventually(t, "all acks", func() bool { return strings.Count(l.text(1), "c") == 100 })
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked != 1 {
		t.Errorf("the target was asked for %d times", l.asked)
	}
}

// Until the store has a message its acks count for nothing, and after that
// they do: an unknown id is asked for again.
func TestUnknownTargetsAreNotRemembered(t *testing.T) {
	l := newLedger()
	l.members["a r"] = true
	l.targets[2] = Target{Namespace: "/demo", Room: "r", ExpireAt: later()}
	r := NewReceipts(l, ReceiptsOptions{Interval: time.Millisecond})
	defer r.Close()
	r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "a", Platform: "web"})
	r.Ack(Ack{MessageID: 2, Namespace: "/demo", ClientID: "a", Platform: "web"})
	receive(t, l.wrote, "the first write")
	l.mu.Lock()
	l.targets[1] = Target{Namespace: "/demo", Room: "r", ExpireAt: later()}
	l.mu.Unlock()
	r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "a", Platform: "web"})
	receive(t, l.wrote, "the second write")
	if got := l.text(1); got != "0 a" {
		t.Errorf("got %q", got)
	}
}

func TestReceiptsSurviveAnOutage(t *testing.T) {
	l := newLedger()
	l.targets[1] = Target{Namespace: "/demo", Room: "r", ExpireAt: later()}
	for i := range 3 {
		l.members[fmt.Sprintf("c%d r", i)] = true
	}
	l.setFail(errors.New("refused"))
	heard := make(chan error, 10_000)
	r := NewReceipts(l, ReceiptsOptions{Interval: time.Millisecond, OnError: func(err error) { heard <- err }, OnDrop: func(n int) { t.Errorf("%d dropped", n) }})
	r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "c0", Platform: "web"})
	r.Delivered("/a", 1, 5)
	receive(t, heard, "an error")
	r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "c1", Platform: "web"})
	r.Delivered("/a", 1, 2)
	receive(t, heard, "another try")
	l.setFail(nil)
	receive(t, l.wrote, "the write")
	r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "c2", Platform: "web"})
	r.Close()
	if got := l.text(1); got != "7 c0,c1,c2" {
		t.Errorf("got %q", got)
	}
}

func TestReceiptsAreBounded(t *testing.T) {
	l := newLedger()
	l.setFail(errors.New("refused"))
	var mu sync.Mutex
	dropped := 0
	heard := make(chan error, 10_000)
	r := NewReceipts(l, ReceiptsOptions{
		Interval: time.Hour, Max: 3,
		OnDrop:  func(n int) { mu.Lock(); dropped += n; mu.Unlock() },
		OnError: func(err error) { heard <- err },
	})
	for i := range 5 {
		r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: fmt.Sprint(i), Platform: "web"})
		r.Delivered("/a", int64(i), 1)
	}
	r.Delivered("/a", 0, 1) // a known message costs nothing
	if n := r.Queued(); n != 6 {
		t.Errorf("%d queued, want 3 and 3", n)
	}
	r.Close() // the store takes nothing: the rest is lost, and said to be
	receive(t, heard, "the failed last write")
	r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "late", Platform: "web"})
	r.Delivered("/a", 9, 1)
	mu.Lock()
	defer mu.Unlock()
	if want := 2 + 2 + 6 + 2; dropped != want {
		t.Errorf("%d dropped, want %d", dropped, want)
	}
}

// What comes back from a failed write and what has come meanwhile stay within
// the bound together; the oldest go.
func TestRestoreKeepsTheBound(t *testing.T) {
	dropped := 0
	r := &Receipts{
		max: 3, onDrop: func(n int) { dropped += n },
		acks: []Ack{{ClientID: "new1"}, {ClientID: "new2"}}, delivered: map[int64]delivered{1: {"/a", 1, 7, 8}, 2: {"/a", 1, 7, 7}},
	}
	r.restore([]Ack{{ClientID: "old1"}, {ClientID: "old2"}, {ClientID: "old3"}}, map[int64]delivered{1: {"/a", 4, 5, 6}, 3: {"/a", 1, 5, 5}, 4: {"/a", 1, 5, 5}})
	var left []string
	for _, a := range r.acks {
		left = append(left, a.ClientID)
	}
	if got := strings.Join(left, " "); got != "old3 new1 new2" || len(r.delivered) != 3 || r.delivered[1] != (delivered{"/a", 5, 5, 8}) || dropped != 3 {
		t.Errorf("left %s and %v, dropped %d", got, r.delivered, dropped)
	}
}

func TestManyAcksAreWrittenInChunks(t *testing.T) {
	l := newLedger()
	l.targets[1] = Target{Namespace: "/demo", Room: "r", ExpireAt: later()}
	r := NewReceipts(l, ReceiptsOptions{Interval: time.Hour})
	const n = 2*receiptChunk + 1
	for i := range n {
		id := fmt.Sprint(i)
		l.members[id+" r"] = true
		r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: id, Platform: "web"})
	}
	r.Delivered("/a", 1, n)
	r.Close()
	if len(l.acks[1]) != n || l.counts[1] != n || l.maxBatch > receiptChunk {
		t.Errorf("%d acks, %d delivered, at most %d at once", len(l.acks[1]), l.counts[1], l.maxBatch)
	}
}

func TestExpiredTargetsAreAskedForAgain(t *testing.T) {
	l := newLedger()
	l.members["a r"] = true
	l.targets[1] = Target{Namespace: "/demo", Room: "r", ExpireAt: 1}
	r := NewReceipts(l, ReceiptsOptions{Interval: time.Millisecond})
	defer r.Close()
	for range 2 {
		r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "a", Platform: "web"})
		receive(t, l.wrote, "a write")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked != 2 {
		t.Errorf("asked %d times, want 2", l.asked)
	}
}

func TestAcksOfKeptMessagesEmptyInboxes(t *testing.T) {
	l := newLedger()
	end := later()
	l.targets[1] = Target{Namespace: "/demo", Room: "r", ExpireAt: end}
	l.targets[2] = Target{Namespace: "/demo", Room: "r", ExpireAt: end, Leave: true}
	l.members["in r"] = true
	l.offers = map[string]bool{"2 left": true, "1 left": true}
	l.inboxes = map[string]int64{"2 in": end, "2 left": end, "2 never": end, "1 in": end}
	r := NewReceipts(l, ReceiptsOptions{Interval: time.Hour})
	for _, id := range []int64{1, 2} {
		for _, c := range []string{"in", "left", "never"} {
			r.Ack(Ack{MessageID: id, Namespace: "/demo", ClientID: c, Platform: "android"})
		}
	}
	r.Close()
	if got := l.text(1) + " " + l.text(2); got != "0 in 0 in,left" {
		t.Errorf("recorded %s", got)
	}
	if len(l.inboxes) != 2 || l.inboxes["2 never"] == 0 || l.inboxes["1 in"] == 0 || l.collected != 2 {
		t.Errorf("left in the inboxes: %v after %d acks; an ordinary message has none to look at", l.inboxes, l.collected)
	}
}

// An inbox that cannot be reached makes the acks come again, not the
// deliveries, which are counted by then.
func TestInboxFailureCountsNothingTwice(t *testing.T) {
	l := newLedger()
	end := later()
	l.targets[1] = Target{Namespace: "/demo", Room: "r", ExpireAt: end, Leave: true}
	l.members["a r"] = true
	l.inboxes = map[string]int64{"1 a": end}
	l.failInbox = errors.New("gone")
	failed := make(chan error, 100)
	r := NewReceipts(l, ReceiptsOptions{Interval: time.Millisecond, OnError: func(err error) { failed <- err }})
	defer r.Close()
	r.Delivered("/a", 1, 3)
	r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "a", Platform: "android"})
	for range 3 {
		receive(t, failed, "a failure")
	}
	l.mu.Lock()
	l.failInbox = nil
	l.mu.Unlock()
	eventually(t, "the inbox to be emptied", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.inboxes) == 0
	})
	if got := l.text(1); got != "3 a" {
		t.Errorf("recorded %s, want 3 deliveries and the ack", got)
	}
}

// Acks keep the time at which they came, deliveries the first and the last,
// whatever an outage makes of the writing; the record tells who wrote.
func TestReceiptsKeepTimes(t *testing.T) {
	l := newLedger()
	l.targets[1] = Target{Namespace: "/demo", Room: "r", SendDate: 5, ExpireAt: later()}
	l.members["a r"], l.members["b r"] = true, true
	l.setFail(errors.New("refused"))
	r := NewReceipts(l, ReceiptsOptions{Node: "n1", Interval: time.Millisecond})
	before := time.Now().UnixMilli()
	r.Delivered("/demo", 1, 1)
	r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "a", Platform: "web"})
	receive(t, l.refused, "a failed write")
	came := time.Now().UnixMilli()
	eventually(t, "a later millisecond", func() bool { return time.Now().UnixMilli() > came })
	r.Delivered("/demo", 1, 2)
	r.Ack(Ack{MessageID: 1, Namespace: "/demo", ClientID: "b", Platform: "web", At: 77})
	l.setFail(nil)
	r.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.batches) != 1 || len(l.batches[0].Acks) != 2 {
		t.Fatalf("batches %+v", l.batches)
	}
	b := l.batches[0]
	if b.Node != "n1" || b.Sent != 5 || b.Delivered != 3 || b.First < before || b.First > came || b.Last <= came {
		t.Errorf("batch %+v, began between %d and %d", b, before, came)
	}
	if a := b.Acks[0]; a.At < before || a.At > came || b.Acks[1].At != 77 {
		t.Errorf("acks %+v", b.Acks)
	}
}
