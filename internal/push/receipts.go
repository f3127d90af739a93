package push

import (
	"context"
	"sync"
	"time"
)

// Ack says that a device has got a message.
type Ack struct {
	MessageID int64
	Namespace string // of the device; a foreign message is never touched (B39)
	ClientID  string
	Platform  string
	At        int64 // ms; Receipts.Ack sets it when it is 0
}

// ReceiptBatch is what is recorded for one message at once.
type ReceiptBatch struct {
	MessageID int64
	Namespace string
	Delivered int64 // connections written to
	Node      string
	// First and Last are when Node has written, ms, as far as Delivered goes.
	First, Last int64
	Sent        int64 // when the message was sent, ms; 0 without acks
	Acks        []Ack
}

// Target is what the receipts need to know of a message.
type Target struct {
	Namespace string
	Room      string
	Except    string
	SendDate  int64 // ms
	ExpireAt  int64 // ms
	// Leave says that the message is kept for absent devices, so that an ack
	// has more to do than to be counted.
	Leave bool
}

// ReceiptStore records receipts. All operations are idempotent per device.
type ReceiptStore interface {
	// Targets returns the targets of the messages, with an empty
	// Namespace for one that does not exist.
	Targets(ctx context.Context, ids []int64) ([]Target, error)
	// Members reports for each ack whether its device is, or was when it
	// last left by disconnecting, a member of the room.
	Members(ctx context.Context, acks []Ack, rooms []string) ([]bool, error)
	// Offered reports for each ack whether the message was kept for its
	// device or sent to a push service for it.
	Offered(ctx context.Context, acks []Ack) ([]bool, error)
	// Record adds deliveries and acks to existing messages; a device is
	// counted once per message, and what is written expires with the
	// message.
	Record(ctx context.Context, batches []ReceiptBatch) error
	// Collect takes recorded acks' messages out of the inboxes of their
	// devices; expire are the ends of the messages' lives, ms.
	Collect(ctx context.Context, acks []Ack, expire []int64) error
}

// Receipts collects deliveries and acks of this process and writes them to
// the store in batches (design.md 3.5). Safe for concurrent use.
type Receipts struct {
	store    ReceiptStore
	node     string
	interval time.Duration
	max      int
	onError  func(error)
	onDrop   func(n int)

	mu        sync.Mutex
	acks      []Ack               // bound: max
	delivered map[int64]delivered // by message; bound: max
	closed    bool

	wake chan struct{} // capacity 1
	stop chan struct{}
	done chan struct{}

	targets map[int64]Target // run goroutine only; bound: targetsMax
}

// delivered is how many connections a message was written to, and when.
type delivered struct {
	namespace   string
	n           int64
	first, last int64 // ms
}

// and is both together; the zero value is none.
func (d delivered) and(other delivered) delivered {
	if d.n == 0 {
		return other
	}
	d.n += other.n
	d.first, d.last = min(d.first, other.first), max(d.last, other.last)
	return d
}

const (
	targetsMax     = 20_000
	receiptTimeout = 5 * time.Second
	receiptChunk   = 5_000 // acks per store call
)

// ReceiptsOptions of Receipts; zero values take the defaults named.
type ReceiptsOptions struct {
	Node     string        // this process, as messages remember it
	Interval time.Duration // between writes; 20 ms
	Max      int           // acks that may wait while the store is away; 1,000,000
	OnError  func(error)   // a write failed and will be tried again
	OnDrop   func(n int)   // the bound was reached and n receipts are lost
}

