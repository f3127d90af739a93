package apns

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/logic/offline/provider"
)

func testProvider() *Provider {
	o := Options{}
	o.setDefaults()
	return &Provider{o: o}
}

// The rules of light-push-wire.md 4.8, byte for byte.
func TestBody(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		silent   bool
	}{
		{``, `{"aps":{"alert":"通知"}}`, false},
		{`null`, `{"aps":{"alert":"通知"}}`, false},
		{`[1]`, `{"aps":{"alert":"通知"}}`, false},
		{`"text"`, `{"aps":{"alert":"通知"}}`, false},
		{`{`, `{"aps":{"alert":"通知"}}`, false},
		{`{}`, `{"aps":{"alert":"通知"}}`, false},
		{`{"k":1}`, `{"k":1,"aps":{"alert":"通知"}}`, false},
		{`{"aps":null,"k":1}`, `{"aps":{"alert":"通知"},"k":1}`, false},
		{`{"aps":{"badge":1,"alert":null}}`, `{"aps":{"badge":1,"alert":"通知"}}`, false},
		{`{"aps":{"alert":""}}`, `{"aps":{"alert":"通知"}}`, false},
		{`{"aps":{"alert":{"title":"<a>","loc-args":[1.0]}},"n":12345678901234567890}`, `{"aps":{"alert":{"title":"<a>","loc-args":[1.0]}},"n":12345678901234567890}`, false},
		{`{"aps":{"content-available":1}}`, `{"aps":{"content-available":1}}`, true},
		{`{"x":"\u4e00","aps":{"content-available":1}}`, `{"x":"\u4e00","aps":{"content-available":1}}`, true},
		{`{"aps":{"content-available":1,"alert":"a"}}`, `{"aps":{"content-available":1,"alert":"a"}}`, false},
		{`{"aps":{"content-available":1,"sound":"s"}}`, `{"aps":{"content-available":1,"sound":"s","alert":"通知"}}`, false},
		{`{"aps":{"content-available":0}}`, `{"aps":{"content-available":0,"alert":"通知"}}`, false},
		{`{"a":1,"a":2}`, `{"a":2,"aps":{"alert":"通知"}}`, false},
		{`{"apns-collapse-id":"c"}`, `{"apns-collapse-id":"c","aps":{"alert":"通知"}}`, false},
	} {
		m := testProvider().newMessage(json.RawMessage(tc.in))
		if string(m.body) != tc.want || m.silent != tc.silent || m.refused != nil {
			t.Errorf("%s\n got %s, silent %v, %v\nwant %s, %v", tc.in, m.body, m.silent, m.refused, tc.want, tc.silent)
		}
	}
}

func TestSilentHeaders(t *testing.T) {
	a := &account{p: testProvider()}
	note := a.notification(provider.Notification{}, "t", a.p.newMessage(json.RawMessage(`{"aps":{"content-available":1}}`)))
	if note.Priority != 5 || note.PushType != "background" {
		t.Errorf("%+v", note)
	}
}

func TestNotificationID(t *testing.T) {
	id := notificationID(7, "/demo#u#ios-1")
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Error(id)
	}
	if id != notificationID(7, "/demo#u#ios-1") || id == notificationID(8, "/demo#u#ios-1") || id == notificationID(7, "/demo#u#ios-2") {
		t.Error("ids are not one per message and device")
	}
}

func TestPause(t *testing.T) {
	const base = 200 * time.Millisecond
	for _, tc := range []struct {
		try       int
		asked     time.Duration
		low, high time.Duration
	}{
		{0, 0, 100 * time.Millisecond, 300 * time.Millisecond},
		{2, 0, 400 * time.Millisecond, 1200 * time.Millisecond},
		{0, 3 * time.Second, 3 * time.Second, 3200 * time.Millisecond},
	} {
		if low, high := pause(base, tc.try, tc.asked, 0), pause(base, tc.try, tc.asked, 1); low != tc.low || high != tc.high {
			t.Errorf("%+v: %v to %v", tc, low, high)
		}
	}
	if d := pause(base, 1000, 0, 1); d <= 0 {
		t.Errorf("overflow: %v", d)
	}
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-5": 0, "x": 0, "99999999999999": 0, "Fri, 20 Nov 2026 09:00:30 GMT": 30 * time.Second,
		"Fri, 20 Nov 2026 08:00:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func FuzzBody(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"k":1}`, `{"aps":{"alert":"x"}}`, `{"aps":{"content-available":1}}`, `{"a":1,"a":2}`, `[[[`, `{"\ud800":1}`} {
		f.Add(seed)
	}
	p := testProvider()
	f.Fuzz(func(t *testing.T, in string) {
		m := p.newMessage(json.RawMessage(in))
		if m.refused != nil {
			return
		}
		var out struct {
			Aps map[string]json.RawMessage `json:"aps"`
		}
		if err := json.Unmarshal(m.body, &out); err != nil || out.Aps == nil {
			t.Fatalf("%q became %s: %v", in, m.body, err)
		}
		if _, alert := out.Aps["alert"]; alert == m.silent && m.silent && !strings.Contains(in, "alert") {
			t.Errorf("%q became %s, silent %v", in, m.body, m.silent)
		}
	})
}

func FuzzDeviceToken(f *testing.F) {
	for _, seed := range []string{"", "abc", "<00 11>", "../x", strings.Repeat("f", 1000)} {
		f.Add(seed)
	}
	safe := regexp.MustCompile(`^[0-9A-Za-z_-]{1,400}$`)
	f.Fuzz(func(t *testing.T, in string) {
		if token, ok := deviceToken(in); ok && !safe.MatchString(token) {
			t.Errorf("%q became %q", in, token)
		}
	})
}

func TestProblemsHoldNoAddress(t *testing.T) {
	if got := problemOf(errors.New("plain")); got != "plain" {
		t.Error(got)
	}
	if got := problemOf(nil); got != "no answer" {
		t.Error(got)
	}
}
