package offline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// audience is the memory of the worker's tests, with who is in the room.
type audience struct {
	*memory
	inRoom map[string]bool
}

func (a audience) Audiences(ctx context.Context, ns, name string) (room.PerPlatform, error) {
	count := func(platform string) int64 {
		ids, _, _ := a.Audience(ctx, ns, name, platform, 0, 1<<20)
		return int64(len(ids))
	}
	return room.PerPlatform{Web: count(client.Web), IOS: count(client.IOS), Android: count(client.Android)}, nil
}

func (a audience) MembersOf(_ context.Context, _, _ string, ids []string) ([]console.Member, error) {
	list := make([]console.Member, len(ids))
	for i, id := range ids {
		list[i] = console.Member{ID: id, Online: a.inRoom[id]}
	}
	return list, nil
}

func explainAll(t *testing.T, s audience, p *service, m *push.Message, size int) (map[string]Explained, map[Outcome]int64) {
	t.Helper()
	o := newHandler(t, s.memory, p, nil).o
	e, err := NewExplainer(o, s)
	if err != nil {
		t.Fatal(err)
	}
	all, counts, cursor := map[string]Explained{}, map[Outcome]int64{}, ""
	for range 1000 {
		page, err := e.Explain(context.Background(), m, cursor, size)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Devices {
			all[d.ClientID] = d
		}
		for outcome, n := range page.Counts {
			counts[outcome] += n
		}
		if cursor = page.Cursor; cursor == "" {
			return all, counts
		}
	}
	t.Fatal("the pages do not end")
	return nil, nil
}

// What an explanation says is what the worker then does, device by device.
func TestExplainedIsWhatHappens(t *testing.T) {
	for _, refused := range []bool{false, true} {
		s, p := audience{newMemory(testMessage()), map[string]bool{}}, &service{}
		fill(s.memory)
		for id := range s.acked { // an explanation is before the push
			delete(s.acked, id)
		}
		if refused {
			p.openErr = &provider.ProfileError{Text: "no profile"}
		}
		all, counts := explainAll(t, s, p, testMessage(), 3)
		var again *queue.RetryError
		if err := newHandler(t, s.memory, p, nil).Handle(context.Background(), job("")); err != nil && !errors.As(err, &again) {
			t.Fatal(err)
		}
		if len(all) == 0 || int64(len(all)) != counts[OutcomeSocket]+counts[OutcomeInbox]+counts[OutcomeAPNs]+counts[OutcomeNothing] {
			t.Errorf("%d devices, counts %v", len(all), counts)
		}
		for id, d := range all {
			fate := s.fates[id].State
			want := map[Rule][]push.State{
				RuleExcept: {""}, RulePlatform: {""}, RuleUnknown: {""}, RuleOptOut: {push.StateOptOut}, RuleMuted: {push.StateMuted},
				RuleNoToken: {push.StateNoToken}, RuleInbox: {push.StateInbox}, RuleLive: {push.StateLive},
				RuleAPNs:          {push.StateAPNs, push.StateAPNsFailed}, // the service has the last word
				RuleNoCredentials: {push.StateAPNsFailed},
			}[d.Rule]
			if !slices.Contains(want, fate) {
				t.Errorf("%s: explained as %s (%s), became %q", id, d.Outcome, d.Rule, fate)
			}
			if refused && d.Rule == RuleAPNs || !refused && d.Rule == RuleNoCredentials {
				t.Errorf("%s: %s, credentials refused: %v", id, d.Rule, refused)
			}
		}
	}
}

func TestExplainOnline(t *testing.T) {
	for _, tc := range []struct {
		what    string
		change  func(*push.Message)
		device  func(*push.Recipient)
		inRoom  bool
		android bool
		want    string
	}{
		{"online", nil, nil, true, true, "socket online without an ack: inbox (inbox)"},
		{"online, ios", nil, func(r *push.Recipient) { r.Token = "" }, true, false, "socket online without an ack: nothing (no_token)"},
		{"online, not kept", func(m *push.Message) { m.LeaveMessage = nil }, nil, true, true, "socket online "},
		{"away, not kept", func(m *push.Message) { m.LeaveMessage = nil }, nil, false, true, "nothing not_kept "},
		{"not in the room, not kept", func(m *push.Message) { m.LeaveMessage = nil }, online(-time.Minute), false, true,
			"nothing not_kept connected, but not in the room"},
		{"lost", func(m *push.Message) { lost := push.ExtraLost; m.Extra, m.LeaveMessage = &lost, nil }, nil, true, true, "nothing lost "},
		{"lost, kept", func(m *push.Message) { lost := push.ExtraLost; m.Extra = &lost }, nil, true, true, "inbox inbox "},
		{"excepted", func(m *push.Message) { id := "d"; m.Except = &id }, nil, true, true, "nothing except "},
	} {
		m := testMessage()
		if tc.change != nil {
			tc.change(m)
		}
		s := audience{newMemory(m), map[string]bool{}}
		platform := client.IOS
		if tc.android {
			platform = client.Android
		}
		id := s.add(platform, "d", tc.device)
		if tc.what == "excepted" {
			m.Except = &id
		}
		s.inRoom[id] = tc.inRoom
		all, _ := explainAll(t, s, &service{}, m, 10)
		d := all[id]
		if got := strings.Join([]string{string(d.Outcome), string(d.Rule), d.Detail}, " "); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
}
