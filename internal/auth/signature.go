package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// Times of a signature.
const (
	signSkew = 30 * time.Second // how far in the future its time may be: clocks differ
	// SignWindow is how long after its time a signature is accepted, also
	// again: a client whose connection breaks comes back with the same URL.
	SignWindow = 5 * time.Minute
)

// Sign is the signature a business system gives its client: HMAC-SHA256 in hex
// of the user id, a line feed, and the time in seconds since 1970 as text.
func Sign(secret, userID, seconds string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(userID + "\n" + seconds))
	return hex.EncodeToString(mac.Sum(nil))
}

// Signature checks a signature with any of the secrets, in constant time.
// Errors: ErrSignMissing, ErrSignInvalid, ErrSignExpired.
func (v *Verifier) Signature(secrets []string, userID, seconds, sign string) error {
	if sign == "" || seconds == "" || userID == "" {
		return ErrSignMissing
	}
	raw, err := hex.DecodeString(sign)
	at, errTime := strconv.ParseInt(seconds, 10, 64)
	if err != nil || len(sign) != 2*sha256.Size || errTime != nil || len(seconds) > 12 || seconds[0] == '+' || seconds[0] == '-' {
		return ErrSignInvalid
	}
	fits := false
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(userID + "\n" + seconds))
		fits = hmac.Equal(mac.Sum(nil), raw) || fits
	}
	if !fits {
		return ErrSignInvalid
	}
	age := v.now().Sub(time.Unix(at, 0))
	switch {
	case age > SignWindow:
		return ErrSignExpired
	case age < -signSkew:
		return ErrSignInvalid
	}
	return nil
}
