package offline

import (
	"slices"

	"github.com/lightpush/lightpush/internal/push"
)

// The rules by which a message with leaveMessage goes to a device that has not
// acked it. The worker acts by them and Explain tells them: neither has rules
// of its own.

// way is how the devices of a platform get what they have missed.
type way int

const (
	byNothing way = iota
	byInbox
	byService // of the platform, as APNs
)

// wayOf prefers a push service to an inbox.
func (o *Options) wayOf(platform string) way {
	switch {
	case o.Providers[platform] != nil:
		return byService
	case slices.Contains(o.InboxPlatforms, platform):
		return byInbox
	}
	return byNothing
}

// excepted reports that the push leaves a device out, online and offline.
func excepted(m *push.Message, clientID string) bool {
	return m.ExceptID() != "" && clientID == m.ExceptID()
}

// decision is what is done for one device.
type decision int

const (
	ignore  decision = iota // it was forgotten
	optOut                  // it wants nothing kept for it
	muted                   // it wants no notification of the room
	tell                    // it has come back: live first
	noToken                 // the push service has no address of it
	keep                    // into its inbox
	notify                  // to the push service
)

// decide goes by what is known of a device; back: it is connected where nobody
// has told it live yet. A device with an inbox gets its entry whether or not it
// is back, and mutes concern notifications only.
func decide(w way, c push.Recipient, back bool) decision {
	switch {
	case !c.Known || w == byNothing:
		return ignore
	case c.OptOut:
		return optOut
	case w == byInbox:
		return keep
	case c.Muted:
		return muted
	case back:
		return tell
	case c.Token == "":
		return noToken
	}
	return notify
}
