//go:build e2e

package examples

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

const tokenKey = "0123456789abcdef0123456789abcdef"

// issue makes a JWT as a business system would.
func issue(user string, life time.Duration) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, user, time.Now().Add(life).Unix()))
	mac := hmac.New(sha256.New, []byte(tokenKey))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// TestReceiversTokens: a device with a token that expires gets a new one in time; without one it is sent away, and comes
// back as soon as there is one.
func TestReceiversTokens(t *testing.T) {
	s := startServer(t)
	s.request(http.MethodPost, "/api/auth/namespace/save", object{"auth": "jwt", "auth_key": tokenKey}, nil)
	for _, r := range receivers(t) {
		t.Run(r.name, func(t *testing.T) {
			var broken atomic.Bool
			tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				token := issue(req.URL.Query().Get("userid"), 8*time.Second)
				if broken.Load() {
					token = "none"
				}
				_, _ = fmt.Fprintf(w, `{"token":%q}`, token)
			}))
			defer tokens.Close()
			device := r.start(t, []string{"PUSH_URL=" + s.url, "PUSH_USER=" + r.name, "PUSH_UUID=t1", "PUSH_TOKEN_URL=" + tokens.URL, "PUSH_RETRY_MAX=500"})
			device.wait("^ready as")
			device.wait("^(token )?refreshed")
			broken.Store(true)
			device.wait("^closing: token expired")
			device.wait("token invalid") // a refused attempt, and the device goes on
			broken.Store(false)
			device.wait("^ready as")
			device.stop()
		})
	}
}
