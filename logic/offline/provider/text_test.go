package provider

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// The words of light-push-wire.md 4.8, letter for letter.
func TestTexts(t *testing.T) {
	for got, want := range map[string]string{
		TextNoDefault:                           "no default apns",
		TextNoProfile("x"):                      "apnsName:x not exists",
		TextNoProvider:                          "apnProvider not exists",
		TextIntro("dev"):                        "apnsEnv:dev  ",
		TextOptOut("/d#u#ios-1"):                "clientId:/d#u#ios-1 leaveMessage is false",
		TextNoToken("/d#u#ios-1"):               "clientId:/d#u#ios-1 device_token is empty",
		TextMuted("/d#u#ios-1", "r1"):           "clientId:/d#u#ios-1 room:r1in no_send_apns",
		TextRefused(false, "BadTopic", 400):     "first error: push msg to apns reason: BadTopic statusCode: 400",
		TextRefused(true, "Shutdown", 503):      "second error: push msg to apns reason: Shutdown statusCode: 503",
		TextConnection("connection refused"):    "connect error: connection refused",
		TextConnection("a\r\nb\x00c\xff"):       "connect error: a  b c?",
		(&ProfileError{Text: "t"}).Error():      "t",
		Separator:                               "  >>>>  ",
		Sent.String() + " " + BadToken.String(): "sent bad_token",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	cause := errors.New("cause")
	if err := error(&ProfileError{Text: "t", Err: cause}); err.Error() != "t: cause" || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}

func FuzzClip(f *testing.F) {
	f.Add("通知", 4)
	f.Add("a\nb", 2)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 0 || limit > 1000 {
			return
		}
		got := Clip(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("%q at %d became %q", s, limit, got)
		}
	})
}
