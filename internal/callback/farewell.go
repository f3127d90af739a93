package callback

import (
	"encoding/json"
	"errors"
	"net/url"

	"github.com/lightpush/lightpush/internal/namespace"
)

// Farewell is a disconnect callback that is due when a connection has ended:
// the configuration at the time of connecting, but for secrets, and what the
// device said. Its JSON is kept in the store while the connection lives, and
// is then the body of a job of queue.Callback.
type Farewell struct {
	Namespace string            `json:"ns"`
	URL       string            `json:"url"`
	Query     map[string]string `json:"query"`
	Cookie    string            `json:"cookie,omitempty"`
	ClientIP  string            `json:"ip,omitempty"`
}

// farewellMax bounds what is kept per connection, in bytes.
const farewellMax = 64 << 10

// ErrTooLarge refuses a device that says more than can be kept for its
// disconnect callback.
var ErrTooLarge = errors.New("handshake too large")

// NewFarewell returns the JSON of the disconnect callback of a connection
// that is being admitted, "" when the namespace has none. Error: ErrTooLarge.
func NewFarewell(ns *namespace.Namespace, r Request) (string, error) {
	if ns.DisconnectCallback == nil || *ns.DisconnectCallback == "" {
		return "", nil
	}
	f := Farewell{Namespace: ns.Key, URL: *ns.DisconnectCallback, Query: flat(r.Query), Cookie: r.Cookie, ClientIP: r.ClientIP}
	body, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	if len(body) > farewellMax {
		return "", ErrTooLarge
	}
	return string(body), nil
}

func flat(values url.Values) map[string]string {
	query := make(map[string]string, len(values))
	for k := range values {
		query[k] = values.Get(k)
	}
	return query
}