// NewReceipts starts the collector's goroutine; Close ends it.
func NewReceipts(store ReceiptStore, o ReceiptsOptions) *Receipts {
	if o.Interval <= 0 {
		o.Interval = 20 * time.Millisecond
	}
	if o.Max <= 0 {
		o.Max = 1_000_000
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.OnDrop == nil {
		o.OnDrop = func(int) {}
	}
	r := &Receipts{
		store: store, node: o.Node, interval: o.Interval, max: o.Max, onError: o.OnError, onDrop: o.OnDrop,
		delivered: map[int64]delivered{}, targets: map[int64]Target{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go r.run()
	return r
}

// Ack records that a device has got a message. It never blocks.
func (r *Receipts) Ack(a Ack) {
	if a.At == 0 {
		a.At = time.Now().UnixMilli()
	}
	r.mu.Lock()
	full := len(r.acks) >= r.max || r.closed
	if !full {
		r.acks = append(r.acks, a)
	}
	r.mu.Unlock()
	if full {
		r.onDrop(1)
		return
	}
	r.notify()
}

// Delivered records that a message of a namespace was written to n
// connections. It never blocks.
func (r *Receipts) Delivered(ns string, message int64, n int) {
	if n == 0 {
		return
	}
	r.mu.Lock()
	d, known := r.delivered[message]
	full := (!known && len(r.delivered) >= r.max) || r.closed
	if !full {
		now := time.Now().UnixMilli()
		r.delivered[message] = d.and(delivered{ns, int64(n), now, now})
	}
	r.mu.Unlock()
	if full {
		r.onDrop(1)
		return
	}
	r.notify()
}

// Queued is the number of receipts that wait to be written.
func (r *Receipts) Queued() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.acks) + len(r.delivered)
}

// Close writes what is queued, as far as the store answers, and ends the
// goroutine.
func (r *Receipts) Close() {
	r.mu.Lock()
	wasClosed := r.closed
	r.closed = true
	r.mu.Unlock()
	if !wasClosed {
		close(r.stop)
	}
	<-r.done
}

func (r *Receipts) notify() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Receipts) run() {
	defer close(r.done)
	pause := time.NewTimer(0)
	<-pause.C
	defer pause.Stop()
	for {
		select {
		case <-r.stop:
			r.last()
			return
		case <-r.wake:
		}
		pause.Reset(r.interval) // let a batch gather
		select {
		case <-r.stop:
			r.last()
			return
		case <-pause.C:
		}
		if !r.flush() {
			r.notify() // keep what failed and try again after the pause
		}
	}
}

// last is the final flush; what the store does not take now is lost.
func (r *Receipts) last() {
	if !r.flush() {
		r.onDrop(r.Queued())
	}
}

// flush writes everything that is queued; on an error the rest goes back to
// the queue and flush returns false.
func (r *Receipts) flush() bool {
	r.mu.Lock()
	acks, written := r.acks, r.delivered
	r.acks, r.delivered = nil, map[int64]delivered{}
	r.mu.Unlock()
	for len(acks) > 0 || len(written) > 0 {
		n := min(len(acks), receiptChunk)
		if recorded, err := r.write(acks[:n], written); err != nil {
			r.onError(err)
			if recorded {
				written = nil // must not count twice; acks do not
			}
			r.restore(acks, written)
			return false
		}
		acks, written = acks[n:], nil
	}
	return true
}

func (r *Receipts) restore(acks []Ack, written map[int64]delivered) {
	r.mu.Lock()
	lost := len(acks) + len(r.acks) - r.max
	if lost > 0 {
		acks = acks[min(lost, len(acks)):]
	}
	r.acks = append(acks, r.acks...)
	lost = max(lost, 0)
	for id, w := range written {
		d, known := r.delivered[id]
		if !known && len(r.delivered) >= r.max {
			lost++
			continue
		}
		r.delivered[id] = d.and(w)
	}
	r.mu.Unlock()
	if lost > 0 {
		r.onDrop(lost)
	}
}

