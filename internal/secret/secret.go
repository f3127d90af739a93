// Package secret encrypts what must not be readable in the store: the
// credentials of push services and of callbacks. Texts are sealed with
// AES-256-GCM under a key that lives outside the store, and each is bound to
// the place it stands in, so that it is worthless anywhere else.
//
// It imports nothing of the project and owns no goroutine. A Box is immutable
// and safe for concurrent use.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeySize is the length of a key, in bytes.
const KeySize = 32

// Key is one encryption key.
type Key [KeySize]byte

// String hides the key: it must not get into a log.
func (Key) String() string { return "***" }

// GoString hides the key too.
func (Key) GoString() string { return "***" }

// Text is the form in which a key is configured: base64, 44 characters.
func (k Key) Text() string { return base64.StdEncoding.EncodeToString(k[:]) }

// ID names the key without giving anything of it away: 8 hex digits.
func (k Key) ID() string {
	sum := sha256.Sum256(append([]byte("lightpush secret key id\x00"), k[:]...))
	return hex.EncodeToString(sum[:4])
}

// NewKey returns a random key.
func NewKey() (k Key) {
	_, _ = rand.Read(k[:]) // never fails (crypto/rand)
	return k
}

// Errors.
var (
	ErrKeyText = errors.New("must be a key of 32 bytes in base64 (44 characters) or hex (64)")
	// ErrNoKey: the text is sealed with a key this Box does not have.
	ErrNoKey = errors.New("sealed with a key that is not configured")
	// ErrDamaged: the text was changed, or belongs to another place.
	ErrDamaged = errors.New("sealed text is damaged or belongs somewhere else")
)

// ParseKey reads base64, with or without padding, of either alphabet, or hex.
func ParseKey(text string) (k Key, err error) {
	text = strings.TrimSpace(text)
	var raw []byte
	if len(text) == 2*KeySize {
		raw, err = hex.DecodeString(text)
	} else {
		text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		raw, err = base64.RawStdEncoding.DecodeString(text)
	}
	if err != nil || len(raw) != KeySize {
		return Key{}, ErrKeyText // not the cause: it would quote the key
	}
	copy(k[:], raw)
	return k, nil
}

// prefix begins every sealed text; the number is the version of the form
// prefix keyID ":" base64(nonce ciphertext).
const prefix = "sealed:1:"

// IsSealed reports whether text has the form of a sealed one.
func IsSealed(text string) bool { return strings.HasPrefix(text, prefix) }

// Box seals with its first key and opens with any of its keys.
type Box struct {
	current string // id of the key that seals; "" for none
	ciphers map[string]cipher.AEAD
}

// NewBox returns a Box; current nil means that it seals nothing, and old keys
// only open.
func NewBox(current *Key, old ...Key) (*Box, error) {
	b := &Box{ciphers: map[string]cipher.AEAD{}}
	if current != nil {
		b.current = current.ID()
		old = append(old, *current)
	}
	for _, key := range old {
		block, err := aes.NewCipher(key[:])
		if err != nil {
			return nil, fmt.Errorf("secret key: %w", err)
		}
		if b.ciphers[key.ID()], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("secret key: %w", err)
		}
	}
	return b, nil
}

// Encrypts reports whether the Box has a key to seal with.
func (b *Box) Encrypts() bool { return b.current != "" }

// Seal encrypts text for place, any text that names where it is kept. Without
// a key the text comes back as it is; so does "", and a sealed text, which
// this process could not open and must not lose.
func (b *Box) Seal(text, place string) string {
	if b.current == "" || text == "" || IsSealed(text) {
		return text
	}
	aead := b.ciphers[b.current]
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(text)+aead.Overhead())
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	sealed := aead.Seal(nonce, nonce, []byte(text), []byte(place))
	return prefix + b.current + ":" + base64.RawStdEncoding.EncodeToString(sealed)
}

// Open decrypts what Seal made for the same place. A text that is not sealed
// comes back as it is: it is from before there was a key. Errors: ErrNoKey,
// ErrDamaged.
func (b *Box) Open(text, place string) (string, error) {
	rest, sealed := strings.CutPrefix(text, prefix)
	if !sealed {
		return text, nil
	}
	id, encoded, _ := strings.Cut(rest, ":")
	aead, known := b.ciphers[id]
	if !known {
		return "", fmt.Errorf("%w (key %.8q)", ErrNoKey, id)
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) < aead.NonceSize() {
		return "", ErrDamaged
	}
	plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(place))
	if err != nil {
		return "", ErrDamaged
	}
	return string(plain), nil
}
