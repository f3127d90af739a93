package offline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// fill makes one device of every kind.
func fill(s *memory) {
	optOut := func(r *push.Recipient) { r.OptOut = true }
	s.add(client.Android, "away", nil)
	s.acked[s.add(client.Android, "done", nil)] = true
	s.add(client.Android, "optout", optOut)
	s.add(client.Android, "back", online(time.Second))
	s.add(client.Android, "before", online(-time.Minute))
	s.add(client.Android, "sender", nil)
	s.add(client.Android, "unknown", func(r *push.Recipient) { r.Known = false })
	s.add(client.Android, "zmuted", func(r *push.Recipient) { r.Muted = true }) // mutes are about notifications
	s.add(client.Web, "web", nil)
	s.add(client.IOS, "i-ok", nil)
	s.acked[s.add(client.IOS, "i-done", nil)] = true
	s.add(client.IOS, "i-optout", optOut)
	s.add(client.IOS, "i-muted", func(r *push.Recipient) { r.Muted = true })
	s.add(client.IOS, "i-notoken", func(r *push.Recipient) { r.Token = "" })
	s.add(client.IOS, "i-before", online(-time.Minute))
	s.add(client.IOS, "i-bad", func(r *push.Recipient) { r.Token = "bad" })
	s.add(client.IOS, "i-rejected", func(r *push.Recipient) { r.Token = "rejected" })
}

const (
	filled = "i-bad:apns_failed i-before:apns i-done: i-muted:muted i-notoken:no_token i-ok:apns i-optout:optout i-rejected:apns_failed"
	kept   = "away:inbox+kept back:inbox+kept before:inbox+kept done: "
)

func job(body string) queue.Job { return queue.Job{ID: "7", Body: []byte(body)} }

func TestDecisions(t *testing.T) {
	s, p := newMemory(testMessage()), &service{}
	fill(s)
	seen := map[string]int{}
	h := newHandler(t, s, p, func(o *Options) {
		o.Observe = func(platform string, state push.State, n int) { seen[platform+" "+string(state)] += n }
	})
	if err := h.Handle(context.Background(), job("")); err != nil {
		t.Fatal(err)
	}
	want := kept + filled + " optout:optout sender: unknown:+kept web: zmuted:inbox+kept"
	want = strings.Replace(want, "unknown:+kept", "unknown:", 1)
	if got := sorted(s.state()); got != sorted(want) {
		t.Errorf("got  %s\nwant %s", got, sorted(want))
	}
	if got := strings.Join(s.directs, " "); got != "/demo#back#android-1@n1" {
		t.Errorf("told at once: %s", got)
	}
	if s.attempts != 4 || s.successes != 2 {
		t.Errorf("%d attempts, %d successes", s.attempts, s.successes)
	}
	const result = "apnsEnv:/demo    >>>>  clientId:/demo#i-optout#ios-1 leaveMessage is false  >>>>  clientId:/demo#i-muted#ios-1 room:rin no_send_apns" +
		"  >>>>  clientId:/demo#i-notoken#ios-1 device_token is empty" +
		"  >>>>  first error: push msg to apns reason: Unregistered statusCode: 410  >>>>  first error: push msg to apns reason: PayloadTooLarge statusCode: 413"
	if s.result != result {
		t.Errorf("result %s\nwant   %s", s.result, result)
	}
	if p.payload != `{"aps":{"alert":"hey"}}` || !slices.Equal(s.dropped, []string{"/demo#i-bad#ios-1"}) {
		t.Errorf("payload %s, dropped %v", p.payload, s.dropped)
	}
	if seen["android inbox"] != 4 || seen["ios apns"] != 2 || seen["ios muted"] != 1 {
		t.Errorf("observed %v", seen)
	}
	sent := len(p.sent)
	if err := h.Handle(context.Background(), job("")); err != nil || len(p.sent) != sent || len(s.directs) != 1 || s.attempts != 4 {
		t.Errorf("the job again: %v, %d sent, told %v, %d attempts", err, len(p.sent)-sent, s.directs, s.attempts)
	}
}

