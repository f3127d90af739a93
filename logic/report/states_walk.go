package report

import (
	"context"
	"hash/maphash"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

func (r *Reports) count(ctx context.Context, ns string, id int64) (StateCounts, error) {
	records, err := r.store.Records(ctx, []int64{id})
	if err != nil {
		return StateCounts{}, err
	}
	if len(records) != 1 || records[0] == nil || records[0]["namespace"] != ns {
		return StateCounts{}, ErrNoMessage
	}
	w := &stateWalk{
		receiptWalk: receiptWalk{r: r, q: ReceiptQuery{Namespace: ns, ID: id, Size: statesStep}, m: newReceiptMessage(records[0])},
		seed:        maphash.MakeSeed(), seen: map[uint64]struct{}{}, until: time.Now().Add(statesTime),
		counts: StateCounts{ID: strconv.FormatInt(id, 10), States: map[string]map[push.State]int64{}, Complete: true},
	}
	for _, p := range client.Platforms {
		w.counts.States[p] = map[push.State]int64{}
	}
	if err := w.run(ctx); err != nil {
		return StateCounts{}, err
	}
	w.counts.Time = time.Now().UnixMilli()
	return w.counts, nil
}

// stateWalk counts the devices of a message, in the phases of a receiptWalk.
type stateWalk struct {
	receiptWalk
	seed  maphash.Seed
	seen  map[uint64]struct{} // hashes of the client ids that are counted
	until time.Time

	mu     sync.Mutex // guards the rest while a step is asked for
	counts StateCounts
	acks   int64 // of the devices counted in this phase
	fates  int64 // of all devices counted
}

func (w *stateWalk) run(ctx context.Context) error {
	store := w.r.store
	acked, fates, err := store.MarkCounts(ctx, w.q.ID)
	if err != nil {
		return err
	}
	left := map[string]bool{} // there are acks of devices that have left
	for _, p := range client.Platforms {
		w.acks = 0
		if err := w.walk(ctx, func(ctx context.Context, cursor uint64) ([]string, uint64, error) {
			return store.Audience(ctx, w.q.Namespace, w.m.room, p, cursor, statesStep)
		}, func(string) string { return p }); err != nil {
			return err
		}
		left[p] = acked[p] > w.acks
	}
	for _, p := range client.Platforms {
		if !left[p] {
			continue
		}
		if err := w.walk(ctx, func(ctx context.Context, cursor uint64) ([]string, uint64, error) {
			return store.AckedPage(ctx, w.q.ID, p, cursor, statesStep)
		}, func(string) string { return p }); err != nil {
			return err
		}
	}
	if fates <= w.fates {
		return nil
	}
	return w.walk(ctx, func(ctx context.Context, cursor uint64) ([]string, uint64, error) {
		return store.SettledPage(ctx, w.q.ID, cursor, statesStep)
	}, client.PlatformIn)
}

// walk counts the devices of a set that were not counted before. The next step
// is read while one is asked about.
func (w *stateWalk) walk(ctx context.Context, step func(context.Context, uint64) ([]string, uint64, error), platformOf func(string) string) error {
	if !w.counts.Complete {
		return nil
	}
	clients, next, err := step(ctx, 0)
	for ; err == nil; err = ctx.Err() {
		more := next != 0
		var following []string
		group, within := errgroup.WithContext(ctx)
		if more {
			group.Go(func() (err error) {
				following, next, err = step(within, next)
				return err
			})
		}
		group.Go(func() error { return w.ask(within, w.fresh(clients), platformOf) })
		if err := group.Wait(); err != nil {
			return err
		}
		if w.counts.Total >= statesMax || time.Now().After(w.until) {
			w.counts.Complete = w.counts.Complete && !more
			return nil
		}
		if !more {
			return nil
		}
		clients = following
	}
	return err
}

// fresh keeps the clients that were not counted before, and no more than may
// be.
func (w *stateWalk) fresh(clients []string) []string {
	list := clients[:0]
	for _, c := range clients {
		sum := maphash.String(w.seed, c)
		if _, known := w.seen[sum]; known {
			continue
		}
		if len(w.seen) >= statesMax {
			w.counts.Complete = false
			break
		}
		w.seen[sum] = struct{}{}
		list = append(list, c)
	}
	return list
}

// ask judges and counts devices, some of them at a time.
func (w *stateWalk) ask(ctx context.Context, clients []string, platformOf func(string) string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statesWorkers)
	for _, list := range byPlatform(clients, platformOf) {
		for rest := list.clients; len(rest) > 0; {
			n := min(len(rest), statesAsk)
			some := rest[:n]
			rest = rest[n:]
			group.Go(func() error { return w.judgeAll(ctx, list.platform, some) })
		}
	}
	return group.Wait()
}

type ofPlatform struct {
	platform string
	clients  []string
}

func byPlatform(clients []string, platformOf func(string) string) []ofPlatform {
	var lists []ofPlatform
next:
	for _, c := range clients {
		p := platformOf(c)
		for i := range lists {
			if lists[i].platform == p {
				lists[i].clients = append(lists[i].clients, c)
				continue next
			}
		}
		lists = append(lists, ofPlatform{p, append(make([]string, 0, len(clients)), c)})
	}
	return lists
}

func (w *stateWalk) judgeAll(ctx context.Context, platform string, clients []string) error {
	acked, fates, err := w.r.store.Marks(ctx, w.q.ID, platform, clients)
	if err != nil {
		return err
	}
	var open []string
	for i, c := range clients {
		if !acked[i] && fates[i].State == "" && c != w.m.except {
			open = append(open, c)
		}
	}
	online := map[string]bool{}
	if len(open) > 0 {
		since, err := w.r.store.OnlineSince(ctx, w.q.Namespace, open)
		if err != nil {
			return err
		}
		for i, c := range open {
			if since[i] > 0 && since[i] <= w.m.sent {
				online[c] = true
			}
		}
	}
	states, acks, settled := map[push.State]int64{}, int64(0), int64(0)
	for i, c := range clients {
		if acked[i] {
			acks++
		}
		if fates[i].State != "" {
			settled++
		}
		states[w.m.judge(platform, c, acked[i], fates[i], online[c], w.r.limits.OfflinePlatforms).State]++
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acks, w.fates = w.acks+acks, w.fates+settled
	for state, n := range states {
		w.counts.States[platform][state] += n
		w.counts.Total += n
	}
	return nil
}
