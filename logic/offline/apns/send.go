package apns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sideshow/apns2"
	"golang.org/x/net/http2"

	"github.com/lightpush/lightpush/logic/offline/provider"
)

// sender implements provider.Sender. It holds no account, so that it uses the
// credentials of the moment and keeps no connection open.
type sender struct {
	p               *Provider
	namespace, name string
	env             string
}

// Intro implements provider.Sender.
func (s *sender) Intro() string { return provider.TextIntro(s.env) }

// Send implements provider.Sender.
func (s *sender) Send(ctx context.Context, batch []provider.Notification) []provider.Result {
	results := make([]provider.Result, len(batch))
	if !s.p.begin() {
		return fill(results, unavailable(interrupted))
	}
	defer s.p.sending.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.p.ctx, cancel)()
	a, err := s.p.acquire(s.namespace, s.name)
	if err != nil {
		var gone *provider.ProfileError
		if errors.As(err, &gone) { // removed since Open: the next Open says so for good
			return fill(results, unavailable(gone.Text))
		}
		return fill(results, unavailable(err.Error()))
	}
	defer s.p.release(a)
	messages := s.p.messages(batch)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(len(batch), cap(a.slots)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(batch); i = int(next.Add(1)) - 1 {
				started := time.Now()
				results[i] = a.deliverSafely(ctx, batch[i], messages[i])
				s.p.o.Observe(results[i].Outcome, results[i].Status, time.Since(started))
			}
		})
	}
	workers.Wait()
	return results
}

func fill(results []provider.Result, r provider.Result) []provider.Result {
	for i := range results {
		results[i] = r
	}
	return results
}

// messages makes the body of each payload once: a batch has mostly one.
func (p *Provider) messages(batch []provider.Notification) []*message {
	all := make([]*message, len(batch))
	for i := range batch {
		if i > 0 && sameBytes(batch[i].Payload, batch[i-1].Payload) {
			all[i] = all[i-1]
			continue
		}
		all[i] = p.newMessage(batch[i].Payload)
	}
	return all
}

func sameBytes(a, b json.RawMessage) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// How often one notification is tried again for these reasons.
const (
	renewRetries   = 2 // light-push-wire.md 4.8
	timeoutRetries = 1 // every one costs Options.Timeout
)

// deliverSafely keeps a panic from ending the process: the worker cannot
// recover what happens on the goroutines of Send.
func (a *account) deliverSafely(ctx context.Context, n provider.Notification, m *message) (r provider.Result) {
	defer func() {
		if cause := recover(); cause != nil {
			a.p.o.OnError(a.key.namespace, a.key.profile, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
			r = unavailable("internal error")
		}
	}()
	return a.deliver(ctx, n, m)
}

// deliver brings one notification to its outcome.
func (a *account) deliver(ctx context.Context, n provider.Notification, m *message) provider.Result {
	if m.refused != nil {
		return *m.refused
	}
	token, ok := deviceToken(n.Token)
	if !ok {
		r := refusal(false, apns2.ReasonBadDeviceToken, http.StatusBadRequest)
		r.Outcome = provider.BadToken
		return r
	}
	note := a.notification(n, token, m)
	renewals, timeouts := 0, 0
	for try := 0; ; {
		if d, problem := a.blockedFor(); d > 0 {
			r := unavailable(problem)
			r.RetryAfter = d
			return r
		}
		if n.ExpireAt > 0 && a.p.o.Now().UnixMilli() >= n.ExpireAt {
			return provider.Result{Outcome: provider.Rejected, Reason: "message expired", Text: provider.TextConnection("message expired")}
		}
		ans := a.attempt(ctx, note)
		if ctx.Err() != nil && ans.status == 0 {
			return unavailable(interrupted)
		}
		v := judge(ans, try+renewals > 0)
		var d time.Duration
		switch v.action {
		case finish:
			return v.result
		case renew:
			if renewals++; renewals > renewRetries || !a.renew(ans.bearer) {
				return v.result
			}
			continue
		case wait, reconnect:
			if errors.Is(ans.err, context.DeadlineExceeded) {
				timeouts++
			}
			if try >= a.p.o.Retries || timeouts > timeoutRetries || ans.retryAfter > a.p.o.MaxWait {
				return v.result
			}
			d = pause(a.p.o.Backoff, try, ans.retryAfter, rand.Float64()) //nolint:gosec // jitter is no secret
			try++
		}
		if !sleep(ctx, d) {
			v.result.Outcome = provider.Unavailable
			return v.result
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt sends a notification once.
func (a *account) attempt(ctx context.Context, note *apns2.Notification) (ans answer) {
	if ans.err = a.enter(ctx); ans.err != nil {
		return ans
	}
	defer a.leave()
	l, err := a.connection()
	if err != nil {
		ans.err = err
		return ans
	}
	defer a.drop(l)
	first, err := l.enter(ctx)
	if err != nil {
		ans.err = err
		return ans
	}
	over := false
	defer func() {
		if first && !over { // a panic must not leave the others waiting
			l.settle(errOver)
			a.replace(l)
		}
	}()
	attempt, cancel := context.WithTimeout(ctx, a.p.o.Timeout)
	defer cancel()
	began := l.clock()
	response, err := l.client.PushWithContext(context.WithValue(attempt, exchangeKey{}, &ans.exchange), note)
	if err != nil {
		ans.err = err
	} else {
		ans.reason, ans.id = response.Reason, response.ApnsID
	}
	var fault error
	if a.isFault(ctx, l, ans, began) {
		fault = ans.err
	}
	over = true
	switch {
	case first && fault == nil && ans.status == 0 && ctx.Err() != nil:
		l.stepDown()
	case first:
		l.settle(fault)
	}
	return ans
}

// isFault draws the conclusions for the gateway and for the connection, and
// reports whether the connection is to blame for having no answer.
func (a *account) isFault(ctx context.Context, l *link, ans answer, began time.Duration) bool {
	var stream http2.StreamError
	timeout := errors.Is(ans.err, context.DeadlineExceeded)
	switch {
	case ans.status != 0:
		a.reached()
		// An answer that breaks off, or that makes no sense; but not a new
		// connection with every answer of a gateway that is down.
		if timeout || judge(ans, false).action == reconnect && l.clock() > time.Second {
			a.replace(l)
		}
		return false
	case ctx.Err() != nil: // called off: says nothing about the gateway
		return false
	case errors.As(ans.err, &stream): // one request failed; the connection lives
		return false
	case timeout && time.Duration(l.answered.Load()) >= began: // others got answers meanwhile
		return false
	}
	a.replace(l)
	a.unreachable(problemOf(ans.err))
	return true
}
