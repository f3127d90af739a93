// Package push is the domain of messages: what a push request may say, the
// group commit that makes it durable, the receipts that come back, and the
// reports over both.
//
// It imports internal/name, internal/input and internal/namespace, and
// declares the store operations it needs (Store, ReceiptStore, ReportStore).
// Committer and Receipts own one goroutine each between Start and Close.
package push

import (
	"encoding/json"
	"strconv"
)

// Message is one accepted push. It is immutable once ID is set.
type Message struct {
	ID        int64 // set by Store.Accept: one strictly increasing counter for all namespaces
	Namespace string
	Room      string
	PushData  json.RawMessage // as given, apsData included
	SendDate  int64           // ms
	Expire    string          // hours, decimal, as reports show it
	ExpireAt  int64           // ms; the message and its receipts are gone then

	// Optional fields; nil when not given, so that reports omit them.
	LeaveMessage *bool
	APNsName     *string
	Except       *string
	From         *string
	Extra        *string

	// HistoryMax is how many messages the namespace keeps in its history; 0:
	// as many as the store does.
	HistoryMax int

	// Once is kept in the group commit of the message; nil for none.
	Once *Once
}

// ExtraLost is the value of extra that simulates a loss: stored and counted,
// never delivered online (light-push-wire.md 1.4.2).
const ExtraLost = "lost"

// Lost reports whether the message simulates a loss.
func (m *Message) Lost() bool { return m.Extra != nil && *m.Extra == ExtraLost }

// ExceptID is the client id that must not get the message, "" for none.
func (m *Message) ExceptID() string {
	if m.Except == nil {
		return ""
	}
	return *m.Except
}

// AppendFields appends the stored fields of the record (light-push-wire.md
// 1.4.4) in a fixed order: name, value, name, value …; counters start at zero.
// Values are strings, pointers to strings of m, bytes and integers: in a batch
// most of the work would be to make interfaces of copies.
func (m *Message) AppendFields(fields []any) []any {
	fields = append(fields,
		"id", m.ID,
		"namespace", &m.Namespace,
		"room", &m.Room,
		"pushData", []byte(m.PushData),
		"sendDate", m.SendDate,
		"expire", &m.Expire,
		FieldExpireAt, m.ExpireAt,
		FieldOnline, "0",
		FieldAck, "0",
		FieldAckIOS, "0",
		FieldAckAndroid, "0",
	)
	if m.LeaveMessage != nil {
		fields = append(fields, "leaveMessage", strconv.FormatBool(*m.LeaveMessage))
	}
	for _, opt := range []struct {
		name  string
		value *string
	}{{"apnsName", m.APNsName}, {"except", m.Except}, {"from", m.From}, {"extra", m.Extra}} {
		if opt.value != nil {
			fields = append(fields, opt.name, opt.value)
		}
	}
	return fields
}

// Names of counters and internal fields in the stored record.
const (
	FieldOnline     = "onlineClientCount"
	FieldAck        = "ackCount"
	FieldAckIOS     = "ackIOSCount"
	FieldAckAndroid = "ackAndroidCount"
	FieldExpireAt   = "expireAt" // ms; internal, never in a report
	FieldDone       = "~done"    // when its offline delivery was over, ms; internal
	// What happened when; internal, see times.go. FieldWritten has the id of a
	// node behind it.
	FieldStored   = "~s"
	FieldWritten  = "~w"
	FieldAcks     = "~a"
	FieldProvider = "~p"
)

// Event is the payload of the push event (light-push-wire.md 2.8). With full
// the remaining stored fields are added, as emit_msg_pick_key: false asks.
func (m *Message) Event(full bool) json.RawMessage {
	b := make([]byte, 0, len(m.PushData)+160)
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, m.ID, 10)
	b = append(b, `,"namespace":`...)
	b = appendString(b, m.Namespace)
	b = append(b, `,"room":`...)
	b = appendString(b, m.Room)
	b = append(b, `,"pushData":`...)
	b = append(b, withoutKey(m.PushData, "apsData")...)
	b = append(b, `,"sendDate":`...)
	b = strconv.AppendInt(b, m.SendDate, 10)
	if full {
		b = m.appendRest(b)
	}
	return append(b, '}')
}

func (m *Message) appendRest(b []byte) []byte {
	b = append(b, `,"expire":`...)
	b = append(b, m.Expire...)
	if m.LeaveMessage != nil {
		b = append(b, `,"leaveMessage":`...)
		b = strconv.AppendBool(b, *m.LeaveMessage)
	}
	for _, opt := range []struct {
		name  string
		value *string
	}{{`,"apnsName":`, m.APNsName}, {`,"except":`, m.Except}, {`,"from":`, m.From}, {`,"extra":`, m.Extra}} {
		if opt.value != nil {
			b = append(b, opt.name...)
			b = appendString(b, *opt.value)
		}
	}
	return append(b, `,"onlineClientCount":0,"ackCount":0,"ackIOSCount":0,"ackAndroidCount":0`...)
}

func appendString(b []byte, s string) []byte {
	if plain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	quoted, _ := json.Marshal(s) // a string always marshals
	return append(b, quoted...)
}

// plain reports that encoding/json writes s as it is: names are, nearly always.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
