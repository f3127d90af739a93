package session

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/inbox"
)

// Inbox is what the session domain asks of the store about messages that wait
// for devices.
type Inbox interface {
	// EnterInbox is Presence.Enter; waiting says that the device has
	// something in its inbox, or to be told about it. What comes into the
	// inbox later finds the device online.
	EnterInbox(ctx context.Context, m client.Member, rooms []string) (waiting bool, err error)
	// Inbox reads one part of an inbox.
	Inbox(ctx context.Context, q inbox.Query) (inbox.Page, error)
	// Told notes that the device knows how many entries it has lost.
	Told(ctx context.Context, ns, clientID string, dropped int64) error
}

// Events of an inbox (light-push-wire.md 2.8).
const (
	eventOffline = "offlineMessage"
	eventDropped = "inboxDropped"
)

// Bounds of what one offlineMessage carries, and of what leaves before ok. The
// rest follows when the client has acked, or after inboxPause without an ack,
// so that an inbox of any size fits through the send buffer.
const (
	inboxCount = 100
	inboxBytes = 256 << 10 // of payloads; below max_payload
	inboxBurst = 1 << 20
	inboxPause = 2 * time.Second
)

// mailbox is what a connection knows of the inbox of its device; it exists
// once there is something to know.
type mailbox struct {
	mu sync.Mutex
	// pages wait for the connection handler.
	pages []inbox.Page
	after int64 // the next page begins behind this message
	more  bool  // there is one
	// sent are the messages this connection has got lately, on whatever way:
	// the inbox and the offline worker may come with the same one.
	sent   map[int64]struct{}
	forget *time.Timer
	// dropped is the number the client was told and has not confirmed.
	dropped int64
}

// inboxTurns is how many inboxes of one node are read at the same time; what
// is read is held in memory until it is written.
const inboxTurns = 32

// sentFor is how long after the last page a message of an inbox is known.
const sentFor = time.Minute

// hasInbox reports whether messages are kept for devices like this one.
func (d *device) hasInbox() bool {
	o := &d.hub.opts
	return o.Inbox != nil && slices.Contains(o.InboxPlatforms, d.member.Platform)
}

// register enters presence; waiting is always false without an inbox.
func (d *device) register(ctx context.Context, rooms []string) (waiting bool, err error) {
	if d.hasInbox() {
		return d.hub.opts.Inbox.EnterInbox(ctx, d.member, rooms)
	}
	return false, d.hub.opts.Presence.Enter(ctx, d.member, rooms)
}

// box returns the mailbox, which is made when first needed.
func (d *device) box() *mailbox {
	if b := d.mail.Load(); b != nil {
		return b
	}
	d.mail.CompareAndSwap(nil, &mailbox{})
	return d.mail.Load()
}

// fetchInbox reads what leaves before ok, for a device that has entered. When
// that fails the device is refused: its own back-off brings it back, and
// nothing of its inbox is lost.
func (d *device) fetchInbox(ctx context.Context) error {
	fetched := false
	defer func() { // also when something panics
		if !fetched {
			refused := d.member
			refused.Refused = true
			rooms := d.socket.Rooms()
			d.hub.background.Go(func() { d.forget(refused, rooms, true) })
		}
	}()
	switch err := d.openInbox(ctx); {
	case ctx.Err() != nil:
		return tryLater(ctx.Err()) // gone; nobody reads this
	case err != nil:
		return d.unavailable(err, "read inbox")
	}
	fetched = true
	return nil
}

// openInbox reads what leaves before ok. ctx is the client's and ends only the
// wait for a turn.
func (d *device) openInbox(ctx context.Context) error {
	give, err := d.hub.mail.take(ctx)
	if err != nil {
		return err
	}
	defer give()
	b := d.box()
	burst := min(inboxBurst, d.hub.server.ReplayMax()/2)
	for size := 0; ; {
		page, err := d.readInbox(b.after)
		if err != nil {
			return err
		}
		b.pages = append(b.pages, page)
		b.after, b.more = page.Last, page.More
		for _, e := range page.Entries {
			size += len(e.Record)
		}
		if !page.More || size >= burst {
			return nil
		}
	}
}

func (d *device) readInbox(after int64) (inbox.Page, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return d.hub.opts.Inbox.Inbox(ctx, inbox.Query{
		Namespace: d.member.Namespace, ClientID: d.member.ClientID, After: after,
		Count: inboxCount, Bytes: min(inboxBytes, d.hub.server.ReplayMax()/2),
	})
}

