package push

import (
	"strconv"
	"strings"
)

// State is what became of a message for one device.
type State string

// States that are kept per message and device by the offline worker and by
// acks. All but StateLive and StatePending are final: a job that runs again
// leaves them alone. Each takes the place of none or of one that is not final;
// StateDelivered also that of StateInbox.
const (
	StateInbox      State = "inbox"       // waits for the device to return
	StateDelivered  State = "delivered"   // acked out of the inbox
	StateAPNs       State = "apns"        // the push service has taken it over
	StateAPNsFailed State = "apns_failed" // the push service refuses it, or there is none
	StateNoToken    State = "no_token"    // the device has no address at the push service
	StateMuted      State = "muted"       // the device mutes the room
	StateOptOut     State = "optout"      // the device wants nothing kept for it
	StateLive       State = "live"        // sent to its new connection, waits for the ack
	StatePending    State = "pending"     // the push service is away; without a fate: nothing is decided yet
)

// States that follow from the rest of the record.
const (
	StateAcked    State = "acked"    // acked without having waited in an inbox
	StateOnline   State = "online"   // connected since before the push, no ack
	StateExpired  State = "expired"  // the offline run was given up
	StateExcepted State = "excepted" // the push excepts the device
	StateMissed   State = "missed"   // not connected, and the message is not kept for it
)

// States lists all states, for the validation of queries.
var States = []State{
	StateAcked, StateOnline, StateInbox, StateDelivered, StateAPNs, StateAPNsFailed, StateNoToken, StateMuted,
	StateOptOut, StateExpired, StateLive, StatePending, StateExcepted, StateMissed,
}

// Fate is what became of a message for one device, as far as the offline
// worker has decided.
type Fate struct {
	State  State
	At     int64  // ms
	Detail string // the push service's reason, the cause of a drop; may be ""
}

// Final reports that a job which runs again must not decide anew.
func (f Fate) Final() bool {
	return f.State != "" && f.State != StateLive && f.State != StatePending
}

// DetailAgain of StateLive: the push service was asked before, in vain.
const DetailAgain = "again"

// fateDetailMax bounds what is kept of a reason, in bytes.
const fateDetailMax = 200

// Encode gives the stored form, state|ms|detail.
func (f Fate) Encode() string {
	return string(f.State) + "|" + strconv.FormatInt(f.At, 10) + "|" + f.Detail[:min(len(f.Detail), fateDetailMax)]
}

// DecodeFate reads Encode's form; anything else, "" too, is no fate.
func DecodeFate(text string) Fate {
	parts := strings.SplitN(text, "|", 3)
	if len(parts) != 3 {
		return Fate{}
	}
	at, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || parts[0] == "" {
		return Fate{}
	}
	return Fate{State: State(parts[0]), At: at, Detail: strings.ToValidUTF8(parts[2], "?")}
}
