package session

import "github.com/lightpush/lightpush/internal/client"

// announce has the joins and leaves of this connection told to its rooms, if
// the client asked for that. The store does the telling: it alone knows which
// of them change who is in a room (B21).
func (d *device) announce(hs client.Handshake) {
	if hs.ActivityBroadcast {
		d.member.Announce = hs.UUID
	}
}
