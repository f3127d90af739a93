package provider

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// The words of the record field result (light-push-wire.md 4.8), letter for
// letter: business systems read them.

// Separator stands before the text of each device; successes have none.
const Separator = "  >>>>  "

// ResultMax bounds the field result, in bytes: a room has up to hundreds of
// thousands of devices. The fates have the whole truth, page by page.
const ResultMax = 64 << 10

// TextNoDefault is the result when the default profile is missing.
const TextNoDefault = "no default apns"

// TextNoProvider is the result when a profile exists but cannot be used.
const TextNoProvider = "apnProvider not exists"

// TextNoProfile is the result for an unknown name.
func TextNoProfile(name string) string { return "apnsName:" + name + " not exists" }

// TextIntro begins the result of a run.
func TextIntro(env string) string { return "apnsEnv:" + env + "  " }

// TextOptOut is for a device that wants no offline messages.
func TextOptOut(clientID string) string { return "clientId:" + clientID + " leaveMessage is false" }

// TextNoToken is for a device without a token.
func TextNoToken(clientID string) string { return "clientId:" + clientID + " device_token is empty" }

// TextMuted is for a device that mutes the room. The missing space is light-push's.
func TextMuted(clientID, room string) string {
	return "clientId:" + clientID + " room:" + room + "in no_send_apns"
}

// TextRefused is for a device whose notification was refused by the service;
// second says that it was the answer to a repetition.
func TextRefused(second bool, reason string, status int) string {
	turn := "first"
	if second {
		turn = "second"
	}
	return turn + " error: push msg to apns reason: " + Clip(reason, reasonMax) + " statusCode: " + strconv.Itoa(status)
}

// TextConnection is for a device whose notification could not be handed over.
func TextConnection(problem string) string { return "connect error: " + Clip(problem, reasonMax) }

const reasonMax = 200

// Clip cuts s to at most limit bytes, at the border of a character, without
// control characters.
func Clip(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
