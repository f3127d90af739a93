package relay

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// TagLength is the number of characters of a tag.
const TagLength = 8

// Tag is what the session ids of a server begin with: 48 bits that name the server to those who know the secret.
func Tag(secret []byte, server string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("sid\x00" + server))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:6])
}

// NewID returns a function that makes session ids with the tag: URL-safe, and unguessable by 120 random bits.
func NewID(tag string) func() string {
	return func() string {
		var random [15]byte
		_, _ = rand.Read(random[:]) // never fails, see crypto/rand
		var id [TagLength + 20]byte
		copy(id[:], tag)
		base64.RawURLEncoding.Encode(id[TagLength:], random[:])
		return string(id[:])
	}
}
