// Package name holds the rules for the names that callers choose: namespaces,
// rooms, user ids and device uuids (light-push-wire.md 2.3, key_reg).
//
// It imports nothing of the project; a Rules value is immutable and safe for
// concurrent use.
package name

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// DefaultPattern is key_reg: ASCII letters and digits and _ . \ - $ # /.
const DefaultPattern = `^[\\\w.\\\d\-$#/]+$`

// Rules are the configured expression and the length limits, in characters.
type Rules struct {
	Pattern      *regexp.Regexp
	RoomMax      int
	UserIDMax    int
	UUIDMax      int
	NamespaceMax int
}

// DefaultRules are the limits of the wire specification, section 5.
func DefaultRules() Rules {
	return Rules{
		Pattern:      regexp.MustCompile(DefaultPattern),
		RoomMax:      100,
		UserIDMax:    100,
		UUIDMax:      100,
		NamespaceMax: 50,
	}
}

// Room reports whether s may name a room.
func (r Rules) Room(s string) bool { return r.valid(s, r.RoomMax) }

// UserID reports whether s may name a user.
func (r Rules) UserID(s string) bool { return r.valid(s, r.UserIDMax) }

// UUID reports whether s may name a device.
func (r Rules) UUID(s string) bool { return r.valid(s, r.UUIDMax) }

// Namespace reports whether s, with its one leading slash, may name a tenant.
// The root "/" is a legal key: it holds the default APNs profile.
func (r Rules) Namespace(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && r.valid(s, r.NamespaceMax)
}

func (r Rules) valid(s string, limit int) bool {
	// The byte length bounds the work of the expression before it runs.
	if s == "" || len(s) > limit*utf8.UTFMax || utf8.RuneCountInString(s) > limit {
		return false
	}
	return r.Pattern.MatchString(s)
}
