package offline

import (
	"context"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

// keep puts the message into the inboxes of devices and sends it at once to
// those that are connected again.
//
// A device may ack or connect in every moment of this, so the order counts:
// the entry is written first, acks are looked at behind it (an ack takes the
// entry out behind its own record, so one of the two does), and the fate is
// last, so that a job that was interrupted does all of it again.
func (r *run) keep(ctx context.Context, platform string, clients []string, _ []push.Fate) error {
	fates, err := r.place(ctx, platform, clients)
	if err != nil {
		return err
	}
	return r.settle(ctx, platform, push.Run{}, fates)
}

func (r *run) place(ctx context.Context, platform string, clients []string) (fates []push.Settled, err error) {
	store := r.h.o.Store
	placed, err := store.Place(ctx, r.m, clients, r.h.inboxMax(r.m.Namespace))
	if err != nil {
		return nil, err
	}
	r.h.countDropped(placed)
	acked, _, err := store.Marks(ctx, r.m.ID, platform, clients)
	if err != nil {
		return nil, err
	}
	var done, live, nodes []string
	for i, c := range clients {
		// The store has decided by the same, in the step that puts the entry.
		switch decide(byInbox, push.Recipient{Known: placed[i].Known, OptOut: placed[i].OptOut}, false) {
		case ignore:
			continue
		case optOut:
			fates = append(fates, push.Settled{ClientID: c, Fate: r.fate(push.StateOptOut, "")})
			continue
		}
		if acked[i] {
			done = append(done, c)
			continue
		}
		detail := ""
		if r.back(placed[i].Node, placed[i].Gen, r.m.SendDate) {
			live, nodes = append(live, c), append(nodes, placed[i].Node)
			detail = "live"
		}
		fates = append(fates, push.Settled{ClientID: c, Fate: r.fate(push.StateInbox, detail)})
	}
	if len(done) > 0 {
		if err := store.Unplace(ctx, r.m, done); err != nil {
			return nil, err
		}
	}
	if len(live) > 0 {
		if err := store.Direct(ctx, r.m, live, nodes); err != nil {
			return nil, err
		}
	}
	return fates, nil
}

// inboxMax is how many messages the inboxes of a namespace keep.
func (h *Handler) inboxMax(key string) int {
	ns, _ := h.o.Namespaces.Get(key)
	return ns.InForce(namespace.Limits{InboxMax: h.o.InboxMax}).InboxMax
}

func (h *Handler) countDropped(placed []push.Placed) {
	n := int64(0)
	for i := range placed {
		n += placed[i].Dropped
	}
	if n > 0 {
		h.o.OnDropped(int(n))
	}
}
