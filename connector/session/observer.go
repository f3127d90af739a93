package session

import (
	"bytes"
	"time"
)

// Observer hears what happens to clients and messages, for metrics. Its methods
// are called concurrently and must be quick.
type Observer interface {
	// Connected: a device was admitted; recovered says that it goes on with an
	// earlier session.
	Connected(platform string, recovered bool)
	// Refused: a client was turned away, or sent away by a limit. The text is
	// what it is told, and may be somebody else's making.
	Refused(reason string)
	// Delivered: messages were handed to n connections; way is one of Ways.
	Delivered(way string, n int)
	// Written: a live message has been written to its connections here, so
	// long after it was accepted. It comes once per message, however many
	// connections there are. The clocks of the two machines are compared.
	Written(after time.Duration)
	// Acked: a device has confirmed a message.
	Acked(platform string)
	// Dropped: a message could not be handed to anybody here; cause is one of
	// Drops.
	Dropped(cause string)
}

// Ways messages take to a connection.
const (
	WayLive      = "live"      // as they are pushed
	WayDirect    = "direct"    // to one device that has come back while its message was being kept
	WayInbox     = "inbox"     // kept for the device
	WayRecovered = "recovered" // missed while the device was away for a moment
)

// Ways lists all ways, for metrics.
var Ways = []string{WayLive, WayDirect, WayInbox, WayRecovered}

// DropEncode says that the event of the message could not be made.
const DropEncode = "encode"

// NopObserver ignores everything.
type NopObserver struct{}

var _ Observer = NopObserver{}

func (NopObserver) Connected(string, bool) {}
func (NopObserver) Refused(string)         {}
func (NopObserver) Delivered(string, int)  {}
func (NopObserver) Written(time.Duration)  {}
func (NopObserver) Acked(string)           {}
func (NopObserver) Dropped(string)         {}

// acceptedAt is when a push was accepted, ms, as its event tells; 0 when it
// does not. The event is the one of push.Message, whose fields behind pushData
// are plain: the last such key is its own, for quotes inside texts are escaped.
func acceptedAt(event []byte) int64 {
	const key = `,"sendDate":`
	at := len(event) - 1 // it is mostly the last field: 1,2,3}
	for at > 0 && event[at-1]-'0' <= 9 {
		at--
	}
	if at < len(key) || string(event[at-len(key):at]) != key {
		if at = bytes.LastIndex(event, []byte(key)); at < 0 {
			return 0
		}
		at += len(key)
	}
	var ms int64
	for ; at < len(event) && event[at]-'0' <= 9; at++ {
		ms = 10*ms + int64(event[at]-'0')
	}
	return ms
}

// written tells the observer about the messages that have left with the last
// flush; the bus reader's goroutine only.
func (h *Hub) written() {
	if len(h.leaving) == 0 {
		return
	}
	now := time.Now().UnixMilli()
	for _, at := range h.leaving {
		h.opts.Observer.Written(time.Duration(max(now-at, 0)) * time.Millisecond)
	}
	h.leaving = h.leaving[:0]
}
