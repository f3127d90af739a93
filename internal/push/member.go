package push

import "encoding/json"

// Member is a member of the push data, nil when there is none. It shares the
// memory of the message.
func (m *Message) Member(key string) json.RawMessage {
	value, _ := member(m.PushData, key)
	return value
}
