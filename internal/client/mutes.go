package client

import (
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
)

// MutesMax is how many rooms one device may mute.
const MutesMax = 1000

// MuteChange changes the rooms whose messages are not sent to a device by
// APNs: Add first, then Remove. Names are compared whole (B8).
type MuteChange struct{ Add, Remove []string }

// Absent reports that neither was given, which asks to read.
func (c MuteChange) Absent() bool { return c.Add == nil && c.Remove == nil }

// ParseMutes reads add and remove, arrays of at most limit names each. Errors
// are *input.FieldError. What was muted under a name that is no longer valid
// can still be removed.
func ParseMutes(rules name.Rules, f input.Fields, limit int) (c MuteChange, err error) {
	if c.Add, _, err = f.Texts("add", limit, 4*rules.RoomMax, false); err != nil {
		return MuteChange{}, err
	}
	if c.Remove, _, err = f.Texts("remove", limit, 4*rules.RoomMax, false); err != nil {
		return MuteChange{}, err
	}
	for _, room := range c.Add {
		if !rules.Room(room) {
			return MuteChange{}, &input.FieldError{Field: "add", Problem: "must hold only names of rooms"}
		}
	}
	return c, nil
}
