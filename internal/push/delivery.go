package push

import "encoding/json"

// Delivery is one message on its way to one node: what a connector needs to
// hand it to the members of the room.
type Delivery struct {
	MessageID int64
	Namespace string
	Room      string
	Except    string          // client id that must not get it, "" for none
	Payload   json.RawMessage // Message.Event
}
