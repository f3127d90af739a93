package namespace

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// bcryptCost makes one verification cost about 50 ms; the Verifier's cache
// keeps that off the path of repeated requests.
const bcryptCost = 10

// HashPassword returns the form in which passwords are stored. bcrypt reads
// only 72 bytes, so it is given a digest of the whole password.
func HashPassword(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword(digest(password), bcryptCost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return string(hash), nil
}

func digest(password string) []byte {
	sum := sha256.Sum256([]byte(password))
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

// NewSecret returns a random password of 24 URL-safe characters (144 bits).
func NewSecret() string {
	var b [18]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Verifier compares passwords with stored hashes. It remembers a keyed digest
// of what it has verified, per hash, so that a business system that pushes a
// thousand times a second pays for bcrypt once. Safe for concurrent use; its
// memory is bounded by cacheMax.
type Verifier struct {
	key [32]byte // random per process: the cache is worthless outside of it

	mu       sync.Mutex
	passed   map[string][32]byte // hash → keyed digest of the password that fits
	checking map[pair]*check     // what bcrypt is busy with; bound: the callers
}

// pair is one question to bcrypt: a hash and the keyed digest of a password.
type pair struct {
	hash string
	sum  [32]byte
}

// check is a question that is being answered.
type check struct {
	done chan struct{} // closed when fits is set
	fits bool
}

const cacheMax = 10_000

// NewVerifier returns an empty Verifier.
func NewVerifier() *Verifier {
	v := &Verifier{passed: map[string][32]byte{}, checking: map[pair]*check{}}
	_, _ = rand.Read(v.key[:])
	return v
}

// Verify reports whether password fits hash. An empty hash or password never
// fits (B30). Comparisons take the same time whatever the password (B31).
func (v *Verifier) Verify(hash, password string) bool {
	if hash == "" || password == "" {
		return false
	}
	question := pair{hash: hash, sum: v.sum(password)}
	v.mu.Lock()
	if known, ok := v.passed[hash]; ok {
		v.mu.Unlock()
		// A hash has one password: a mismatch with the remembered digest
		// is final and needs no bcrypt.
		return subtle.ConstantTimeCompare(known[:], question.sum[:]) == 1
	}
	if c, ok := v.checking[question]; ok {
		// After a start all clients of a tenant come at once: one bcrypt
		// answers them all.
		v.mu.Unlock()
		<-c.done
		return c.fits
	}
	c := &check{done: make(chan struct{})}
	v.checking[question] = c
	v.mu.Unlock()

	defer close(c.done)
	c.fits = bcrypt.CompareHashAndPassword([]byte(hash), digest(password)) == nil
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.checking, question)
	if !c.fits {
		return false
	}
	if len(v.passed) >= cacheMax {
		clear(v.passed)
	}
	v.passed[hash] = question.sum
	return true
}

// sum is the keyed digest of a password: of the secret key and the password
// behind it. Digests never leave the process, so nobody can lengthen one, and
// this is a third of the work of an HMAC for every request.
func (v *Verifier) sum(password string) [32]byte {
	var stack [96]byte
	return sha256.Sum256(append(append(stack[:0], v.key[:]...), password...))
}
