package apns

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/sideshow/apns2"

	"github.com/lightpush/lightpush/logic/offline/provider"
)

// answer is what came of one attempt.
type answer struct {
	exchange
	reason string
	err    error // no answer, or one that is no JSON
	id     string
}

// action is what to do with an answer.
type action int

const (
	finish    action = iota
	renew            // a new provider token, then again at once
	wait             // again after a pause
	reconnect        // the same, and this connection is not to be trusted
)

// verdict is the judgement of one answer. result is what it comes to when
// there is no further attempt.
type verdict struct {
	action action
	result provider.Result
}

// badToken are the refusals after which a device token is worthless
// (light-push-wire.md 4.8); 410 is one whatever its reason.
var badToken = map[string]bool{
	apns2.ReasonBadDeviceToken: true, apns2.ReasonDeviceTokenNotForTopic: true, apns2.ReasonUnregistered: true,
}

// judge decides on an answer; again says that it is the answer to a
// repetition. It is pure.
func judge(ans answer, again bool) verdict {
	refused := refusal(again, ans.reason, ans.status)
	refused.ID = ans.id
	later := refused
	later.Outcome, later.RetryAfter = provider.Unavailable, ans.retryAfter
	switch {
	case ans.status == 0:
		return verdict{action: wait, result: unavailable(problemOf(ans.err))}
	case ans.status == http.StatusOK && ans.err == nil:
		return verdict{result: provider.Result{Outcome: provider.Sent, Status: ans.status, ID: ans.id}}
	case ans.status == http.StatusGone, badToken[ans.reason]:
		refused.Outcome = provider.BadToken
		return verdict{result: refused}
	case ans.reason == apns2.ReasonExpiredProviderToken:
		return verdict{action: renew, result: later}
	case ans.status == http.StatusTooManyRequests:
		return verdict{action: wait, result: later}
	case ans.reason == apns2.ReasonInternalServerError:
		later.Text = provider.TextConnection(ans.reason)
		return verdict{action: reconnect, result: later}
	case ans.status >= http.StatusInternalServerError, ans.reason == apns2.ReasonIdleTimeout:
		return verdict{action: wait, result: later}
	case ans.reason == "":
		// No gateway of APNs answers so: something else stands there, or the
		// answer was cut off. Success or refusal, nobody knows.
		broken := unavailable("answer without a reason")
		if ans.err != nil {
			broken = unavailable(problemOf(ans.err))
		}
		broken.Status, broken.RetryAfter = ans.status, ans.retryAfter
		return verdict{action: reconnect, result: broken}
	}
	return verdict{result: refused}
}

// refusal is the outcome of an answer with a reason.
func refusal(again bool, reason string, status int) provider.Result {
	return provider.Result{
		Outcome: provider.Rejected, Status: status, Reason: provider.Clip(reason, 200), Text: provider.TextRefused(again, reason, status),
	}
}

// unavailable is the outcome without one.
func unavailable(problem string) provider.Result {
	problem = provider.Clip(problem, 200)
	return provider.Result{Outcome: provider.Unavailable, Reason: problem, Text: provider.TextConnection(problem)}
}

// problemOf says what went wrong with a connection, without the address,
// which holds the device token.
func problemOf(err error) string {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return "no answer"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return interrupted
	case errors.As(err, &syntax), errors.As(err, &kind):
		return "answer is not JSON of APNs"
	}
	if _, debug, is := strings.Cut(err.Error(), "GOAWAY"); is { // net/http has no type for it
		if reason := goAwayReason.FindStringSubmatch(debug); reason != nil {
			return reason[1]
		}
		return errOver.Error()
	}
	return err.Error()
}

// goAwayReason is Apple's reason in the debug data of a GOAWAY frame, quoted.
var goAwayReason = regexp.MustCompile(`\\"reason\\": *\\"([A-Za-z]+)\\"`)

// interrupted is the problem of notifications whose Send was called off.
const interrupted = "interrupted"

// pause is the time before the next attempt: what the gateway asks for, else
// the backoff. Jitter keeps the retries of a batch from arriving as one.
func pause(base time.Duration, try int, asked time.Duration, random float64) time.Duration {
	d := base << min(try, 10)
	d = d/2 + time.Duration(random*float64(d))
	if asked > 0 {
		return asked + time.Duration(random*float64(base))
	}
	return d
}
