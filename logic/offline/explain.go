package offline

import (
	"context"
	"errors"
	"fmt"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// Outcome is how a message would reach a device first.
type Outcome string

// Socket is a live connection; the rest comes with leaveMessage only.
const (
	OutcomeSocket  Outcome = "socket"
	OutcomeInbox   Outcome = "inbox"
	OutcomeAPNs    Outcome = "apns"
	OutcomeNothing Outcome = "nothing"
)

// Rule is what decides about a device.
type Rule string

// The rules, in the order they are asked.
const (
	RuleExcept        Rule = "except"         // the push leaves the device out
	RuleOnline        Rule = "online"         // it is connected and in the room
	RuleNotKept       Rule = "not_kept"       // it is away, and leaveMessage is off
	RuleLost          Rule = "lost"           // the push asks for the loss of what goes to connections
	RulePlatform      Rule = "platform"       // its platform has neither an inbox nor a push service
	RuleUnknown       Rule = "unknown"        // it has no record any more
	RuleOptOut        Rule = "optout"         // it wants nothing kept for it
	RuleMuted         Rule = "muted"          // it mutes the room
	RuleLive          Rule = "live"           // it has only just connected: live by the worker
	RuleNoToken       Rule = "no_token"       // the push service has no address of it
	RuleNoCredentials Rule = "no_credentials" // there is no usable profile
	RuleInbox         Rule = "inbox"
	RuleAPNs          Rule = "apns"
)

// Explained is what would happen to one device.
type Explained struct {
	ClientID string  `json:"clientId"`
	Platform string  `json:"platform"`
	Online   bool    `json:"online"`
	Outcome  Outcome `json:"outcome"`
	Rule     Rule    `json:"rule"`
	Detail   string  `json:"detail"`
}

// Explanation is a page of what would happen to the audience of a message.
// Counts are of the devices of this page, Total is the audience.
type Explanation struct {
	Devices []Explained       `json:"devices"`
	Counts  map[Outcome]int64 `json:"counts"`
	Cursor  string            `json:"cursor"`
	Total   int64             `json:"total"`
}

// ExplainStore is what an explanation asks of the store.
type ExplainStore interface {
	Audience(ctx context.Context, ns, room, platform string, cursor uint64, count int) (clients []string, next uint64, err error)
	// Audiences counts the devices of a room by platform.
	Audiences(ctx context.Context, ns, room string) (room.PerPlatform, error)
	Recipients(ctx context.Context, ns, room string, clients []string) ([]push.Recipient, error)
	MembersOf(ctx context.Context, ns, room string, ids []string) ([]console.Member, error)
}

// Explainer tells what a push would do, by the rules of the worker.
type Explainer struct {
	h     *Handler
	store ExplainStore
}

// NewExplainer returns an Explainer for a Handler with those Options.
func NewExplainer(o Options, store ExplainStore) (*Explainer, error) {
	h, err := New(o)
	if err != nil {
		return nil, err
	}
	return &Explainer{h: h, store: store}, nil
}

// Sizes of a page of devices.
const (
	explainDefault = 100
	explainMost    = 500
)

// Explain tells what would become of a message that nobody has acked, device by
// device. Errors: console.ErrCursor, else the store's.
func (e *Explainer) Explain(ctx context.Context, m *push.Message, cursor string, size int) (Explanation, error) {
	if size < 1 {
		size = explainDefault
	}
	x := &explanation{run: &run{h: e.h, m: m}, store: e.store, profiles: map[string]string{}}
	total, err := e.store.Audiences(ctx, m.Namespace, m.Room)
	if err != nil {
		return Explanation{}, err
	}
	type listed struct{ id, platform string }
	page, next, err := console.Walk[listed]{
		Phases: len(client.Platforms), Size: min(size, explainMost), Count: min(size, explainMost),
		Step: func(ctx context.Context, phase int, scan uint64, count int) ([]listed, uint64, error) {
			platform := client.Platforms[phase]
			ids, next, err := e.store.Audience(ctx, m.Namespace, m.Room, platform, scan, count)
			list := make([]listed, len(ids))
			for i, id := range ids {
				list[i] = listed{id, platform}
			}
			return list, next, err
		},
	}.Run(ctx, cursor)
	if err != nil {
		return Explanation{}, err
	}
	ids := make([]string, len(page))
	for i, l := range page {
		ids[i] = l.id
	}
	members, err := e.store.MembersOf(ctx, m.Namespace, m.Room, ids)
	if err != nil {
		return Explanation{}, err
	}
	recipients, err := e.store.Recipients(ctx, m.Namespace, m.Room, ids)
	if err != nil {
		return Explanation{}, err
	}
	all := Explanation{
		Devices: []Explained{}, Cursor: next, Total: total.Sum(),
		Counts: map[Outcome]int64{OutcomeSocket: 0, OutcomeInbox: 0, OutcomeAPNs: 0, OutcomeNothing: 0},
	}
	for i, l := range page {
		d := x.device(l.platform, recipients[i], members[i].Online)
		all.Devices = append(all.Devices, d)
		all.Counts[d.Outcome]++
	}
	return all, nil
}

// explanation is the work on one page.
type explanation struct {
	*run
	store    ExplainStore
	profiles map[string]string // platform → why there are no credentials, "" when there are
}

func (x *explanation) device(platform string, c push.Recipient, member bool) Explained {
	d := Explained{ClientID: c.ClientID, Platform: platform, Online: member || c.Node != "", Outcome: OutcomeNothing}
	switch {
	case excepted(x.m, c.ClientID):
		d.Rule = RuleExcept
		return d
	case member && !x.m.Lost():
		d.Outcome, d.Rule = OutcomeSocket, RuleOnline
		if x.kept() {
			later, rule, detail := x.offline(platform, c)
			d.Detail = fmt.Sprintf("without an ack: %s (%s)", later, rule)
			if detail != "" {
				d.Detail += ": " + detail
			}
		}
		return d
	case !x.kept() && member:
		d.Rule = RuleLost
		return d
	case !x.kept():
		d.Rule = RuleNotKept
	default:
		d.Outcome, d.Rule, d.Detail = x.offline(platform, c)
	}
	if c.Node != "" && !member && d.Detail == "" {
		d.Detail = "connected, but not in the room"
	}
	return d
}

// kept reports that the message gets a job of the worker.
func (x *explanation) kept() bool { return x.m.LeaveMessage != nil && *x.m.LeaveMessage }

// offline is what the worker would do.
func (x *explanation) offline(platform string, c push.Recipient) (Outcome, Rule, string) {
	w := x.h.o.wayOf(platform)
	if w == byNothing {
		return OutcomeNothing, RulePlatform, ""
	}
	switch decide(w, c, x.back(c.Node, c.Gen, x.m.SendDate)) {
	case optOut:
		return OutcomeNothing, RuleOptOut, ""
	case muted:
		return OutcomeNothing, RuleMuted, ""
	case tell:
		return OutcomeSocket, RuleLive, ""
	case noToken:
		return OutcomeNothing, RuleNoToken, ""
	case keep:
		return OutcomeInbox, RuleInbox, ""
	case notify:
		if problem := x.profile(platform); problem != "" {
			return OutcomeNothing, RuleNoCredentials, problem
		}
		return OutcomeAPNs, RuleAPNs, ""
	}
	return OutcomeNothing, RuleUnknown, ""
}

// profile looks once for the credentials of a platform. A failure that the
// worker would wait for is none.
func (x *explanation) profile(platform string) string {
	problem, known := x.profiles[platform]
	if known {
		return problem
	}
	name := ""
	if x.m.APNsName != nil {
		name = *x.m.APNsName
	}
	_, err := x.h.o.Providers[platform].Open(x.m.Namespace, name)
	var refusal *provider.ProfileError
	if errors.As(err, &refusal) {
		problem = refusal.Text
	}
	x.profiles[platform] = problem
	return problem
}
