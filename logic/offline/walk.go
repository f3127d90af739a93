package offline

import (
	"context"

	"github.com/lightpush/lightpush/internal/push"
)

// stepCount is how many devices one step of a walk takes, about: what the
// store does for them stays far below 10 ms, what is in memory below 1 MB.
const stepCount = 500

// step is called with devices that have neither acked nor a final fate, and
// the fates they have.
type step func(ctx context.Context, platform string, clients []string, fates []push.Fate) error

// walk calls do with the devices of a platform that may still need the
// message, a few hundred at a time, until all were seen or do fails. Errors
// are the store's or do's.
func (r *run) walk(ctx context.Context, platform string, do step) error {
	m, store := r.m, r.h.o.Store
	for cursor := uint64(0); ; {
		clients, next, err := store.Audience(ctx, m.Namespace, m.Room, platform, cursor, stepCount)
		if err != nil {
			return err
		}
		for len(clients) > 0 {
			n := min(len(clients), stepCount)
			if err := r.open(ctx, platform, clients[:n], do); err != nil {
				return err
			}
			clients = clients[n:]
		}
		if cursor = next; cursor == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// open takes out the devices that need nothing.
func (r *run) open(ctx context.Context, platform string, clients []string, do step) error {
	acked, fates, err := r.h.o.Store.Marks(ctx, r.m.ID, platform, clients)
	if err != nil {
		return err
	}
	var open []string
	var before []push.Fate
	for i, c := range clients {
		if acked[i] || fates[i].Final() || excepted(r.m, c) {
			continue
		}
		open, before = append(open, c), append(before, fates[i])
	}
	if len(open) == 0 {
		return nil
	}
	return do(ctx, platform, open, before)
}

// clockSlack is how far the clocks of two processes may be apart: a connection
// that seems this little older than the message may have come behind it.
const clockSlack = 2000 // ms

// back reports that a device has connected since a time, ms, at which the
// message was written to no connection of its.
func (r *run) back(node string, gen, since int64) bool {
	return node != "" && gen > since-clockSlack && !r.m.Lost()
}

func (r *run) fate(state push.State, detail string) push.Fate {
	return push.Fate{State: state, At: r.h.o.Now().UnixMilli(), Detail: detail}
}

// settle keeps fates and tells the observer of them.
func (r *run) settle(ctx context.Context, platform string, in push.Run, fates []push.Settled) error {
	if len(fates) == 0 {
		return nil
	}
	if err := r.h.o.Store.Settle(ctx, r.m.ID, in, fates); err != nil {
		return err
	}
	counts := map[push.State]int{}
	for _, f := range fates {
		counts[f.Fate.State]++
	}
	for state, n := range counts {
		r.h.o.Observe(platform, state, n)
	}
	return nil
}
