// Package client is the domain of devices: who a connection says it is, what
// is remembered about a device, and where it is online.
//
// It imports only internal/name and internal/input. It owns no goroutine but the Sweeper's, and
// declares the store operations it needs next to their callers.
package client

import (
	"errors"
	"net/url"
	"strings"

	"github.com/lightpush/lightpush/internal/name"
)

// Platforms a device may have. Web is the default.
const (
	Web     = "web"
	IOS     = "ios"
	Android = "android"
)

// Platforms lists all platforms in the order reports use.
var Platforms = [...]string{Web, IOS, Android}

// Refusals of a handshake, in the order they are checked and with the texts
// clients know (light-push-wire.md 2.4).
var (
	ErrUUIDInvalid     = errors.New("uuid invalid")
	ErrUserIDInvalid   = errors.New("userid invalid")
	ErrPlatformInvalid = errors.New("platform invalid")
)

// Identity is what a device says it is (light-push-wire.md 2.3, 2.5). UserID
// is the one of the query; a connect callback may name another effective user
// but never changes the client id.
type Identity struct {
	Namespace string
	UserID    string
	Platform  string
	UUID      string
}

// ID is the visible client id, /<ns>#<userid>#<platform>-<uuid>, the same
// over all connections of the device. It is for showing and comparing whole;
// it cannot be split again because user ids may contain '#' (B27).
func (i Identity) ID() string {
	return i.Namespace + "#" + i.UserID + "#" + i.Platform + "-" + i.UUID
}

// Handshake is a validated connect request.
type Handshake struct {
	Identity
	// ActivityBroadcast asks that joins and leaves are told to the rooms.
	ActivityBroadcast bool
}

// ParseHandshake checks uuid, userid and platform of the merged handshake
// values. A repeated uuid, userid or platform is refused like a malformed one.
func ParseHandshake(rules name.Rules, namespace string, values url.Values) (Handshake, error) {
	uuid, ok := single(values, "uuid")
	if !ok || !rules.UUID(uuid) {
		return Handshake{}, ErrUUIDInvalid
	}
	userID, ok := single(values, "userid")
	if !ok || (userID != "" && !rules.UserID(userID)) {
		return Handshake{}, ErrUserIDInvalid
	}
	platform, ok := single(values, "platform")
	if !ok || (platform != "" && !ValidPlatform(platform)) {
		return Handshake{}, ErrPlatformInvalid
	}
	if userID == "" {
		userID = uuid
	}
	if platform == "" {
		platform = Web
	}
	return Handshake{
		Identity:          Identity{Namespace: namespace, UserID: userID, Platform: platform, UUID: uuid},
		ActivityBroadcast: truthy(values.Get("activityBroadcast")),
	}, nil
}

// ValidPlatform reports whether p is one of Platforms.
func ValidPlatform(p string) bool { return p == Web || p == IOS || p == Android }

// single returns the only value of key, "" when absent; ok is false when the
// key is repeated.
func single(values url.Values, key string) (string, bool) {
	switch v := values[key]; len(v) {
	case 0:
		return "", true
	case 1:
		return v[0], true
	default:
		return "", false
	}
}

// truthy parses the booleans of query strings: "", "false", "0", "off" and
// "no" are off, all else is on (B21).
func truthy(s string) bool {
	switch strings.ToLower(s) {
	case "", "false", "0", "off", "no":
		return false
	}
	return true
}
