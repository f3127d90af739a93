package report_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/logic/report"
	"github.com/lightpush/lightpush/logic/report/reporttest"
)

// told is a store with one message and one device, which change says more of.
func told(change func(*reporttest.Store, map[string]string)) *reporttest.Store {
	store := reporttest.New()
	m := record(1)
	m["sendDate"], m[push.FieldExpireAt], m["leaveMessage"] = "1000", "9000", "true"
	store.Messages[1] = m
	store.Audiences = map[string]map[string][]string{m["room"]: {}}
	store.Times = map[int64]map[string]push.DeviceTimes{1: {}}
	store.Fates = map[int64]map[string]push.Fate{1: {}}
	store.Connected = map[string]push.Recipient{}
	store.DeviceRecords = map[string]console.Device{}
	store.Jobs = map[int64]queue.Status{}
	change(store, m)
	return store
}

// Every state has its rule, and words for it.
func TestRules(t *testing.T) {
	fate := func(f push.Fate) func(*reporttest.Store, map[string]string, string) {
		return func(s *reporttest.Store, _ map[string]string, id string) { s.Fates[1][id] = f }
	}
	acked := func(s *reporttest.Store, id string) {
		s.Acks[1] = map[string][]string{client.PlatformIn(id): {id}}
		s.Times[1][id] = push.DeviceTimes{Acked: 1042}
	}
	gone := namespace.ErrLost.Error()
	seen := map[report.Rule]bool{}
	for _, tc := range []struct {
		platform string
		rule     report.Rule
		says     string
		steps    string
		change   func(*reporttest.Store, map[string]string, string)
	}{
		{"web", report.RuleExcept, "leaves this device out", "", func(_ *reporttest.Store, m map[string]string, id string) { m["except"] = id }},
		{"web", report.RuleAcked, "confirmed the message 42 ms after", "1042 acked", func(s *reporttest.Store, _ map[string]string, id string) { acked(s, id) }},
		{"ios", report.RuleAcked, "APNs had been asked by then", "1030 apns, 1042 acked", func(s *reporttest.Store, _ map[string]string, id string) {
			acked(s, id)
			s.Fates[1][id] = push.Fate{State: push.StateAPNs, At: 1030}
		}},
		{"android", report.RuleInboxAcked, "waited in its inbox", "1020 inbox, 1042 acked, 1043 delivered", func(s *reporttest.Store, _ map[string]string, id string) {
			acked(s, id)
			s.Times[1][id] = push.DeviceTimes{Acked: 1042, Past: []push.Fate{{State: push.StateInbox, At: 1020}}}
			s.Fates[1][id] = push.Fate{State: push.StateDelivered, At: 1043}
		}},
		{"android", report.RuleInbox, "at its next connect", "1020 inbox", fate(push.Fate{State: push.StateInbox, At: 1020})},
		{"android", report.RuleInboxLive, "new connection", "1020 inbox live", fate(push.Fate{State: push.StateInbox, At: 1020, Detail: "live"})},
		{"ios", report.RuleAPNs, "APNs has taken it over", "1020 apns x", fate(push.Fate{State: push.StateAPNs, At: 1020, Detail: "x"})},
		{"ios", report.RuleAPNsFailed, "Unregistered", "1020 apns_failed Unregistered", fate(push.Fate{State: push.StateAPNsFailed, At: 1020, Detail: "Unregistered"})},
		{"ios", report.RuleNoToken, "no device_token", "1020 no_token", fate(push.Fate{State: push.StateNoToken, At: 1020})},
		{"ios", report.RuleMuted, "mutes", "1020 muted", fate(push.Fate{State: push.StateMuted, At: 1020})},
		{"ios", report.RuleOptOut, "wants nothing kept", "1020 optout", fate(push.Fate{State: push.StateOptOut, At: 1020})},
		{"ios", report.RuleLive, "without an ack", "1020 live", fate(push.Fate{State: push.StateLive, At: 1020})},
		{"ios", report.RuleAway, "asked again: 429", "1020 pending 429", fate(push.Fate{State: push.StatePending, At: 1020, Detail: "429"})},
		{"ios", report.RuleWaiting, "not decided", "", func(*reporttest.Store, map[string]string, string) {}},
		{"ios", report.RuleExpired, "given up: " + gone, "2000 expired " + gone, func(_ *reporttest.Store, m map[string]string, _ string) {
			m[push.FieldDone], m["result"] = "2000", gone
		}},
		{"web", report.RuleUnacked, "has not confirmed it.", "1003 written n1", func(s *reporttest.Store, m map[string]string, id string) {
			s.Connected[id] = push.Recipient{Node: "n1", Gen: 900}
			s.DeviceRecords[id] = console.Device{UserID: "u", Online: true, Node: "n1", Since: 900}
			m[push.FieldWritten+"n1"], m[push.FieldWritten+"n2"] = "3|3|1", "2|2|1"
		}},
		{"ios", report.RuleUnacked, "decides next", "", func(s *reporttest.Store, _ map[string]string, id string) {
			s.Connected[id] = push.Recipient{Node: "n1", Gen: 900}
		}},
		{"web", report.RuleNotKept, "leaveMessage off", "", func(_ *reporttest.Store, m map[string]string, _ string) { m["leaveMessage"] = "false" }},
		{"web", report.RuleLost, "extra lost", "", func(_ *reporttest.Store, m map[string]string, _ string) {
			delete(m, "leaveMessage")
			m["extra"] = "lost"
		}},
		{"web", report.RulePlatform, "neither an inbox nor", "", func(*reporttest.Store, map[string]string, string) {}},
		{"ios", report.RuleLate, "when the offline delivery was over", "", func(_ *reporttest.Store, m map[string]string, _ string) { m[push.FieldDone] = "2000" }},
	} {
		id := "/demo#u#" + tc.platform + "-1"
		store := told(func(s *reporttest.Store, m map[string]string) {
			s.Audiences[m["room"]][tc.platform] = []string{id}
			tc.change(s, m, id)
		})
		r := report.New(store, report.Options{OfflinePlatforms: []string{"android"}})
		got, err := r.Trace(context.Background(), report.TraceQuery{Namespace: ns, ID: 1})
		if err != nil || len(got.Devices) != 1 {
			t.Errorf("%s: %+v %v", tc.rule, got, err)
			continue
		}
		d := got.Devices[0]
		var steps []string
		for _, s := range d.Steps {
			steps = append(steps, strings.TrimSpace(fmt.Sprint(s.At, " ", s.Event, " ", s.Detail)))
		}
		if d.Rule != tc.rule || !strings.Contains(d.Explanation, tc.says) || strings.Join(steps, ", ") != tc.steps {
			t.Errorf("%s: device %+v with steps %q, want %q and %q", tc.rule, d, steps, tc.says, tc.steps)
		}
		one, err := r.Trace(context.Background(), report.TraceQuery{Namespace: ns, ID: 1, ClientID: id})
		if err != nil || len(one.Devices) != 1 || fmt.Sprint(one.Devices[0]) != fmt.Sprint(d) || len(one.Timeline) != len(got.Timeline)+len(d.Steps) {
			t.Errorf("%s alone: %+v %v, want %+v", tc.rule, one, err, d)
		}
		seen[d.Rule] = true
	}
	for _, rule := range report.Rules {
		if !seen[rule] {
			t.Errorf("rule %s was not taken", rule)
		}
	}
}

