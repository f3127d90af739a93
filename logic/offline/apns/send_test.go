package apns

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/logic/offline/provider"
	"github.com/lightpush/lightpush/test/apnsgateway"
)

// Every answer of the gateway has its outcome, its text and its number of
// attempts (light-push-wire.md 4.8).
func TestOutcomes(t *testing.T) {
	type answers = []apnsgateway.Answer
	refuse := func(status int, reason string) apnsgateway.Answer {
		return apnsgateway.Answer{Status: status, Reason: reason}
	}
	const push = "error: push msg to apns reason: "
	for _, tc := range []struct {
		name    string
		answers answers // the last one repeats
		outcome provider.Outcome
		text    string
		tries   int
	}{
		{"accepted", answers{{}}, provider.Sent, "", 1},
		{"bad token", answers{refuse(400, "BadDeviceToken")}, provider.BadToken, "first " + push + "BadDeviceToken statusCode: 400", 1},
		{"other topic", answers{refuse(400, "DeviceTokenNotForTopic")}, provider.BadToken, "first " + push + "DeviceTokenNotForTopic statusCode: 400", 1},
		{"unregistered", answers{refuse(410, "Unregistered")}, provider.BadToken, "first " + push + "Unregistered statusCode: 410", 1},
		{"expired token", answers{refuse(410, "ExpiredToken")}, provider.BadToken, "first " + push + "ExpiredToken statusCode: 410", 1},
		{"gone, whatever it says", answers{{Status: 410, Body: "<html>"}}, provider.BadToken, "first " + push + " statusCode: 410", 1},
		{"too large", answers{refuse(413, "PayloadTooLarge")}, provider.Rejected, "first " + push + "PayloadTooLarge statusCode: 413", 1},
		{"topic", answers{refuse(400, "BadTopic")}, provider.Rejected, "first " + push + "BadTopic statusCode: 400", 1},
		{"credential", answers{refuse(403, "InvalidProviderToken")}, provider.Rejected, "first " + push + "InvalidProviderToken statusCode: 403", 1},
		{"refused after a retry", answers{refuse(503, "Shutdown"), refuse(400, "BadTopic")}, provider.Rejected, "second " + push + "BadTopic statusCode: 400", 2},
		{"throttled, then not", answers{refuse(429, "TooManyRequests"), refuse(429, "TooManyRequests"), {}}, provider.Sent, "", 3},
		{"throttled", answers{refuse(429, "TooManyRequests")}, provider.Unavailable, "second " + push + "TooManyRequests statusCode: 429", 4},
		{"server error, then not", answers{refuse(500, "InternalServerError"), {}}, provider.Sent, "", 2},
		{"server error", answers{refuse(500, "InternalServerError")}, provider.Unavailable, "connect error: InternalServerError", 4},
		{"unavailable", answers{refuse(503, "ServiceUnavailable")}, provider.Unavailable, "second " + push + "ServiceUnavailable statusCode: 503", 4},
		{"bad gateway", answers{{Status: 502, Body: "<html>"}, {}}, provider.Sent, "", 2},
		{"stale token", answers{refuse(403, "ExpiredProviderToken"), {}}, provider.Sent, "", 2},
		{"stale token twice", answers{refuse(403, "ExpiredProviderToken"), refuse(403, "ExpiredProviderToken"), {}}, provider.Sent, "", 3},
		{"ever stale token", answers{refuse(403, "ExpiredProviderToken")}, provider.Unavailable, "second " + push + "ExpiredProviderToken statusCode: 403", 3},
		{"no reason", answers{{Status: 400}, {}}, provider.Sent, "", 2},
		{"never a reason", answers{{Status: 400}}, provider.Unavailable, "connect error: answer without a reason", 4},
		{"success that is none", answers{{Status: 200, Body: "<html>welcome</html>"}}, provider.Unavailable, "connect error: answer is not JSON of APNs", 4},
		{"endless answer", answers{{Status: 400, Body: `{"reason":"` + strings.Repeat("x", 60_000)}}, provider.Unavailable, "connect error: answer is too long", 4},
		{"redirect", answers{{Status: 307, Header: http.Header{"Location": {"https://127.0.0.1:1/"}}}}, provider.Unavailable, "connect error: answer without a reason", 4},
		{"reset, then not", answers{{Fault: apnsgateway.Reset}, {}}, provider.Sent, "", 2},
		{"dropped, then not", answers{{Fault: apnsgateway.Drop}, {}}, provider.Sent, "", 2},
		{"garbage, then not", answers{{Fault: apnsgateway.Garbage}, {}}, provider.Sent, "", 2},
		{"goaway, then not", answers{{Fault: apnsgateway.GoAway, Reason: "Shutdown"}, {}}, provider.Sent, "", 2},
		{"hangs, then not", answers{{Fault: apnsgateway.Hang}, {}}, provider.Sent, "", 2},
		{"hangs", answers{{Fault: apnsgateway.Hang}}, provider.Unavailable, "connect error: timeout", 2},
		{"answer breaks off", answers{{Status: 400, Body: `{"reason":"Bad`, Pending: true}, {}}, provider.Sent, "", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var n atomic.Int64
			b := newBench(t, Options{Timeout: 300 * time.Millisecond}, apnsgateway.Options{Respond: func(apnsgateway.Request) apnsgateway.Answer {
				i := int(n.Add(1)) - 1
				return tc.answers[min(i, len(tc.answers)-1)]
			}})
			got := b.send(t, `{"aps":{"alert":"hey"}}`)
			if got.Outcome != tc.outcome || got.Text != tc.text {
				t.Errorf("%v %q (%s), want %v %q", got.Outcome, got.Text, got.Reason, tc.outcome, tc.text)
			}
			requests := b.gateway.Requests()
			if len(requests) != tc.tries {
				t.Errorf("%d attempts, want %d", len(requests), tc.tries)
			}
			for _, r := range requests {
				if id := r.Header.Get("apns-id"); id != notificationID(7, "/demo#u#ios-0") || r.Token != hexToken(0) {
					t.Errorf("attempt with id %s, token %s", id, r.Token)
				}
			}
			if b.seen[tc.outcome] != 1 {
				t.Errorf("observed %v", b.seen)
			}
		})
	}
}

