package push

import (
	"encoding/json"
	"errors"
	"strconv"
)

// MissedQuery asks for what a device has not got since an offset.
type MissedQuery struct {
	Namespace string
	ClientID  string   // messages that except it are left out
	Rooms     []string // it was a member of
	Offset    string   // of the last message it has got: MessageOffset or TimeOffset
	// Alive is a time, ms, at which it was connected as far as its node
	// knew; 0 when nobody knows.
	Alive int64
	// Bounds of the answer.
	MessagesMax int
	BytesMax    int
}

// ErrUnreachable is the answer to a MissedQuery that cannot be answered
// completely: the offset is unknown or too far back, or there is too much.
var ErrUnreachable = errors.New("missed messages are not known completely")

// MessageOffset is the offset of a device that has got this message.
func MessageOffset(id int64) string { return strconv.FormatInt(id, 10) }

// TimeOffset is the offset of a device that has got nothing yet and came at
// this time, ms on the clock of the store's server.
func TimeOffset(at int64) string { return "@" + strconv.FormatInt(at, 10) }

// ParseOffset reads either form; exactly one of the results is positive.
func ParseOffset(text string) (id, at int64, ok bool) {
	into := &id
	if len(text) > 0 && text[0] == '@' {
		into, text = &at, text[1:]
	}
	if len(text) == 0 || text[0] < '1' || text[0] > '9' { // no sign, no leading zero
		return 0, 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	*into = n
	return id, at, true
}

// StoredFields are the fields of a record that make a Message again.
var StoredFields = []string{
	"namespace", "room", "pushData", "sendDate", "expire", FieldExpireAt,
	"leaveMessage", "apnsName", "except", "from", "extra",
}

// FromStored makes the message of a record's StoredFields, nil where a field
// is absent; ok is false when the record is gone.
func FromStored(id int64, fields []*string) (m *Message, ok bool) {
	if len(fields) != len(StoredFields) || fields[0] == nil {
		return nil, false
	}
	text := func(i int) string {
		if fields[i] == nil {
			return ""
		}
		return *fields[i]
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(text(i), 10, 64)
		return n
	}
	m = &Message{
		ID: id, Namespace: text(0), Room: text(1), PushData: json.RawMessage(text(2)),
		SendDate: number(3), Expire: text(4), ExpireAt: number(5),
		APNsName: fields[7], Except: fields[8], From: fields[9], Extra: fields[10],
	}
	if fields[6] != nil {
		leave := *fields[6] == "true"
		m.LeaveMessage = &leave
	}
	return m, true
}
