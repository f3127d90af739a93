// Package apikey is the domain of scoped keys for the REST interface: how they
// are made, stored and recognised. A namespace lists its keys; each process has
// them with its copy of the namespace.
//
// It imports nothing of the project and owns no goroutine. Values are
// immutable.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// Scope is what a key allows; each holds for one namespace.
type Scope string

// Scopes.
const (
	Push  Scope = "push"  // send messages
	Read  Scope = "read"  // reports and records; changes nothing
	Admin Scope = "admin" // all that the password of the namespace allows
)

// ValidScope reports whether s is one of the scopes.
func ValidScope(s Scope) bool { return s == Push || s == Read || s == Admin }

// Bounds.
const (
	NameMax = 100 // bytes of a name
	Max     = 50  // keys of one namespace
	// TextMax bounds the text of a key, in bytes.
	TextMax = 4000
)

// Key is a key as it is stored: nothing in it lets anybody use it. The text of
// a key is 256 random bits, so one round of SHA-256 is as good as a slow hash
// and costs nothing at every request.
type Key struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Scope   Scope  `json:"scope"`
	Hash    string `json:"hash"` // hex of SHA-256 of the whole text
	Created int64  `json:"created"`
	By      string `json:"by,omitempty"`
}

// Errors.
var (
	ErrUnknown = errors.New("api key not found")
	ErrFull    = errors.New("too many api keys")
	ErrInvalid = errors.New("api key invalid")
)

const (
	prefix    = "lpk_"
	idSize    = 9  // bytes; 12 characters
	bodySize  = 32 // bytes; 43 characters
	separator = "."
)

// New makes a key for a namespace. The text is for the caller alone: it cannot
// be shown again. now is in ms.
func New(namespace, name string, scope Scope, by string, now int64) (k Key, text string) {
	var raw [idSize + bodySize]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	enc := base64.RawURLEncoding
	k = Key{ID: enc.EncodeToString(raw[:idSize]), Name: name, Scope: scope, Created: now, By: by}
	text = prefix + enc.EncodeToString([]byte(namespace)) + separator + k.ID + separator + enc.EncodeToString(raw[idSize:])
	k.Hash = hash(text)
	return k, text
}

// IsText reports whether a credential has the form of a key.
func IsText(text string) bool { return strings.HasPrefix(text, prefix) }

// Parse tells the namespace and the id a text names. Nothing is proved yet.
func Parse(text string) (namespace, id string, err error) {
	rest, ok := strings.CutPrefix(text, prefix)
	parts := strings.Split(rest, separator)
	if !ok || len(text) > TextMax || len(parts) != 3 {
		return "", "", ErrInvalid
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(parts[0])
	if err != nil || len(raw) == 0 || len(parts[1]) != base64.RawURLEncoding.EncodedLen(idSize) ||
		len(parts[2]) != base64.RawURLEncoding.EncodedLen(bodySize) {
		return "", "", ErrInvalid
	}
	return string(raw), parts[1], nil
}

// Find returns the key of keys that text is; the comparison takes the same time
// whatever differs.
func Find(keys []Key, id, text string) (Key, bool) {
	i := slices.IndexFunc(keys, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Key{}, false
	}
	return keys[i], subtle.ConstantTimeCompare([]byte(keys[i].Hash), []byte(hash(text))) == 1
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
