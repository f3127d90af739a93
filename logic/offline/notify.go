package offline

import (
	"context"
	"errors"
	"fmt"

	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// notifier sends one message to the devices of one platform by their push
// service. The credentials are looked for with the first device that needs
// them, so that a room without such devices has no run.
type notifier struct {
	*run
	service provider.Provider

	opened  bool
	sender  provider.Sender
	refusal *provider.ProfileError // there are no credentials, for good
	intro   push.Run
	away    int // devices in a row for which the service was away
}

// errAway ends a walk: the push service is away for everybody.
var errAway = errors.New("push service is not available")

func (r *run) notifyAll(ctx context.Context, platform string, service provider.Provider) error {
	n := &notifier{run: r, service: service}
	err := r.walk(ctx, platform, n.step)
	if errors.Is(err, errAway) {
		return nil // the job runs again
	}
	return err
}

// credentials finds them; a failure that is not final makes the job run
// again.
func (n *notifier) credentials() error {
	if n.opened {
		return nil
	}
	name := ""
	if n.m.APNsName != nil {
		name = *n.m.APNsName
	}
	sender, err := n.service.Open(n.m.Namespace, name)
	switch {
	case errors.As(err, &n.refusal):
		if n.refusal.Err != nil {
			n.h.o.OnError(fmt.Errorf("offline: %s of %s for message %d: %w", n.service.Name(), n.m.Namespace, n.m.ID, err))
		}
	case err != nil:
		n.h.o.OnError(fmt.Errorf("offline: %s of %s: %w", n.service.Name(), n.m.Namespace, err))
		n.unavailable = true
		return errAway
	default:
		n.sender = sender
		n.intro = push.Run{Intro: sender.Intro(), ResultMax: provider.ResultMax, Separator: provider.Separator}
	}
	n.opened = true
	return nil
}

// step decides about some devices. Those that are connected again get the
// message live, and have until Options.Wait to ack it before the push service
// is asked for them.
func (n *notifier) step(ctx context.Context, platform string, clients []string, before []push.Fate) error {
	list, err := n.h.o.Store.Recipients(ctx, n.m.Namespace, n.m.Room, clients)
	if err != nil {
		return err
	}
	var skipped, live []push.Settled
	var nodes []string
	var batch []provider.Notification
	payload := n.m.Member(n.service.Member())
	for i, c := range list {
		id := c.ClientID
		switch decision := decide(byService, c, n.comesBack(c, before[i])); decision {
		case ignore:
		case optOut:
			skipped = append(skipped, push.Settled{ClientID: id, Fate: n.fate(push.StateOptOut, ""), Text: provider.TextOptOut(id)})
		case muted:
			skipped = append(skipped, push.Settled{ClientID: id, Fate: n.fate(push.StateMuted, ""), Text: provider.TextMuted(id, n.m.Room)})
		case tell:
			detail := ""
			if before[i].State == push.StatePending {
				detail = push.DetailAgain
			}
			live = append(live, push.Settled{ClientID: id, Fate: n.fate(push.StateLive, detail)})
			nodes = append(nodes, c.Node)
		case noToken:
			skipped = append(skipped, push.Settled{ClientID: id, Fate: n.fate(push.StateNoToken, ""), Text: provider.TextNoToken(id)})
		default:
			batch = append(batch, provider.Notification{
				MessageID: n.m.ID, Namespace: n.m.Namespace, Room: n.m.Room, ClientID: id, Token: c.Token,
				Payload: payload, ExpireAt: n.m.ExpireAt,
			})
		}
	}
	if err := n.tell(ctx, platform, live, nodes); err != nil {
		return err
	}
	if len(skipped)+len(batch) == 0 {
		return nil
	}
	if err := n.credentials(); err != nil {
		return err
	}
	if n.refusal != nil {
		return n.refuse(ctx, platform, skipped, batch)
	}
	if err := n.settle(ctx, platform, n.intro, skipped); err != nil {
		return err
	}
	return n.send(ctx, platform, batch)
}

// comesBack reports that a device has connected where nobody has told it live
// yet. While the push service is away that is asked at every run.
func (n *notifier) comesBack(c push.Recipient, before push.Fate) bool {
	switch before.State {
	case push.StateLive:
		return false
	case push.StatePending:
		return n.back(c.Node, c.Gen, before.At)
	}
	return n.back(c.Node, c.Gen, n.m.SendDate)
}

// tell sends the message to connected devices.
func (n *notifier) tell(ctx context.Context, platform string, live []push.Settled, nodes []string) error {
	if len(live) == 0 {
		return nil
	}
	n.live = true
	clients := make([]string, len(live))
	for i, f := range live {
		clients[i] = f.ClientID
	}
	if err := n.h.o.Store.Direct(ctx, n.m, clients, nodes); err != nil {
		return err
	}
	return n.settle(ctx, platform, push.Run{}, live)
}

// refuse settles devices for which there are no credentials.
func (n *notifier) refuse(ctx context.Context, platform string, skipped []push.Settled, batch []provider.Notification) error {
	for _, b := range batch {
		skipped = append(skipped, push.Settled{ClientID: b.ClientID, Fate: n.fate(push.StateAPNsFailed, n.refusal.Text)})
	}
	n.result = n.refusal.Text
	return n.settle(ctx, platform, push.Run{}, skipped)
}

// send asks the push service and settles what it says.
func (n *notifier) send(ctx context.Context, platform string, batch []provider.Notification) error {
	if len(batch) == 0 {
		return nil
	}
	results := n.sender.Send(ctx, batch)
	if len(results) != len(batch) {
		return fmt.Errorf("offline: %s answered %d of %d notifications", n.service.Name(), len(results), len(batch))
	}
	fates := make([]push.Settled, len(batch))
	var bad []provider.Notification
	for i, res := range results {
		f := push.Settled{ClientID: batch[i].ClientID, Text: res.Text}
		n.away++
		switch res.Outcome {
		case provider.Sent:
			f.Fate, n.away = n.fate(push.StateAPNs, res.ID), 0
		case provider.Rejected:
			f.Fate, n.away = n.fate(push.StateAPNsFailed, res.Reason), 0
		case provider.BadToken:
			f.Fate, n.away = n.fate(push.StateAPNsFailed, res.Reason), 0
			bad = append(bad, batch[i])
		default: // Unavailable
			f.Fate = n.fate(push.StatePending, res.Reason)
			n.unavailable = true
			n.retryAfter = max(n.retryAfter, res.RetryAfter)
		}
		fates[i] = f
	}
	// What the service has taken is kept even when the worker is being stopped:
	// else the device gets it twice.
	ctx = context.WithoutCancel(ctx)
	if err := n.settle(ctx, platform, n.intro, fates); err != nil {
		return err
	}
	for _, b := range bad { // one that stays by a failure is refused again with the next message
		if _, err := n.h.o.Store.DropToken(ctx, n.m.Namespace, b.ClientID, b.Token); err != nil {
			n.h.o.OnError(fmt.Errorf("offline: %w", err))
		}
	}
	if n.away >= awayMax {
		return errAway
	}
	return nil
}

// awayMax is after how many devices in a row a push service counts as away for
// all of them; single devices may be throttled for themselves.
const awayMax = stepCount
