package report_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/report"
	"github.com/lightpush/lightpush/logic/report/reporttest"
)

// counted are the receipts of a message, counted one by one.
func counted(list []report.Receipt) map[string]map[push.State]int64 {
	counts := map[string]map[push.State]int64{"web": {}, "ios": {}, "android": {}}
	for _, r := range list {
		counts[r.Platform][r.State]++
	}
	return counts
}

// States counts what Receipts lists, whatever the steps are.
func TestStates(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		for id := range int64(3) {
			store := receiptStore()
			store.AtOnce = atOnce
			// A walk may give a device twice.
			web := store.Audiences["r1"]["web"]
			r := report.New(store, report.Options{OfflinePlatforms: []string{"android"}})
			if id == 0 {
				if _, err := r.States(context.Background(), ns, 3); !errors.Is(err, report.ErrNoMessage) {
					t.Error(err)
				}
				if _, err := r.States(context.Background(), "/other", 1); !errors.Is(err, report.ErrNoMessage) {
					t.Error(err)
				}
				continue
			}
			all, _ := readAll(t, r, report.ReceiptQuery{Namespace: ns, ID: id})
			store.Audiences["r1"]["web"] = append(slices.Clone(web), web...)
			got, err := r.States(context.Background(), ns, id)
			if err != nil || fmt.Sprint(got.States) != fmt.Sprint(counted(all)) || got.Total != int64(len(all)) || !got.Complete || got.Time == 0 {
				t.Errorf("at once %v, message %d: %+v %v, want %v", atOnce, id, got, err, counted(all))
			}
		}
	}
}

// crowd is a store with one message to so many devices of one platform.
func crowd(n int) *reporttest.Store {
	store := reporttest.New()
	store.Messages[1] = record(1)
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint("d", i)
	}
	store.Audiences = map[string]map[string][]string{"r1": {"web": list[:n/2], "android": list[n/2:]}}
	return store
}

// There is an end to what is counted, and the answer says so.
func TestStatesAreBounded(t *testing.T) {
	for n, complete := range map[int]bool{9_000: true, 250_000: true, 250_001: false, 600_000: false} {
		store := crowd(n)
		got, err := report.New(store, report.Options{}).States(context.Background(), ns, 1)
		if err != nil || got.Complete != complete || got.Total != int64(min(n, 250_000)) {
			t.Errorf("%d devices: %d, complete %v, %v", n, got.Total, got.Complete, err)
		}
		if asked := store.Calls["Marks"]; asked > 2*250+8 {
			t.Errorf("%d devices: %d questions", n, asked)
		}
	}
}

// Many who ask at the same time have it counted once.
func TestStatesAreCountedOnce(t *testing.T) {
	store := crowd(5_000)
	r := report.New(store, report.Options{})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if got, err := r.States(context.Background(), ns, 1); err != nil || got.Total != 5_000 {
				t.Errorf("%d %v", got.Total, err)
			}
		})
	}
	group.Wait()
	store.Update(func(s *reporttest.Store) {
		// A machine that stands still for a second may see it counted anew.
		if n := s.Calls["MarkCounts"]; n > 3 {
			t.Errorf("counted %d times", n)
		}
	})
}

func TestStatesWithoutStore(t *testing.T) {
	store := crowd(10)
	store.Fail = errors.New("away")
	r := report.New(store, report.Options{})
	if _, err := r.States(context.Background(), ns, 1); !errors.Is(err, store.Fail) {
		t.Error(err)
	}
	store.Update(func(s *reporttest.Store) { s.Fail = nil })
	if got, err := r.States(context.Background(), ns, 1); err != nil || got.Total != 10 {
		t.Errorf("a failure was kept: %+v %v", got, err)
	}
	left, cancel := context.WithCancel(context.Background())
	cancel()
	store.Update(func(s *reporttest.Store) { s.Hang = true })
	if _, err := report.New(store, report.Options{}).States(left, ns, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("who has left: %v", err)
	}
}
