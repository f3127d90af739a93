package callback

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// Probed is the real answer of a business system to a callback that was made
// to see it.
type Probed struct {
	Status int    `json:"status"` // 0 when there was no answer
	Ms     int64  `json:"ms"`
	Body   string `json:"body"`  // the beginning of it
	Error  string `json:"error"` // why there was no answer; "" when there was one
}

// Bounds of what is shown of an answer, in bytes.
const (
	probedBodyMax  = 4 << 10
	probedErrorMax = 300
)

// ErrNoCallback refuses to probe a callback that is not configured.
var ErrNoCallback = errors.New("this callback is not configured")

// Tester makes callbacks to see their answers; nothing follows from them. Safe
// for concurrent use; the caller limits how often.
type Tester struct{ client *client }

// NewTester returns a Tester, which keeps to the networks of o; Close it.
func NewTester(o Options) *Tester {
	o.setDefaults()
	return &Tester{client: newClient(o)}
}

// Close drops idle connections; no call may be under way.
func (t *Tester) Close() { t.client.close() }

// Test makes a callback of a kind with the credentials of its namespace.
// Error: ErrNoCallback; that there is no answer is part of the result.
func (t *Tester) Test(ctx context.Context, ns *namespace.Namespace, kind string, query url.Values) (Probed, error) {
	target := ns.ConnectCallback
	if kind == KindDisconnect {
		target = ns.DisconnectCallback
	}
	if target == nil || *target == "" {
		return Probed{}, ErrNoCallback
	}
	r := call{method: http.MethodGet, namespace: ns.Key, credentials: credentialsOf(ns)}
	if kind == KindDisconnect {
		body, err := json.Marshal(map[string]any{"query": flat(query)})
		if err != nil {
			return Probed{}, err
		}
		r.method, r.url, r.body, r.delivery = http.MethodPost, *target, body, "test"
	} else {
		r.url = withQuery(*target, query)
	}
	started := time.Now()
	status, body, err := t.client.ask(ctx, &r, probedBodyMax)
	p := Probed{Status: status, Ms: time.Since(started).Milliseconds(), Body: strings.ToValidUTF8(string(body), "\uFFFD")}
	if err != nil {
		text := strings.ToValidUTF8(err.Error(), "\uFFFD")
		p.Error = text[:min(len(text), probedErrorMax)]
		p.Error = strings.ToValidUTF8(p.Error, "")
	}
	return p, nil
}

// withQuery adds the values of a connect callback to its address.
func withQuery(target string, query url.Values) string {
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	return target + separator + query.Encode()
}