// write records acks and deliveries; recorded says that they are counted, also
// with an error.
func (r *Receipts) write(acks []Ack, written map[int64]delivered) (recorded bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), receiptTimeout)
	defer cancel()
	valid, err := r.entitled(ctx, acks)
	if err != nil {
		return false, err
	}
	index := map[int64]int{}
	var batches []ReceiptBatch
	at := func(id int64, ns string) *ReceiptBatch {
		i, ok := index[id]
		if !ok {
			i = len(batches)
			index[id] = i
			batches = append(batches, ReceiptBatch{MessageID: id, Namespace: ns})
		}
		return &batches[i]
	}
	for id, w := range written {
		b := at(id, w.namespace)
		b.Delivered, b.Node, b.First, b.Last = w.n, r.node, w.first, w.last
	}
	for _, a := range valid {
		b := at(a.MessageID, a.Namespace)
		b.Sent, b.Acks = r.targets[a.MessageID].SendDate, append(b.Acks, a)
	}
	if len(batches) == 0 {
		return true, nil
	}
	if err := r.store.Record(ctx, batches); err != nil {
		return false, err
	}
	return true, r.collect(ctx, valid)
}

// collect empties inboxes, once the acks are recorded: the offline worker puts
// entries in and then looks for acks, so one of the two takes them out.
func (r *Receipts) collect(ctx context.Context, acks []Ack) error {
	var kept []Ack
	var expire []int64
	for _, a := range acks {
		if t := r.targets[a.MessageID]; t.Leave {
			kept = append(kept, a)
			expire = append(expire, t.ExpireAt)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return r.store.Collect(ctx, kept, expire)
}

// entitled drops acks of unknown messages, of other namespaces and of devices
// that are no members of the message's room (B39).
func (r *Receipts) entitled(ctx context.Context, acks []Ack) ([]Ack, error) {
	if len(acks) == 0 {
		return nil, nil
	}
	if err := r.loadTargets(ctx, acks); err != nil {
		return nil, err
	}
	candidates := make([]Ack, 0, len(acks))
	rooms := make([]string, 0, len(acks))
	for _, a := range acks {
		t := r.targets[a.MessageID]
		if t.Namespace == a.Namespace && t.Namespace != "" && t.Except != a.ClientID {
			candidates = append(candidates, a)
			rooms = append(rooms, t.Room)
		}
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	members, err := r.store.Members(ctx, candidates, rooms)
	if err != nil {
		return nil, err
	}
	if err := r.offered(ctx, candidates, members); err != nil {
		return nil, err
	}
	valid := candidates[:0]
	for i, a := range candidates {
		if members[i] {
			valid = append(valid, a)
		}
	}
	return valid, nil
}

// offered adds the devices that have left the room but got the message by
// offline delivery: they may confirm it.
func (r *Receipts) offered(ctx context.Context, acks []Ack, members []bool) error {
	var left []Ack
	var at []int
	for i, a := range acks {
		if !members[i] && r.targets[a.MessageID].Leave {
			left, at = append(left, a), append(at, i)
		}
	}
	if len(left) == 0 {
		return nil
	}
	offered, err := r.store.Offered(ctx, left)
	if err != nil {
		return err
	}
	for j, i := range at {
		members[i] = offered[j]
	}
	return nil
}

func (r *Receipts) loadTargets(ctx context.Context, acks []Ack) error {
	if len(r.targets) > targetsMax {
		clear(r.targets)
	}
	var missing []int64
	seen := map[int64]struct{}{}
	now := time.Now().UnixMilli()
	for _, a := range acks {
		if _, ok := seen[a.MessageID]; ok {
			continue
		}
		seen[a.MessageID] = struct{}{}
		if t, ok := r.targets[a.MessageID]; !ok || (t.Namespace != "" && t.ExpireAt <= now) {
			missing = append(missing, a.MessageID)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	found, err := r.store.Targets(ctx, missing)
	if err != nil {
		return err
	}
	for i, id := range missing {
		if found[i].Namespace == "" {
			delete(r.targets, id) // ids of the future must be asked again
			continue
		}
		r.targets[id] = found[i]
	}
	return nil
}
