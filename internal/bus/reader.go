package bus

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/canary"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// Handler takes what other processes send to this node. It is called by one
// goroutine and should return quickly: while it works nothing is read.
type Handler interface {
	Deliver(d push.Delivery)
	Kick(k client.Kick)
	// Transfer, Event and Direct come in the order of the stream, too.
	Transfer(t room.Transfer)
	Event(e room.Event)
	Direct(d push.Direct)
	// Flush comes when everything that was read at once has been handed
	// over, so that Deliver may gather what leaves together.
	Flush()
}

// Reader reads the stream of this node from the moment Start returns. Every
// entry is handed over in the order of the stream, once; only after a Redis
// that lost its newest data may entries be repeated.
type Reader struct {
	tail    tail
	handler Handler
	canary  func(canary.Note)
}

// ReaderOptions of a Reader; functions may be nil.
type ReaderOptions struct {
	Prefix string // of all keys
	Node   string
	// OnCanary hears of canaries, in the order of the stream.
	OnCanary func(canary.Note)
	// OnGap hears that entries may have been lost before they were read:
	// the node was swept, or lagged by more than its stream keeps.
	OnGap func()
	// OnError hears of failed reads, which are tried again, and of entries
	// that could not be understood, which are skipped.
	OnError func(error)
}

// NewReader returns a Reader that owns rdb, a client of its own: Close closes
// it.
func NewReader(rdb redis.UniversalClient, handler Handler, o ReaderOptions) *Reader {
	r := &Reader{handler: handler, canary: o.OnCanary}
	if r.canary == nil {
		r.canary = func(canary.Note) {}
	}
	r.tail = tail{
		rdb: rdb, key: StreamKey(o.Prefix, o.Node), own: true,
		handle: r.entry, handled: handler.Flush, onGap: orNothing(o.OnGap), onError: orIgnore(o.OnError),
	}
	return r
}

// Start creates the node's stream and starts reading after what an earlier
// process of that name has left in it. Call it before the node's lease is
// announced.
func (r *Reader) Start(ctx context.Context) error { return r.tail.start(ctx) }

// Reopen makes the stream anew after a sweep has removed it: nobody else does,
// and the reader would notice only a moment later. Call it before the node
// registers anything again. Safe for concurrent use.
func (r *Reader) Reopen(ctx context.Context) error {
	_, err := r.tail.begin(ctx)
	return err
}

// Close ends the reading and waits for the handler to return.
func (r *Reader) Close() { r.tail.close() }

// Stats are the figures now. Safe for concurrent use.
func (r *Reader) Stats() Stats { return r.tail.snapshot() }

func (r *Reader) entry(field, value string) {
	switch field {
	case fieldDelivery:
		take(r, "delivery", value, DecodeDelivery, r.handler.Deliver)
	case fieldKick:
		take(r, "kick", value, DecodeKick, r.handler.Kick)
	case fieldTransfer:
		take(r, "transfer", value, DecodeTransfer, r.handler.Transfer)
	case fieldEvent:
		take(r, "event", value, DecodeEvent, r.handler.Event)
	case fieldDirect:
		take(r, "direct message", value, DecodeDirect, r.handler.Direct)
	case fieldCanary:
		take(r, "canary", value, DecodeCanary, r.canary)
	default: // a newer version's kind
		r.tail.onError(fmt.Errorf("entry %q in %s: %w", field, r.tail.key, ErrEntry))
	}
}

func take[T any](r *Reader, kind, value string, decode func(string) (T, error), handle func(T)) {
	v, err := decode(value)
	if err != nil {
		r.tail.onError(fmt.Errorf("%s in %s: %w", kind, r.tail.key, err))
		return
	}
	handle(v)
}

func orNothing(f func()) func() {
	if f == nil {
		return func() {}
	}
	return f
}

func orIgnore(f func(error)) func(error) {
	if f == nil {
		return func(error) {}
	}
	return f
}
