// Package auth decides who may connect: it verifies the tokens and signatures
// clients bring, and knows whose access was revoked.
//
// A Verifier is safe for concurrent use and owns no goroutine; what it caches
// (parsed keys, fetched key sets) is bounded. Revocations owns one goroutine
// between Start and Close. Errors that are told to clients are sentinels whose
// texts are part of the interface (doc/authentication.md); they never quote a
// token or a key.
//
// It imports golang-jwt and nothing of the project.
package auth

import "errors"

// Mode is how a namespace admits clients.
type Mode string

// Modes.
const (
	Open     Mode = "open"     // anybody whose handshake is well-formed
	Callback Mode = "callback" // whom the connect callback accepts
	JWT      Mode = "jwt"      // the bearer of a signed token
	HMAC     Mode = "hmac"     // who has a signature of user id and time
)

// ValidMode reports whether m is one of the modes.
func ValidMode(m Mode) bool { return m == Open || m == Callback || m == JWT || m == HMAC }

// Refusals with the texts clients see. All are final but ErrKeys.
var (
	ErrTokenMissing = errors.New("token required")
	ErrTokenInvalid = errors.New("token invalid")
	ErrTokenExpired = errors.New("token expired")
	ErrTokenEarly   = errors.New("token not valid yet")
	ErrTokenUser    = errors.New("token is of another user")
	ErrSignMissing  = errors.New("sign required")
	ErrSignInvalid  = errors.New("sign invalid")
	ErrSignExpired  = errors.New("sign expired")
	ErrRevoked      = errors.New("access revoked")
	// ErrKeys: the keys could not be fetched; the client may try again.
	ErrKeys = errors.New("token keys unavailable")
)
