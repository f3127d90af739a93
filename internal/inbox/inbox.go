// Package inbox is the domain of what waits for a device: the messages it was
// to get while it was away, in the order of their ids, until it acks them or
// they expire.
//
// The offline worker puts entries in, the session domain hands them out, and
// acks take them away; internal/store keeps them. The package imports nothing
// and owns no goroutine.
package inbox

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Query asks for the entries of one device.
type Query struct {
	Namespace string
	ClientID  string
	After     int64 // message id; entries up to it are left out
	// Bounds of the answer; the first entry is given whatever its size.
	Count int
	Bytes int
}

// Entry is one message in an inbox.
type Entry struct {
	ID int64
	// Record is the message as the offlineMessage event shows it: all values
	// strings but pushData, which is the JSON that was pushed, apsData
	// included (light-push-wire.md 2.8).
	Record json.RawMessage
}

// Page is one part of an inbox, the oldest first.
type Page struct {
	Entries []Entry
	Last    int64 // Query.After of the next page
	More    bool
	// Dropped is how many entries the device has lost to the limit of its
	// inbox since it was last told.
	Dropped int64
}

// Fields are the fields of a message's record that Record shows, in this
// order. The rest of the record speaks of other devices or is internal.
var Fields = [...]string{
	"room", "pushData", "leaveMessage", "apnsName", "except", "extra", "from", "expire", "namespace", "id", "sendDate",
	"onlineClientCount", "ackAndroidCount", "ackIOSCount", "ackCount",
}

// FieldNamespace is the place of the namespace in Fields.
const FieldNamespace = 8

// Encode makes an Entry of the values of Fields, nil where a field is absent;
// ok is false when the message is gone.
func Encode(id int64, values []*string) (e Entry, ok bool) {
	if len(values) != len(Fields) || values[0] == nil || values[1] == nil || !json.Valid([]byte(*values[1])) {
		return Entry{}, false
	}
	b := make([]byte, 0, len(*values[1])+320)
	for i, v := range values {
		if v == nil {
			continue
		}
		if len(b) == 0 {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, Fields[i]...)
		b = append(b, `":`...)
		if i == 1 {
			b = append(b, *v...)
			continue
		}
		b = appendString(b, *v)
	}
	return Entry{ID: id, Record: append(b, '}')}, true
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

// plain reports that s needs no escapes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '\\' || c == '"' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// Key is the form of an entry in the store: the id and the end of the
// message's life (ms), which tells a full inbox what has gone anyway.
func Key(id, expireAt int64) string {
	return strconv.FormatInt(id, 10) + "|" + strconv.FormatInt(expireAt, 10)
}

// ParseKey reads Key's form; anything else gives zeros.
func ParseKey(text string) (id, expireAt int64) {
	first, second, _ := strings.Cut(text, "|")
	id, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, 0
	}
	if expireAt, err = strconv.ParseInt(second, 10, 64); err != nil {
		return 0, 0
	}
	return id, expireAt
}
