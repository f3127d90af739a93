package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of callbacks beside those of light-push.
const (
	// HeaderSignature is "t=<unix seconds>,v1=<hex of HMAC-SHA256>", sent when
	// the namespace has a callback_secret.
	HeaderSignature = "X-Lightpush-Signature"
	// HeaderDelivery identifies a disconnect callback over all its attempts.
	HeaderDelivery = "X-Lightpush-Delivery"
)

// ErrSignature is returned for a request that does not carry the signature of
// its secret, or carries one that is too old.
var ErrSignature = errors.New("signature is missing, wrong or too old")

// Signature signs a request: the time, the method, the request target as it is
// on the request line (path and query), and the body, joined by dots.
func Signature(secret string, at time.Time, method, target string, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, method, target, body))
}

func mac(secret, t, method, target string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(h, "%s.%s.%s.", t, method, target)
	_, _ = h.Write(body)
	return h.Sum(nil)
}

// Verify checks the signature of a request that was received, as a business
// system does; age is how far its time may be from now.
func Verify(secret, signature, method, target string, body []byte, now time.Time, age time.Duration) error {
	t, rest, ok := strings.Cut(signature, ",v1=")
	t, stamped := strings.CutPrefix(t, "t=")
	seconds, err := strconv.ParseInt(t, 10, 64)
	given, hexErr := hex.DecodeString(rest)
	if !ok || !stamped || err != nil || hexErr != nil || secret == "" ||
		now.Sub(time.Unix(seconds, 0)).Abs() > age || !hmac.Equal(given, mac(secret, t, method, target, body)) {
		return ErrSignature
	}
	return nil
}

// signer signs the requests of one call, redirects included.
type signer struct {
	secret string
	body   []byte
	now    func() time.Time
}

type signerKey struct{}

func (s *signer) sign(req *http.Request) {
	body := s.body
	if req.Method != http.MethodPost { // some redirects turn one into a GET
		body = nil
	}
	req.Header.Set(HeaderSignature, Signature(s.secret, s.now(), req.Method, req.URL.RequestURI(), body))
}