func TestTimeline(t *testing.T) {
	text := func(change func(*reporttest.Store, map[string]string)) string {
		t.Helper()
		got, err := report.New(told(change), report.Options{}).Trace(context.Background(), report.TraceQuery{Namespace: ns, ID: 1})
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, e := range got.Timeline {
			list = append(list, strings.Join(slices.DeleteFunc([]string{fmt.Sprint(e.At), e.Event, e.Node, fmt.Sprint(e.Count), e.Detail},
				func(s string) bool { return s == "" || s == "0" }), " "))
		}
		return strings.Join(list[1:], "\n") // accepted
	}
	if got := text(func(s *reporttest.Store, m map[string]string) {
		m[push.FieldStored], m[push.FieldWritten+"n1"], m[push.FieldWritten+"n2"] = "1|4|n1,n2", "5|90|3", "4|4|2"
		m[push.FieldAcks], m[push.FieldAck], m[push.FieldProvider] = "20|70|amark|20", "2", "6000|6005"
		m["apnsCount"], m["apnsSuccessCount"], m[push.FieldDone], m["result"] = "3", "2", "6010", "apnsEnv:dev  "
		s.Jobs[1] = queue.Status{Known: true, Attempt: 9, Failed: 9, Dead: 7000, Reason: "broken"}
	}); got != `1001 stored
1001 routed 4 n1, n2 and 2 more
1001 queued given up after 10 attempts
1004 written n2 2
1005 written n1 3
1020 ack_first
1070 ack_last 2
1090 written_last n1 3
6000 provider_first
6005 provider_last 3 2 taken
6010 decided apnsEnv:dev
7000 dead broken
9000 expires` {
		t.Errorf("timeline\n%s", got)
	}
	for job, want := range map[queue.Status]string{
		{}:                       "1000 queued",
		{Known: true, Due: 5000}: "1000 queued due at 1970-01-01 00:00:05.000 UTC",
		{Known: true, Due: 5000, Attempt: 2, Failed: 1}: "1000 queued attempt 3 due at 1970-01-01 00:00:05.000 UTC, 1 failed",
	} {
		if got := text(func(s *reporttest.Store, _ map[string]string) { s.Jobs[1] = job }); got != want+"\n9000 expires" {
			t.Errorf("%+v: %s", job, got)
		}
	}
}

func TestTraceErrors(t *testing.T) {
	store := told(func(s *reporttest.Store, m map[string]string) {
		s.Audiences[m["room"]]["web"] = []string{"a", "b", "c"}
	})
	r := report.New(store, report.Options{})
	for want, q := range map[error]report.TraceQuery{
		report.ErrNoMessage: {Namespace: "/other", ID: 1}, report.ErrCursor: {Namespace: ns, ID: 1, Cursor: "x"},
	} {
		if _, err := r.Trace(context.Background(), q); !errors.Is(err, want) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if got, err := r.Trace(context.Background(), report.TraceQuery{Namespace: ns, ID: 1, ClientID: "stranger"}); err != nil || len(got.Devices) != 0 || got.Devices == nil {
		t.Errorf("a stranger: %+v %v", got, err)
	}
	got, err := r.Trace(context.Background(), report.TraceQuery{Namespace: ns, ID: 1, Size: 2})
	if err != nil || len(got.Devices) != 2 || got.Cursor == "" {
		t.Errorf("a page: %+v %v", got, err)
	}
	store.Update(func(s *reporttest.Store) { s.Fail = errors.New("gone") })
	if _, err := r.Trace(context.Background(), report.TraceQuery{Namespace: ns, ID: 1}); !errors.Is(err, store.Fail) {
		t.Errorf("%v", err)
	}
}
