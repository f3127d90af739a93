package room

import "encoding/json"

// Types of a Transfer, as callers spell them (light-push-wire.md 1.4.7).
const (
	TransferJoin  = "join"
	TransferLeave = "leave"
)

// Transfer is a change of membership on its way to one node. With
// TransferJoin the connections that are in one of Sources join Target; with
// TransferLeave those of Clients leave it.
type Transfer struct {
	Namespace string
	Target    string
	Sources   []string // as the caller has named them; told to the clients
	Type      string
	Clients   []string // client ids; with TransferLeave only
	// Done is the token by which the node confirms; "" when nobody waits.
	Done string
}

// Event is an event for the members of a room on its way to one node. It is
// ephemeral: nothing is stored, nothing is acknowledged, and who is not there
// never gets it.
type Event struct {
	Namespace string
	Room      string
	Except    string // client id that must not get it, "" for none
	Name      string
	Payload   json.RawMessage // the one argument
}
