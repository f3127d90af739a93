package report_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/report"
	"github.com/lightpush/lightpush/logic/report/reporttest"
)

const sentAt = 1795165670788

// receiptStore has message 1, kept and decided about, and message 2, which is
// neither.
func receiptStore() *reporttest.Store {
	store := reporttest.New()
	store.Messages[1] = record(1, "leaveMessage", "true", "except", "/demo#me#android-1", push.FieldDone, "1795165680000")
	store.Messages[2] = record(2)
	store.Audiences = map[string]map[string][]string{"r1": {
		"web":     {"w-acked", "w-online", "w-off"},
		"ios":     {"i-apns", "i-bad", "i-live", "i-muted", "i-acked", "i-late"},
		"android": {"/demo#me#android-1", "a-inbox", "a-delivered", "a-raced", "a-acked", "a-optout"},
	}}
	fate := func(state push.State, detail string) push.Fate {
		return push.Fate{State: state, At: 1795165675000, Detail: detail}
	}
	store.Fates = map[int64]map[string]push.Fate{1: {
		"i-apns": fate(push.StateAPNs, "uuid"), "i-bad": fate(push.StateAPNsFailed, "Unregistered"), "i-live": fate(push.StateLive, ""),
		"i-muted": fate(push.StateMuted, ""), "i-acked": fate(push.StateAPNs, "uuid"),
		"a-inbox": fate(push.StateInbox, "live"), "a-delivered": fate(push.StateDelivered, ""), "a-raced": fate(push.StateInbox, ""),
		"a-optout": fate(push.StateOptOut, ""), "/demo#x#ios-#android-gone": fate(push.StateNoToken, ""), "left": fate(push.StateInbox, ""),
	}}
	store.Acks[1] = map[string][]string{
		"web": {"w-acked"}, "ios": {"i-acked"}, "android": {"a-delivered", "a-raced", "a-acked", "left"},
	}
	store.Connected = map[string]push.Recipient{
		"w-online": {Node: "n1", Gen: sentAt - 1}, "w-off": {Node: "n1", Gen: sentAt + 1},
	}
	return store
}

func show(list []report.Receipt) string {
	var words []string
	for _, r := range list {
		words = append(words, strings.Join([]string{r.ClientID, r.Platform, string(r.State), r.Reason, r.At}, ","))
	}
	return strings.Join(words, "\n")
}

const allReceipts = `w-acked,web,acked,,
w-online,web,online,,
w-off,web,missed,,
i-apns,ios,apns,uuid,1795165675000
i-bad,ios,apns_failed,Unregistered,1795165675000
i-live,ios,live,,1795165675000
i-muted,ios,muted,,1795165675000
i-acked,ios,acked,apns,
i-late,ios,missed,,
/demo#me#android-1,android,excepted,,
a-inbox,android,inbox,live,1795165675000
a-delivered,android,delivered,,1795165675000
a-raced,android,delivered,,
a-acked,android,acked,,
a-optout,android,optout,,1795165675000
left,android,delivered,,
/demo#x#ios-#android-gone,android,no_token,,1795165675000`

// readAll reads every page.
func readAll(t *testing.T, r *report.Reports, q report.ReceiptQuery) (all []report.Receipt, pages int) {
	t.Helper()
	for {
		page, err := r.Receipts(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Receipts) > 2*q.Size+8 && q.Size > 0 {
			t.Errorf("a page of %d for a size of %d", len(page.Receipts), q.Size)
		}
		all = append(all, page.Receipts...)
		if pages++; page.Next == "" || pages > 100_000 {
			return all, pages
		}
		q.Cursor = page.Next
	}
}

func TestReceipts(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		for _, size := range []int{0, 1, 2, 4, 5, 500, 1 << 40} {
			store := receiptStore()
			store.AtOnce = atOnce
			r := report.New(store, report.Options{OfflinePlatforms: []string{"android"}})
			all, _ := readAll(t, r, report.ReceiptQuery{Namespace: ns, ID: 1, Size: size})
			if got := show(all); got != allReceipts {
				t.Errorf("at once %v, size %d:\n%s\nwant\n%s", atOnce, size, got, allReceipts)
			}
		}
	}
}

func TestReceiptsByState(t *testing.T) {
	r := report.New(receiptStore(), report.Options{OfflinePlatforms: []string{"android"}})
	states := map[push.State]int{}
	for _, state := range push.States {
		all, _ := readAll(t, r, report.ReceiptQuery{Namespace: ns, ID: 1, Size: 2, State: string(state)})
		for _, one := range all {
			if one.State != state {
				t.Errorf("asked for %s, got %+v", state, one)
			}
		}
		states[state] = len(all)
	}
	sum := 0
	for _, n := range states {
		sum += n
	}
	if sum != 17 || states[push.StateDelivered] != 3 || states[push.StatePending] != 0 {
		t.Errorf("by state %v", states)
	}
}