// offerInbox hands out what openInbox has read. Nothing leaves the inbox by
// this: only an ack takes a message out.
func (d *device) offerInbox() {
	b := d.mail.Load()
	if b == nil {
		return
	}
	b.mu.Lock()
	pages, more := b.pages, b.more
	b.pages = nil
	b.mu.Unlock()
	if len(pages) == 0 {
		return
	}
	d.tellDropped(b, pages[0].Dropped)
	for i, page := range pages {
		if err := d.offer(b, page.Entries, more && i == len(pages)-1); err != nil {
			return // gone; the entries stay
		}
	}
}

// tellDropped tells the client how many messages its inbox has lost. Its
// native ack confirms that, and so does any later ack.
func (d *device) tellDropped(b *mailbox, n int64) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	b.dropped = n
	b.mu.Unlock()
	_ = d.socket.EmitWithAck(0, func(_ socketio.Args, err error) {
		if err == nil {
			d.confirmDropped(b)
		}
	}, eventDropped, struct {
		Dropped int64 `json:"dropped"`
	}{n})
}

func (d *device) confirmDropped(b *mailbox) {
	b.mu.Lock()
	n := b.dropped
	b.dropped = 0
	b.mu.Unlock()
	if n == 0 {
		return
	}
	d.hub.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		if err := d.hub.opts.Inbox.Told(ctx, d.member.Namespace, d.member.ClientID, n); err != nil {
			// It is told again at the next connect.
			d.hub.opts.Logger.Warn().Err(err).Str("client", d.member.ClientID).Msg("note what was told")
		}
	})
}

// offer sends entries as one event; the native ack confirms all of them. With
// follow the next page comes after the ack, or after a pause.
func (d *device) offer(b *mailbox, entries []inbox.Entry, follow bool) error {
	entries = b.fresh(entries)
	next := func() {}
	if follow {
		next = sync.OnceFunc(func() { d.hub.background.Go(d.nextPage) })
	}
	if len(entries) == 0 {
		next()
		return nil
	}
	size := 2
	for _, e := range entries {
		size += len(e.Record) + 1
	}
	ids := make([]int64, len(entries))
	list := append(make(json.RawMessage, 0, size), '[')
	for i, e := range entries {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, e.Record...)
		ids[i] = e.ID
	}
	var pause *time.Timer
	if follow {
		pause = time.AfterFunc(inboxPause, next)
	}
	err := d.socket.EmitWithAck(0, func(_ socketio.Args, err error) {
		if pause != nil {
			pause.Stop()
		}
		if err != nil {
			return
		}
		for _, id := range ids {
			d.ack(id)
		}
		next()
	}, eventOffline, append(list, ']'))
	if err != nil && pause != nil {
		pause.Stop()
	}
	if err == nil {
		d.hub.opts.Observer.Delivered(WayInbox, len(ids))
	}
	return err
}

// inboxAgain offers the inbox from its beginning.
func (d *device) inboxAgain() {
	b := d.box()
	b.mu.Lock()
	b.after = 0
	b.mu.Unlock()
	d.nextPage()
}

// nextPage reads and offers the next page. While the store does not answer it
// tries again, as long as the device is here.
func (d *device) nextPage() {
	b := d.box()
	for {
		b.mu.Lock()
		after := b.after
		b.mu.Unlock()
		page, err := d.pageInTurn(after)
		if err == nil {
			b.mu.Lock()
			b.after, b.more = page.Last, page.More
			b.mu.Unlock()
			_ = d.offer(b, page.Entries, page.More)
			return
		}
		d.hub.opts.Logger.Warn().Err(err).Str("client", d.member.ClientID).Msg("read inbox; will be tried again")
		select {
		case <-d.hub.closing.Done():
			return
		case <-time.After(inboxPause):
		}
		if d.hub.device(d.member.Namespace, d.member.ClientID) != d {
			return
		}
	}
}

func (d *device) pageInTurn(after int64) (inbox.Page, error) {
	give, err := d.hub.mail.take(d.hub.closing)
	if err != nil {
		return inbox.Page{}, err
	}
	defer give()
	return d.readInbox(after)
}

// wrote notes that the connection gets a message beside the inbox; it is
// false when it has got it already.
func (d *device) wrote(id int64) bool {
	if !d.hasInbox() {
		return true
	}
	return len(d.box().fresh([]inbox.Entry{{ID: id}})) > 0
}

// fresh leaves out what the connection has got lately, and notes the rest. The
// result shares the memory of entries.
func (b *mailbox) fresh(entries []inbox.Entry) []inbox.Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent == nil {
		b.sent = make(map[int64]struct{}, len(entries))
	}
	entries = slices.DeleteFunc(entries, func(e inbox.Entry) bool {
		_, known := b.sent[e.ID]
		b.sent[e.ID] = struct{}{}
		return known
	})
	if b.forget == nil {
		b.forget = time.AfterFunc(sentFor, b.clear)
	} else {
		b.forget.Reset(sentFor)
	}
	return entries
}

func (b *mailbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent, b.forget = nil, nil
}