func sorted(text string) string {
	words := strings.Fields(text)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// TestInterrupted lets the store fail at every operation in turn: the job that
// runs again brings about the same, and at most what was under way repeats.
func TestInterrupted(t *testing.T) {
	whole := newMemory(testMessage())
	fill(whole)
	if err := newHandler(t, whole, &service{}, nil).Handle(context.Background(), job("")); err != nil {
		t.Fatal(err)
	}
	for failAt := 1; failAt <= whole.calls; failAt++ {
		s, p := newMemory(testMessage()), &service{}
		fill(s)
		h := newHandler(t, s, p, nil)
		s.failAt = failAt
		if err := h.Handle(context.Background(), job("")); !errors.Is(err, errStoreGone) && failAt != whole.calls {
			t.Fatalf("call %d fails: %v", failAt, err) // the last one, which removes a token, may fail
		}
		s.failAt = 0
		if err := h.Handle(context.Background(), job("")); err != nil {
			t.Fatalf("after call %d: %v", failAt, err)
		}
		// Texts of one device may be told twice in a report, figures not.
		if s.state() != whole.state() || s.attempts != whole.attempts || s.successes != whole.successes || s.result != whole.result {
			t.Errorf("call %d failed: %s\n%d attempts, %d successes, %s", failAt, s.state(), s.attempts, s.successes, s.result)
		}
		if len(p.sent) > 8 || len(s.directs) > 2 {
			t.Errorf("call %d failed: sent %v, told %v", failAt, p.sent, s.directs)
		}
	}
}

// An ack that comes while its device is being decided about is neither lost
// nor leaves anything behind.
func TestAckMeetsWorker(t *testing.T) {
	s := newMemory(testMessage())
	a := s.add(client.Android, "a", nil)
	s.add(client.Android, "b", nil)
	s.onPlace = func(c string) { s.acked[a] = true }
	if err := newHandler(t, s, nil, nil).Handle(context.Background(), job("")); err != nil {
		t.Fatal(err)
	}
	if got := s.state(); got != "a: b:inbox+kept" {
		t.Error(got)
	}
}

func TestLiveFirstThenService(t *testing.T) {
	s, p := newMemory(testMessage()), &service{}
	quick := s.add(client.IOS, "quick", online(time.Second))
	s.add(client.IOS, "slow", online(time.Second))
	s.add(client.IOS, "slow-notoken", func(r *push.Recipient) { online(time.Second)(r); r.Token = "" })
	s.add(client.IOS, "skewed", online(-time.Second)) // by the clock of another process
	h := newHandler(t, s, p, nil)
	var retry *queue.RetryError
	if err := h.Handle(context.Background(), job("")); !errors.As(err, &retry) || retry.After != 5*time.Second || string(retry.Body) != bodyNotify {
		t.Fatalf("got %v", err)
	}
	if len(s.directs) != 4 || len(p.sent) != 0 || s.ran {
		t.Errorf("told %v, sent %v, run %v", s.directs, p.sent, s.ran)
	}
	s.acked[quick] = true
	if err := h.Handle(context.Background(), job(bodyNotify)); err != nil {
		t.Fatal(err)
	}
	if got := s.state(); got != "quick:live skewed:apns slow:apns slow-notoken:no_token" || len(s.directs) != 4 {
		t.Errorf("%s, told %v", got, s.directs)
	}
}

func TestServiceAway(t *testing.T) {
	s, p := newMemory(testMessage()), &service{away: true}
	for i := range 1800 {
		s.add(client.IOS, fmt.Sprintf("u%04d", i), nil)
	}
	s.add(client.Android, "a", nil)
	h := newHandler(t, s, p, nil)
	var retry *queue.RetryError
	if err := h.Handle(context.Background(), job("")); !errors.As(err, &retry) || retry.After != 3*time.Second {
		t.Fatalf("got %v", err)
	}
	if len(p.sent) != stepCount || s.attempts != stepCount || s.inboxes["/demo#a#android-1"] != 1 {
		t.Errorf("%d sent, %d attempts: one step is enough to see that it is away; the inbox is not concerned", len(p.sent), s.attempts)
	}
	long := queue.Job{ID: "7", Attempt: 40, Body: retry.Body}
	if err := h.Handle(context.Background(), long); !errors.As(err, &retry) || retry.After > time.Minute || retry.After < 30*time.Second {
		t.Fatalf("after many attempts: %v", err)
	}
	p.away = false
	// One of them comes back meanwhile, and is told at once.
	back := s.devices["/demo#u0003#ios-1"]
	back.Node, back.Gen = "n2", now.UnixMilli()+1
	s.devices[back.ClientID] = back
	if err := h.Handle(context.Background(), long); !errors.As(err, &retry) || retry.After != 5*time.Second {
		t.Fatalf("back: %v", err)
	}
	if err := h.Handle(context.Background(), long); err != nil {
		t.Fatal(err)
	}
	if s.attempts != 1800 || s.successes != 1800 || len(s.directs) != 1 {
		t.Errorf("%d attempts, %d successes, told %v", s.attempts, s.successes, s.directs)
	}
	if s.maxStep > stepCount {
		t.Errorf("a step of %d devices", s.maxStep)
	}
}

// One device that is throttled for itself holds nobody up.
func TestThrottledDevice(t *testing.T) {
	s, p := newMemory(testMessage()), &service{}
	s.add(client.IOS, "a", func(r *push.Recipient) { r.Token = "throttled" })
	for i := range 600 {
		s.add(client.IOS, fmt.Sprintf("b%03d", i), nil)
	}
	h := newHandler(t, s, p, nil)
	var retry *queue.RetryError
	if err := h.Handle(context.Background(), job("")); !errors.As(err, &retry) || retry.After < 3*time.Second {
		t.Fatalf("got %v", err)
	}
	if s.attempts != 601 || s.successes != 600 || s.fates["/demo#a#ios-1"].State != push.StatePending || s.fates["/demo#a#ios-1"].Detail != "gone" {
		t.Errorf("%d attempts, %d successes, %+v", s.attempts, s.successes, s.fates["/demo#a#ios-1"])
	}
	if want := "apnsEnv:/demo    >>>>  connect error: gone"; s.result != want {
		t.Errorf("result %q, want %q", s.result, want)
	}
}

func TestNoCredentials(t *testing.T) {
	name := "x"
	for text, change := range map[string]func(*push.Message){
		provider.TextNoDefault:       func(*push.Message) {},
		provider.TextNoProfile(name): func(m *push.Message) { m.APNsName = &name },
	} {
		m := testMessage()
		change(m)
		s, p := newMemory(m), &service{openErr: &provider.ProfileError{Text: text}}
		fill(s)
		if err := newHandler(t, s, p, nil).Handle(context.Background(), job("")); err != nil {
			t.Fatal(err)
		}
		if s.result != text || s.ran || s.attempts == 0 {
			t.Errorf("result %q, run %v", s.result, s.ran)
		}
		if f := s.fates["/demo#i-ok#ios-1"]; f.State != push.StateAPNsFailed || f.Detail != text {
			t.Errorf("fate %+v", f)
		}
		if s.inboxes["/demo#away#android-1"] != 1 {
			t.Error("the inbox is not concerned")
		}
	}
	// Credentials that cannot be read now are asked for again.
	s, p := newMemory(testMessage()), &service{openErr: errors.New("no key")}
	fill(s)
	var told error
	h := newHandler(t, s, p, func(o *Options) { o.OnError = func(err error) { told = err } })
	var retry *queue.RetryError
	if err := h.Handle(context.Background(), job("")); !errors.As(err, &retry) || told == nil {
		t.Errorf("got %v, told %v", err, told)
	}
	// And a room that needs none has no run.
	s = newMemory(testMessage())
	s.add(client.Android, "a", nil)
	s.acked[s.add(client.IOS, "i", nil)] = true
	if err := newHandler(t, s, p, nil).Handle(context.Background(), job("")); err != nil || s.result != "" {
		t.Errorf("got %v, result %q", err, s.result)
	}
}

func TestNothingToDo(t *testing.T) {
	expired, lost := testMessage(), "lost"
	expired.ExpireAt = now.UnixMilli()
	for name, tc := range map[string]struct {
		job    queue.Job
		change func(*memory, *registry)
		err    error
		result string
	}{
		"no id":             {job: queue.Job{ID: "x"}, err: queue.ErrDrop},
		"a negative id":     {job: queue.Job{ID: "-7"}, err: queue.ErrDrop},
		"a strange body":    {job: queue.Job{ID: "8", Body: []byte("{]")}},
		"gone":              {job: queue.Job{ID: "8"}},
		"expired":           {job: job(""), change: func(s *memory, _ *registry) { s.messages[7] = expired }},
		"deleted namespace": {job: job(""), change: func(_ *memory, r *registry) { clear(r.shown); clear(r.stored) }, result: "this namespace lose"},
		"not loaded":        {job: job(""), change: func(_ *memory, r *registry) { r.loading = true }, err: namespace.ErrUnavailable},
		"store of config":   {job: job(""), change: func(_ *memory, r *registry) { clear(r.shown); r.err = errStoreGone }, err: errStoreGone},
	} {
		t.Run(name, func(t *testing.T) {
			s, p, r := newMemory(testMessage()), &service{}, newRegistry()
			fill(s)
			if tc.change != nil {
				tc.change(s, r)
			}
			err := newHandler(t, s, p, func(o *Options) { o.Namespaces = r }).Handle(context.Background(), tc.job)
			if !errors.Is(err, tc.err) || (tc.err == nil && err != nil) {
				t.Errorf("got %v, want %v", err, tc.err)
			}
			if len(p.sent)+len(s.inboxes)+len(s.fates) != 0 || s.result != tc.result {
				t.Errorf("sent %v, kept %v, fates %v, result %q", p.sent, s.inboxes, s.fates, s.result)
			}
		})
	}
	// A namespace that is switched off took the message over before.
	s, r := newMemory(testMessage()), newRegistry()
	s.add(client.Android, "a", nil)
	r.shown["/demo"] = &namespace.Namespace{Key: "/demo", Offline: true}
	if err := newHandler(t, s, nil, func(o *Options) { o.Namespaces = r }).Handle(context.Background(), job("")); err != nil || s.state() != "a:inbox+kept" {
		t.Errorf("offline namespace: got %v, %s", err, s.state())
	}
	// A process that has not heard of a new namespace asks before it gives up.
	s, r = newMemory(testMessage()), newRegistry()
	s.add(client.Android, "a", nil)
	clear(r.shown)
	if err := newHandler(t, s, nil, func(o *Options) { o.Namespaces = r }).Handle(context.Background(), job("")); err != nil || s.state() != "a:inbox+kept" {
		t.Errorf("got %v, %s", err, s.state())
	}
	// A simulated loss is kept, but never delivered online.
	m := testMessage()
	m.Extra = &lost
	s = newMemory(m)
	s.add(client.Android, "a", online(time.Second))
	if err := newHandler(t, s, nil, nil).Handle(context.Background(), job("")); err != nil || s.state() != "a:inbox+kept" || len(s.directs) != 0 {
		t.Errorf("got %v, %s, told %v", err, s.state(), s.directs)
	}
}

func TestOtherPlatforms(t *testing.T) {
	s := newMemory(testMessage())
	for _, p := range client.Platforms {
		s.add(p, p, nil)
	}
	h := newHandler(t, s, nil, func(o *Options) { o.InboxPlatforms = []string{client.Web} })
	if err := h.Handle(context.Background(), job("")); err != nil || s.state() != "android: ios: web:inbox+kept" {
		t.Errorf("got %v, %s", err, s.state())
	}
	// A service of its own goes before the inbox.
	p := &service{}
	h = newHandler(t, s, p, func(o *Options) {
		o.InboxPlatforms, o.Providers = []string{client.Android}, provider.Set{client.Android: p}
	})
	if err := h.Handle(context.Background(), job("")); err != nil || s.state() != "android:apns ios: web:inbox+kept" {
		t.Errorf("got %v, %s", err, s.state())
	}
}

func TestNewRefusesWhatLacks(t *testing.T) {
	for _, o := range []Options{{}, {Store: newMemory(testMessage())}, {Namespaces: newRegistry()}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestWorkerEndsInTheMiddle(t *testing.T) {
	s, p := newMemory(testMessage()), &service{}
	for i := range 3 * stepCount {
		s.add(client.IOS, fmt.Sprintf("u%04d", i), nil)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.onSend = func(provider.Notification) { cancel() }
	if err := newHandler(t, s, p, nil).Handle(ctx, job("")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(p.sent) != stepCount || s.successes != stepCount {
		t.Errorf("%d sent, %d kept as sent", len(p.sent), s.successes)
	}
}

func TestDroppedAreCounted(t *testing.T) {
	s := newMemory(testMessage())
	fill(s)
	s.full = 2
	dropped, kept := 0, 0
	h := newHandler(t, s, &service{}, func(o *Options) {
		o.OnDropped = func(n int) { dropped += n }
		o.Observe = func(_ string, state push.State, n int) {
			if state == push.StateInbox {
				kept += n
			}
		}
	})
	if err := h.Handle(context.Background(), job("")); err != nil {
		t.Fatal(err)
	}
	// Also of the device that had acked, whose entry was taken out again, and
	// of the one that is left out.
	if kept == 0 || dropped < 2*kept {
		t.Errorf("%d dropped of %d inboxes", dropped, kept)
	}
}
