// Package room is the domain of named groups inside a namespace: the reserved
// room of each user and the figures of who is in a room.
//
// It imports only internal/input and internal/name.
package room

import "strings"

// UserPrefix starts the name of the room that every device of a user joins
// by itself.
const UserPrefix = "user_"

// ForUser is the room of all devices of one user.
func ForUser(userID string) string { return UserPrefix + userID }

// IsUser tells user rooms from rooms that clients join by choice. Only the
// latter count as rooms of the namespace in reports (light-push-wire.md
// 1.4.5, B22).
func IsUser(room string) bool { return strings.HasPrefix(room, UserPrefix) }

// Count is the presence of one room: Online are the devices connected now,
// Total every device that joined and did not leave, both by platform.
type Count struct {
	Users  int64
	Online PerPlatform
	Total  PerPlatform
}

// PerPlatform holds one figure per platform.
type PerPlatform struct{ Web, IOS, Android int64 }

// Sum over all platforms.
func (p PerPlatform) Sum() int64 { return p.Web + p.IOS + p.Android }

// Online is the presence of one namespace. Rooms counts rooms with a device
// online, user rooms excluded; Total every device ever seen.
type Online struct {
	Rooms, Users, Clients, Total int64
}
