package report

import (
	"slices"
	"strconv"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// Rule is what decided about a message for a device. Those that the
// explanation of a push has too are named alike.
type Rule string

// The rules; doc/offline.md has them in words.
const (
	RuleExcept     Rule = "except"
	RuleAcked      Rule = "acked"
	RuleInboxAcked Rule = "inbox_acked"
	RuleInbox      Rule = "inbox"
	RuleInboxLive  Rule = "inbox_live"
	RuleAPNs       Rule = "apns"
	RuleAPNsFailed Rule = "apns_failed"
	RuleNoToken    Rule = "no_token"
	RuleMuted      Rule = "muted"
	RuleOptOut     Rule = "optout"
	RuleLive       Rule = "live"
	RuleWaiting    Rule = "waiting"
	RuleAway       Rule = "away"
	RuleExpired    Rule = "expired"
	RuleUnacked    Rule = "unacked"
	RuleNotKept    Rule = "not_kept"
	RuleLost       Rule = "lost"
	RulePlatform   Rule = "platform"
	RuleLate       Rule = "late"
)

// Rules are all rules.
var Rules = []Rule{
	RuleExcept, RuleAcked, RuleInboxAcked, RuleInbox, RuleInboxLive, RuleAPNs, RuleAPNsFailed, RuleNoToken, RuleMuted, RuleOptOut,
	RuleLive, RuleWaiting, RuleAway, RuleExpired, RuleUnacked, RuleNotKept, RuleLost, RulePlatform, RuleLate,
}

// explain says which rule a receipt follows from, and says it in words.
func explain(r Receipt, m *receiptMessage, record map[string]string, kept []string) (Rule, string) {
	switch r.State {
	case push.StateExcepted:
		return RuleExcept, "The push leaves this device out (except)."
	case push.StateAcked:
		return RuleAcked, "The device has confirmed the message" + after(r, m) + alsoSent(r) + "."
	case push.StateDelivered:
		return RuleInboxAcked, "The device has confirmed the message" + after(r, m) + "; it had waited in its inbox."
	case push.StateInbox:
		if r.Reason == "live" {
			return RuleInboxLive, "It waits in the inbox of the device, and was sent to its new connection as well; the device has not confirmed it yet."
		}
		return RuleInbox, "It waits in the inbox of the device, which gets it at its next connect."
	case push.StateAPNs:
		return RuleAPNs, "The device had not confirmed it in time; APNs has taken it over."
	case push.StateAPNsFailed:
		return RuleAPNsFailed, "The device had not confirmed it in time, and APNs cannot be used for it: " + r.Reason + "."
	case push.StateNoToken:
		return RuleNoToken, "The device had not confirmed it in time and has no device_token."
	case push.StateMuted:
		return RuleMuted, "The device had not confirmed it in time and mutes notifications of this room."
	case push.StateOptOut:
		return RuleOptOut, "The device had not confirmed it in time and wants nothing kept for it (leaveMessage false)."
	case push.StateLive:
		return RuleLive, "It was sent to the new connection of the device; without an ack APNs is next."
	case push.StatePending:
		if r.At != "" {
			return RuleAway, "APNs is away and is asked again: " + r.Reason + "."
		}
		return RuleWaiting, "The offline delivery has not decided about this device yet."
	case push.StateExpired:
		return RuleExpired, "The offline delivery was given up: " + r.Reason + "."
	case push.StateOnline:
		if m.leave && m.done == "" && keeps(r.Platform, kept) {
			return RuleUnacked, "The device has been connected since before the message and has not confirmed it; the offline delivery decides next."
		}
		return RuleUnacked, "The device has been connected since before the message and has not confirmed it."
	}
	switch {
	case !m.leave && record["extra"] == push.ExtraLost:
		return RuleLost, "The push asked for the loss of what goes to connections (extra lost), and is not kept (leaveMessage off)."
	case !m.leave:
		return RuleNotKept, "The device was not connected, and the push is not kept for absent devices (leaveMessage off)."
	case !keeps(r.Platform, kept):
		return RulePlatform, "The device was not connected, and its platform has neither an inbox nor a push service."
	}
	return RuleLate, "The device came to the room when the offline delivery was over, or had no record any more by then."
}

// keeps reports that messages are kept for absent devices of a platform.
func keeps(platform string, kept []string) bool {
	return platform == client.IOS || slices.Contains(kept, platform)
}

func after(r Receipt, m *receiptMessage) string {
	at, _ := strconv.ParseInt(r.At, 10, 64)
	if at < m.sent || at == 0 {
		return ""
	}
	return " " + strconv.FormatInt(at-m.sent, 10) + " ms after it was accepted"
}

// alsoSent: the ack came behind a decision.
func alsoSent(r Receipt) string {
	switch push.State(r.Reason) {
	case push.StateAPNs:
		return "; APNs had been asked by then"
	case push.StateLive:
		return "; it was sent to its new connection"
	case "":
		return ""
	}
	return "; before that the state was " + r.Reason
}
