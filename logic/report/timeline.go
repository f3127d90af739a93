package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
)

// Event is one entry of a timeline.
type Event struct {
	At       int64  `json:"at"` // ms
	Event    string `json:"event"`
	Node     string `json:"node,omitempty"`
	ClientID string `json:"clientId,omitempty"`
	Count    int64  `json:"count,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// Events of a message. Those of a device are EventWritten, its states and
// push.StateAcked.
const (
	EventAccepted      = "accepted"       // the request was checked
	EventStored        = "stored"         // its group commit left for the store
	EventRouted        = "routed"         // so many nodes hold the room
	EventQueued        = "queued"         // for devices that do not ack
	EventWritten       = "written"        // a node handed it to connections
	EventWrittenLast   = "written_last"   // and did so last
	EventAckFirst      = "ack_first"      // of a device
	EventAckLast       = "ack_last"       // the latest first ack of a device
	EventProviderFirst = "provider_first" // answer of a push service
	EventProviderLast  = "provider_last"
	EventDecided       = "decided" // the offline delivery is over
	EventDead          = "dead"    // the offline delivery was given up
	EventExpires       = "expires" // and all of this with it
)

// timeline is what happened to a message as a whole, in the order of its life.
func timeline(m *TracedMessage, t push.Times, job queue.Status) []Event {
	list := []Event{{At: t.Sent, Event: EventAccepted, Detail: strconv.Itoa(len(m.PushData)) + " bytes to " + m.Room + ", kept for " + m.Expire + " h"}}
	begun := t.Sent
	if t.Stored.At > 0 {
		begun = t.Stored.At
		list = append(list, Event{At: begun, Event: EventStored},
			Event{At: begun, Event: EventRouted, Count: int64(t.Stored.Nodes), Detail: routedTo(t.Stored)})
	}
	if m.LeaveMessage != nil && *m.LeaveMessage == "true" {
		list = append(list, Event{At: begun, Event: EventQueued, Detail: jobStands(job)})
	}
	for _, w := range t.Written {
		list = append(list, Event{At: w.First, Event: EventWritten, Node: w.Node, Count: w.Connections})
		if w.Last > w.First {
			list = append(list, Event{At: w.Last, Event: EventWrittenLast, Node: w.Node, Count: w.Connections})
		}
	}
	list = append(list, span(EventAckFirst, EventAckLast, t.Acks.First, t.Acks.Last, m.Acked, "")...)
	if m.APNsCount != nil {
		sent, _ := strconv.ParseInt(*m.APNsCount, 10, 64)
		detail := ""
		if m.APNsSuccessCount != nil {
			detail = *m.APNsSuccessCount + " taken"
		}
		list = append(list, span(EventProviderFirst, EventProviderLast, t.Provider[0], t.Provider[1], sent, detail)...)
	}
	if t.Done > 0 {
		done := Event{At: t.Done, Event: EventDecided}
		if m.Result != nil {
			done.Detail = strings.TrimSpace(*m.Result)
		}
		list = append(list, done)
	}
	if job.Dead > 0 {
		list = append(list, Event{At: job.Dead, Event: EventDead, Detail: job.Reason})
	}
	return append(list, Event{At: m.ExpireAt, Event: EventExpires})
}

// span is the first and the last of several things, or the only one; its end
// has the count.
func span(first, last string, from, to, count int64, detail string) []Event {
	switch {
	case from <= 0 || count <= 0:
		return nil
	case to <= from:
		return []Event{{At: from, Event: first, Count: count, Detail: detail}}
	}
	return []Event{{At: from, Event: first}, {At: to, Event: last, Count: count, Detail: detail}}
}

func routedTo(s push.Stored) string {
	text := ""
	for i, name := range s.Names {
		if i > 0 {
			text += ", "
		}
		text += name
	}
	if more := s.Nodes - len(s.Names); more > 0 {
		if text != "" {
			text += " and "
		}
		text += strconv.Itoa(more) + " more"
	}
	return text
}

// jobStands tells how the offline delivery stands.
func jobStands(job queue.Status) string {
	switch {
	case !job.Known:
		return ""
	case job.Dead > 0:
		return "given up after " + strconv.Itoa(job.Attempt+1) + " attempts"
	case job.Attempt == 0:
		return "due at " + instant(job.Due)
	}
	return "attempt " + strconv.Itoa(job.Attempt+1) + " due at " + instant(job.Due) + ", " + strconv.Itoa(job.Failed) + " failed"
}

// instant is a time in words, ms.
func instant(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000 UTC") }