// A whole batch through one connection that is cut in its middle.
func TestFaultsInABatch(t *testing.T) {
	for _, fault := range []apnsgateway.Fault{apnsgateway.Reset, apnsgateway.Drop, apnsgateway.GoAway, apnsgateway.Garbage, apnsgateway.Hang} {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			b := newBench(t, Options{Timeout: time.Second, Concurrency: 100}, apnsgateway.Options{Respond: func(r apnsgateway.Request) apnsgateway.Answer {
				if r.Seq == 60 || r.Seq == 140 {
					return apnsgateway.Answer{Fault: fault}
				}
				return apnsgateway.Answer{}
			}})
			results := b.open(t, "/demo", "").Send(t.Context(), devices(300, `{}`))
			for i, r := range results {
				if r.Outcome != provider.Sent {
					t.Errorf("device %d: %v %s", i, r.Outcome, r.Reason)
				}
			}
			served := map[string]bool{}
			for _, r := range b.gateway.Requests() {
				served[r.Token] = true
			}
			if len(served) != 300 {
				t.Errorf("%d devices reached the gateway", len(served))
			}
			if c := b.gateway.Connections(); c > 10 {
				t.Errorf("%d connections", c)
			}
		})
	}
}

func TestConnectionIsReused(t *testing.T) {
	b := newBench(t, Options{}, apnsgateway.Options{MaxStreams: 10})
	for range 5 {
		for i, r := range b.open(t, "/demo", "").Send(t.Context(), devices(200, `{}`)) {
			if r.Outcome != provider.Sent {
				t.Fatalf("device %d: %+v", i, r)
			}
		}
	}
	if c, n := b.gateway.Connections(), b.gateway.Received(); c != 1 || n != 1000 {
		t.Errorf("%d connections for %d notifications", c, n)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	var now, most atomic.Int64
	b := newBench(t, Options{Concurrency: 16}, apnsgateway.Options{Respond: func(apnsgateway.Request) apnsgateway.Answer {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		defer now.Add(-1)
		time.Sleep(time.Millisecond) // long enough to overlap; nothing depends on it
		return apnsgateway.Answer{}
	}})
	done := make(chan []provider.Result)
	senders := []provider.Sender{b.open(t, "/demo", ""), b.open(t, "/demo", "cert"), b.open(t, "/demo", "")}
	for _, s := range senders {
		go func() { done <- s.Send(t.Context(), devices(100, `{}`)) }()
	}
	for range senders {
		for _, r := range <-done {
			if r.Outcome != provider.Sent {
				t.Errorf("%+v", r)
			}
		}
	}
	if most.Load() > 16 {
		t.Errorf("%d requests at once", most.Load())
	}
}

func TestRetryAfter(t *testing.T) {
	var after atomic.Value
	after.Store("1")
	b := newBench(t, Options{MaxWait: 2 * time.Second}, apnsgateway.Options{Respond: func(r apnsgateway.Request) apnsgateway.Answer {
		if r.Try == 1 {
			return apnsgateway.Answer{Status: 503, Reason: "ServiceUnavailable", Header: http.Header{"Retry-After": {after.Load().(string)}}}
		}
		return apnsgateway.Answer{}
	}})
	started := time.Now()
	if r := b.send(t, `{}`); r.Outcome != provider.Sent || time.Since(started) < time.Second {
		t.Errorf("%+v after %v", r, time.Since(started))
	}
	// Longer than this process waits: the queue has to.
	after.Store("60")
	batch := devices(1, `{}`)
	batch[0].MessageID = 8
	if r := b.open(t, "/demo", "").Send(t.Context(), batch)[0]; r.Outcome != provider.Unavailable || r.RetryAfter != time.Minute || r.Status != 503 {
		t.Errorf("%+v", r)
	}
}

// A gateway that is gone costs a batch little time, and the next one too.
func TestUnreachableGateway(t *testing.T) {
	b := newBench(t, Options{Host: "https://127.0.0.1:1"}, apnsgateway.Options{})
	s := b.open(t, "/demo", "")
	results := s.Send(within(t, 20*time.Second), devices(500, `{}`))
	for _, r := range results {
		if r.Outcome != provider.Unavailable || !strings.HasPrefix(r.Text, "connect error: ") || strings.Contains(r.Text, hexToken(1)) {
			t.Fatalf("%+v", r)
		}
	}
	if r := s.Send(t.Context(), devices(1, `{}`))[0]; r.Outcome != provider.Unavailable || r.RetryAfter <= 0 {
		t.Errorf("while blocked: %+v", r)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.errors) == 0 || len(b.errors) > 5 {
		t.Errorf("%d reports: %v", len(b.errors), b.errors)
	}
}

// When it is back, notifications go through again.
func TestGatewayComesBack(t *testing.T) {
	b := newBench(t, Options{Retries: -1}, apnsgateway.Options{})
	authority := b.gateway.Authority()
	if r := b.send(t, `{}`); r.Outcome != provider.Sent {
		t.Fatalf("%+v", r)
	}
	// The bench closes its own gateway at the end, so this one gets a
	// sibling on another address that is closed and started again.
	second, err := apnsgateway.StartWith(authority, apnsgateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(second.URL(), "https://")
	profile := b.profile
	profile.Host = second.URL()
	b.spaces.put("/", profile)
	if r := b.send(t, `{}`); r.Outcome != provider.Sent || second.Received() != 1 {
		t.Fatalf("%+v", r)
	}
	second.Close()
	eventually(t, "blocked", func() bool { return b.send(t, `{}`).RetryAfter > 0 })
	if second, err = apnsgateway.StartWith(authority, apnsgateway.Options{Address: address}); err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	eventually(t, "sent again", func() bool { return b.send(t, `{}`).Outcome == provider.Sent })
}

func TestSendEndsWithItsContext(t *testing.T) {
	b := newBench(t, Options{Timeout: time.Minute}, apnsgateway.Options{Respond: func(r apnsgateway.Request) apnsgateway.Answer {
		if r.Seq == 1 {
			return apnsgateway.Answer{}
		}
		return apnsgateway.Answer{Fault: apnsgateway.Hang}
	}})
	if r := b.send(t, `{}`); r.Outcome != provider.Sent {
		t.Fatalf("%+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := b.open(t, "/demo", "")
	go func() {
		_, _ = b.gateway.Wait(within(t, 10*time.Second), 20)
		cancel()
	}()
	for _, r := range s.Send(ctx, devices(1000, `{}`)) {
		if r.Outcome != provider.Unavailable || r.Text != "connect error: interrupted" {
			t.Fatalf("%+v", r)
		}
	}
}

func TestCloseInterrupts(t *testing.T) {
	b := newBench(t, Options{Timeout: time.Minute}, apnsgateway.Options{Respond: func(apnsgateway.Request) apnsgateway.Answer {
		return apnsgateway.Answer{Fault: apnsgateway.Hang}
	}})
	s := b.open(t, "/demo", "")
	done := make(chan provider.Result)
	go func() { done <- s.Send(context.Background(), devices(1, `{}`))[0] }()
	if _, err := b.gateway.Wait(within(t, 10*time.Second), 1); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if r := <-done; r.Outcome != provider.Unavailable {
		t.Errorf("%+v", r)
	}
	if r := s.Send(t.Context(), devices(1, `{}`))[0]; r.Outcome != provider.Unavailable {
		t.Errorf("after Close: %+v", r)
	}
	if _, err := b.Open("/demo", ""); err == nil {
		t.Error("opened after Close")
	}
	eventually(t, "connections are closed", func() bool { return b.gateway.Open() == 0 })
}

func TestBadTokensAreNotSent(t *testing.T) {
	b := newBench(t, Options{}, apnsgateway.Options{})
	batch := devices(8, `{}`)
	batch[0].Token = strings.Repeat("a", 10<<10)
	batch[1].Token = "../../3/device/x"
	batch[2].Token = "a b"
	batch[3].Token = ""
	batch[4].Token = "tok\r\nx: y"
	batch[5].Token = "<0011aabb 2233ccdd>"
	batch[6].Token = "密码"
	batch[7].ExpireAt = time.Now().Add(-time.Second).UnixMilli()
	results := b.open(t, "/demo", "").Send(t.Context(), batch)
	for i, r := range results {
		want := provider.BadToken
		switch i {
		case 5:
			want = provider.Sent
		case 7:
			want = provider.Rejected
		}
		if r.Outcome != want {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if results[0].Text != "first error: push msg to apns reason: BadDeviceToken statusCode: 400" {
		t.Errorf("%q", results[0].Text)
	}
	if requests := b.gateway.Requests(); len(requests) != 1 || requests[0].Token != "0011aabb2233ccdd" {
		t.Errorf("sent %+v", requests)
	}
}

func TestPayloadOverTheLimit(t *testing.T) {
	b := newBench(t, Options{MaxPayload: 100}, apnsgateway.Options{})
	r := b.send(t, `{"k":"`+strings.Repeat("x", 100)+`"}`)
	if r.Outcome != provider.Rejected || r.Text != "first error: push msg to apns reason: PayloadTooLarge statusCode: 413" || b.gateway.Received() != 0 {
		t.Errorf("%+v", r)
	}
	if r = b.send(t, `{"apns-collapse-id":"`+strings.Repeat("x", 65)+`"}`); r.Reason != "BadCollapseId" || b.gateway.Received() != 0 {
		t.Errorf("%+v", r)
	}
}