func TestReceiptsBeforeTheDecision(t *testing.T) {
	store := receiptStore()
	delete(store.Messages[1], push.FieldDone)
	delete(store.Fates, 1)
	clear(store.Acks[1])
	r := report.New(store, report.Options{OfflinePlatforms: []string{"android"}})
	all, _ := readAll(t, r, report.ReceiptQuery{Namespace: ns, ID: 1})
	counts := map[string]int{}
	for _, one := range all {
		counts[one.Platform+" "+string(one.State)]++
	}
	if want := "map[android excepted:1 android pending:5 ios pending:6 web missed:2 web online:1]"; fmt.Sprint(counts) != want {
		t.Errorf("kept:\n%v\n%s", counts, want)
	}
	all, _ = readAll(t, r, report.ReceiptQuery{Namespace: ns, ID: 2})
	clear(counts)
	for _, one := range all {
		counts[string(one.State)]++
	}
	if want := "map[missed:14 online:1]"; fmt.Sprint(counts) != want {
		t.Errorf("not kept:\n%v\n%s", counts, want)
	}
	store.Messages[1][push.FieldDone], store.Messages[1]["result"] = "1795165680000", "this namespace offline"
	all, _ = readAll(t, r, report.ReceiptQuery{Namespace: ns, ID: 1, State: "expired"})
	if len(all) != 14 || all[0].Reason != "this namespace offline" || all[0].At != "1795165680000" {
		t.Errorf("given up: %d, %+v", len(all), all[0])
	}
}

// TestReceiptsAreBounded: a rare state in a big room costs a bounded number of
// steps per page, and the walk still ends.
func TestReceiptsAreBounded(t *testing.T) {
	store := reporttest.New()
	store.Messages[1] = record(1, "leaveMessage", "true")
	var clients []string
	for i := range 100_000 {
		clients = append(clients, fmt.Sprint("a", i))
	}
	store.Audiences = map[string]map[string][]string{"r1": {"android": clients}}
	store.Fates = map[int64]map[string]push.Fate{1: {"a77777": {State: push.StateMuted, At: 1}}}
	r := report.New(store, report.Options{})
	page, err := r.Receipts(context.Background(), report.ReceiptQuery{Namespace: ns, ID: 1, Size: 500, State: "muted"})
	if err != nil || len(page.Receipts) != 0 || page.Next == "" || page.Receipts == nil {
		t.Errorf("page %+v, %v", page, err)
	}
	if n := store.Calls["Audience"] + store.Calls["AckedPage"] + store.Calls["SettledPage"]; n > 8 {
		t.Errorf("%d steps for one page", n)
	}
	all, pages := readAll(t, r, report.ReceiptQuery{Namespace: ns, ID: 1, Size: 500, State: "muted"})
	if len(all) != 1 || all[0].ClientID != "a77777" || pages > 30 {
		t.Errorf("%d receipts in %d pages", len(all), pages)
	}
}

func TestReceiptsRefused(t *testing.T) {
	r := report.New(receiptStore(), report.Options{})
	for _, tc := range []struct {
		q   report.ReceiptQuery
		err error
	}{
		{report.ReceiptQuery{Namespace: ns, ID: 3}, report.ErrNoMessage},
		{report.ReceiptQuery{Namespace: ns, ID: 0}, report.ErrNoMessage},
		{report.ReceiptQuery{Namespace: "/other", ID: 1}, report.ErrNoMessage},
		{report.ReceiptQuery{Namespace: ns, ID: 1, State: "sent"}, report.ErrState},
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "x"}, report.ErrCursor},
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "0.0"}, report.ErrCursor},
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "7.0.0"}, report.ErrCursor},
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "-1.0.0"}, report.ErrCursor},
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "0.-1.0"}, report.ErrCursor},
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "0.0.-1"}, report.ErrCursor},
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "00.0.0"}, report.ErrCursor},
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "0.9223372036854775808.0"}, report.ErrCursor},
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "0.9223372036854775807.0"}, nil}, // beyond the end
		{report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: "0.0.99999999999"}, nil},         // beyond the end: nothing is left of it
	} {
		if _, err := r.Receipts(context.Background(), tc.q); !errors.Is(err, tc.err) {
			t.Errorf("%+v: %v, want %v", tc.q, err, tc.err)
		}
	}
	store := receiptStore()
	store.Fail = errors.New("connection refused")
	if _, err := report.New(store, report.Options{}).Receipts(context.Background(), report.ReceiptQuery{Namespace: ns, ID: 1}); !errors.Is(err, store.Fail) {
		t.Errorf("got %v", err)
	}
	if !slices.Contains(push.States, push.StateMissed) {
		t.Error("a state cannot be asked for")
	}
}

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "0.0.0", "6.18446744073709551615.3", "1.2", "a.b.c", "0.0.0.0", "+1.0.0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		page, err := report.New(receiptStore(), report.Options{}).Receipts(context.Background(), report.ReceiptQuery{Namespace: ns, ID: 1, Cursor: cursor})
		if (err != nil) != errors.Is(err, report.ErrCursor) || (err == nil && page.Receipts == nil) {
			t.Errorf("%q: %+v, %v", cursor, page, err)
		}
	})
}
