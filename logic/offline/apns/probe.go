package apns

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/logic/offline/provider"
)

// probeLife is how long APNs may keep a test notification.
const probeLife = 5 * time.Minute

// Probe sends one notification at once and returns the real answer, for an
// operator who sets up a profile. ns and name are found as by Open; payload
// nil is the default alert. Nothing is repeated but for a stale provider
// token. Errors: those of Open. Result.Status 0 means that there was no
// answer, and Result.Reason says why.
func (p *Provider) Probe(ctx context.Context, ns, name, token string, payload json.RawMessage) (provider.Result, error) {
	if !p.begin() {
		return provider.Result{}, ErrClosed
	}
	defer p.sending.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	a, err := p.acquire(ns, name)
	if err != nil {
		return provider.Result{}, err
	}
	defer p.release(a)
	m := p.newMessage(payload)
	if m.refused != nil {
		return *m.refused, nil
	}
	device, ok := deviceToken(token)
	if !ok {
		return refusal(false, "BadDeviceToken", http.StatusBadRequest), nil
	}
	now := p.o.Now()
	note := a.notification(provider.Notification{
		MessageID: now.UnixNano(), ClientID: "test " + strconv.FormatInt(now.UnixNano(), 36), ExpireAt: now.Add(probeLife).UnixMilli(),
	}, device, m)
	ans := a.attempt(ctx, note)
	v := judge(ans, false)
	if v.action == renew && a.renew(ans.bearer) {
		v = judge(a.attempt(ctx, note), true)
	}
	return v.result, nil
}
