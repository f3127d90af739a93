package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Header marks a request that another server has passed on: "1.<unix ms>.<client address>.<hmac>", the address in
// base64url, the HMAC-SHA256 in hex.
const Header = "Lightpush-Relay"

// skew is how far the clocks of two servers may be apart. A request that is repeated within it brings nobody further:
// whoever has seen it knows the session id, which is all that any client needs.
const skew = 2 * time.Minute

// sign makes the header's value for r, which came from client (host:port).
func sign(secret []byte, r *http.Request, client string, now time.Time) string {
	at := strconv.FormatInt(now.UnixMilli(), 10)
	return "1." + at + "." + base64.RawURLEncoding.EncodeToString([]byte(client)) + "." + hex.EncodeToString(seal(secret, r, client, at))
}

func seal(secret []byte, r *http.Request, client, at string) []byte {
	mac := hmac.New(sha256.New, secret)
	for _, part := range []string{
		"relay", at, r.Method, r.URL.RequestURI(), client, strings.Join(r.Header["X-Forwarded-For"], ","),
		r.Header.Get("Origin"),
	} {
		mac.Write([]byte(part))
		mac.Write([]byte{'\n'}) // no part of a parsed request contains one
	}
	return mac.Sum(nil)
}

// verify returns the client's address of a request with the header value.
func verify(secret []byte, r *http.Request, value string, now time.Time) (client string, ok bool) {
	parts := strings.Split(value, ".")
	if len(value) > 512 || len(parts) != 4 || parts[0] != "1" {
		return "", false
	}
	at, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || now.Sub(time.UnixMilli(at)).Abs() > skew {
		return "", false
	}
	address, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return "", false
	}
	got, err := hex.DecodeString(parts[3])
	if err != nil || !hmac.Equal(got, seal(secret, r, string(address), parts[1])) {
		return "", false
	}
	return string(address), true
}
