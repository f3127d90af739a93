package session

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/internal/push"
)

// returnSlack is how far the clocks of this node and the store may be apart.
const returnSlack = 2 * time.Second

// Return is what a node does that finds itself swept although it lives: it
// registers its connections again and sends them what was pushed since a time
// at which it was surely known. Its stream was removed with the rest, and who
// was connected all the while asks for nothing. Repeats are possible; what is
// sent comes behind newer messages.
//
// Without Recovery nobody knows what was missed, and the connections are only
// registered.
func (h *Hub) Return(ctx context.Context, since time.Time) {
	h.Resync(ctx)
	if h.opts.Recovery == nil {
		return
	}
	h.mu.Lock()
	all := make([]*device, 0, len(h.devices))
	for _, d := range h.devices {
		all = append(all, d)
	}
	h.mu.Unlock()
	from := since.Add(-returnSlack).UnixMilli()
	for _, d := range all {
		if ctx.Err() != nil {
			return
		}
		read, cancel := context.WithTimeout(ctx, storeTimeout)
		err := d.catchUpSince(read, from)
		cancel()
		if err != nil {
			// It comes back, continues its session, or begins anew and
			// knows it.
			h.opts.Logger.Warn().Err(err).Str("client", d.member.ClientID).Msg("messages missed while this node was swept")
			d.socket.Disconnect(true)
		}
	}
}

// catchUpSince sends what was pushed to the rooms of the device since a time,
// ms, but not from before it came.
func (d *device) catchUpSince(ctx context.Context, since int64) error {
	missed, err := d.hub.opts.Recovery.Missed(ctx, push.MissedQuery{
		Namespace: d.member.Namespace, ClientID: d.member.ClientID, Rooms: d.socket.Rooms(),
		Offset:      push.TimeOffset(max(since, d.member.Gen)), // a generation is the time of its claim
		MessagesMax: missedMax, BytesMax: missedBytesMax,
	})
	if err != nil {
		return err
	}
	for i := range missed {
		m := &missed[i]
		d.hub.saw(m.MessageID)
		n, err := only(d).AckID(uint64(m.MessageID)).Emit("push", m.Payload)
		if err != nil {
			return err
		}
		d.hub.opts.Receipts.Delivered(d.member.Namespace, m.MessageID, n)
		d.hub.opts.Observer.Delivered(WayRecovered, n)
	}
	return nil
}
