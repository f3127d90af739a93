package push

import "encoding/json"

// Direct is one message on its way to one device, wherever in its room the
// others are: the node delivers it if the device is connected there, and drops
// it otherwise.
type Direct struct {
	Namespace string
	ClientID  string
	MessageID int64
	Payload   json.RawMessage // Message.Event
}
