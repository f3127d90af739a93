package client

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/name"
)

func TestParseHandshake(t *testing.T) {
	long := strings.Repeat("a", 101)
	for _, tc := range []struct {
		query string
		id    string
		err   error
	}{
		{"uuid=u1", "/demo#u1#web-u1", nil},
		{"uuid=u1&userid=ann", "/demo#ann#web-u1", nil},
		{"uuid=u1&userid=ann&platform=ios", "/demo#ann#ios-u1", nil},
		{"uuid=u1&userid=&platform=", "/demo#u1#web-u1", nil},
		{"uuid=u1&platform=android&other=x", "/demo#u1#android-u1", nil},
		{"uuid=" + long[:100], "/demo#" + long[:100] + "#web-" + long[:100], nil},
		{"uuid=a%23b&userid=c%23web-d", "/demo#c#web-d#web-a#b", nil},
		{"", "", ErrUUIDInvalid},
		{"userid=ann", "", ErrUUIDInvalid},
		{"uuid=", "", ErrUUIDInvalid},
		{"uuid=a&uuid=b", "", ErrUUIDInvalid},
		{"uuid=a+b", "", ErrUUIDInvalid},
		{"uuid=%E9%83%A8", "", ErrUUIDInvalid},
		{"uuid=a%00", "", ErrUUIDInvalid},
		{"uuid=" + long, "", ErrUUIDInvalid},
		{"uuid=a+b&userid=c+d", "", ErrUUIDInvalid}, // in this order
		{"uuid=u&userid=a+b", "", ErrUserIDInvalid},
		{"uuid=u&userid=" + long, "", ErrUserIDInvalid},
		{"uuid=u&userid=a&userid=b", "", ErrUserIDInvalid},
		{"uuid=u&userid=a+b&platform=x", "", ErrUserIDInvalid},
		{"uuid=u&platform=x", "", ErrPlatformInvalid},
		{"uuid=u&platform=IOS", "", ErrPlatformInvalid},
		{"uuid=u&platform=web&platform=web", "", ErrPlatformInvalid},
	} {
		values, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ParseHandshake(name.DefaultRules(), "/demo", values)
		if !errors.Is(err, tc.err) {
			t.Errorf("%.60s: %v, want %v", tc.query, err, tc.err)
		}
		if err == nil && h.ID() != tc.id {
			t.Errorf("%.60s: %s, want %s", tc.query, h.ID(), tc.id)
		}
	}
}

func TestActivityBroadcast(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "false": false, "FALSE": false, "0": false, "off": false, "no": false,
		"true": true, "1": true, "on": true, "anything": true,
	} {
		h, err := ParseHandshake(name.DefaultRules(), "/demo", url.Values{"uuid": {"u"}, "activityBroadcast": {text}})
		if err != nil || h.ActivityBroadcast != want {
			t.Errorf("%q: %v, %v, want %v", text, h.ActivityBroadcast, err, want)
		}
	}
}

func TestPlatforms(t *testing.T) {
	for _, p := range Platforms {
		if !ValidPlatform(p) {
			t.Errorf("%s is not valid", p)
		}
	}
	for _, p := range []string{"", "Web", "windows", "web "} {
		if ValidPlatform(p) {
			t.Errorf("%q is valid", p)
		}
	}
}

func FuzzParseHandshake(f *testing.F) {
	f.Add("u1", "ann", "ios")
	f.Add("", "", "")
	f.Add("a#b", "c#web-d", "web")
	f.Add("a\x00", "\xff", "é")
	rules := name.DefaultRules()
	f.Fuzz(func(t *testing.T, uuid, userID, platform string) {
		h, err := ParseHandshake(rules, "/demo", url.Values{"uuid": {uuid}, "userid": {userID}, "platform": {platform}})
		if err != nil {
			return
		}
		if !rules.UUID(h.UUID) || !rules.UserID(h.UserID) || !ValidPlatform(h.Platform) || h.Namespace != "/demo" {
			t.Errorf("accepted %+v", h)
		}
	})
}
