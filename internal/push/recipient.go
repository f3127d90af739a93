package push

// Recipient is what the offline worker needs to know of a device of the
// audience of a message.
type Recipient struct {
	ClientID string
	Known    bool // it has a record
	OptOut   bool // it wants nothing kept for it (light-push-wire.md 4.6)
	Muted    bool // it mutes the room
	Token    string
	// Node and Gen are the connection that is online; empty and 0 for none.
	Node string
	Gen  int64
}

// Placed is the answer to a message that was put into an inbox.
type Placed struct {
	Known   bool // else nothing was put: the device has no record any more
	OptOut  bool // nothing was put: the device wants nothing kept for it
	Dropped int64
	Node    string // of the connection that is online; "" for none
	Gen     int64
}

// Settled is the fate of a message for one device and what the message's
// record field result says of it.
type Settled struct {
	ClientID string
	Fate     Fate
	Text     string
}

// Run is a run of a push service for a message. The zero value is none.
type Run struct {
	Intro     string // begins the field result; "" when this is no run
	ResultMax int    // bytes of the field result, about
	Separator string // before each text
}
