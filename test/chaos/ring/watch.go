package ring

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/test/chaos/ledger"
)

// Sample is the counters of the ledger at a moment.
type Sample struct {
	At time.Duration
	ledger.Tally
}

const progressEvery = 10 // samples

// watch takes a sample every second and prints a line now and then, until ctx ends.
func (r *ring) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		t := r.ledger.Tally()
		r.mu.Lock()
		r.samples = append(r.samples, Sample{r.now(), t})
		r.mu.Unlock()
		if n%progressEvery == 0 && n > 0 {
			r.logf("%7.1f s  online %d, pushes %d: accepted %d, refused %d, not taken %d, unknown %d; got %d live, %d replayed, %d offline, %d apns, %d of them repeats; %d breaks, %d sessions continued",
				r.now().Seconds(), t.Online, t.Sent, t.Accepted, t.Refused, t.Nothing, t.Unknown, t.Receipts[ledger.Live],
				t.Receipts[ledger.Replay], t.Receipts[ledger.Offline], t.Receipts[ledger.APNs], t.Repeats, t.Breaks, t.Recovered)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
