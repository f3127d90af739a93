package callback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// maxRedirects are followed, all within the host that was configured.
const maxRedirects = 5

// client is the HTTP client of callbacks.
type client struct {
	http *http.Client
	now  func() time.Time
}

func newClient(o Options) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = dialer(o.Allow, o.Deny).DialContext
	transport.MaxConnsPerHost = o.Concurrency
	transport.MaxIdleConnsPerHost = o.Concurrency
	return &client{
		http: &http.Client{Transport: transport, Timeout: o.Timeout, CheckRedirect: sameHost},
		now:  o.Now,
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// sameHost follows redirects only within the host that was configured, and
// not from https to http (B60). A request that goes elsewhere in that host is
// signed anew.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > maxRedirects || req.URL.Host != first.Host || first.Scheme == "https" && req.URL.Scheme != "https" {
		return http.ErrUseLastResponse
	}
	if s, ok := req.Context().Value(signerKey{}).(*signer); ok {
		s.sign(req)
	}
	return nil
}

// credentials are what a namespace authenticates its callbacks with.
type credentials struct{ auth, secret string }

func credentialsOf(ns *namespace.Namespace) (c credentials) {
	if ns.CallbackAuth != nil {
		c.auth = *ns.CallbackAuth
	}
	if ns.CallbackSecret != nil {
		c.secret = *ns.CallbackSecret
	}
	return c
}

// call is one request to a business system.
type call struct {
	method, url      string
	body             []byte // of a POST
	namespace        string
	cookie, clientIP string
	delivery         string // id of a disconnect callback
	credentials
}

// do returns the status and, of a 200, the body.
func (c *client) do(ctx context.Context, r *call) (status int, body []byte, err error) {
	status, body, err = c.ask(ctx, r, maxAnswer)
	if status != 0 && status != http.StatusOK {
		return status, nil, nil // the status says it all
	}
	return status, body, err
}

// ask returns the status, 0 when there is no answer, and so many bytes of the
// body at most.
func (c *client) ask(ctx context.Context, r *call, most int64) (status int, body []byte, err error) {
	s := &signer{secret: r.secret, body: r.body, now: c.now}
	if r.secret != "" {
		ctx = context.WithValue(ctx, signerKey{}, s)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return 0, nil, withoutAddress(err)
	}
	req.Header.Set("Namespace", r.namespace)
	req.Header.Set("Accept", "application/json")
	if r.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range []struct{ name, value string }{
		{"Authorization", r.auth}, {"Cookie", r.cookie}, {"X-Forwarded-For", r.clientIP}, {HeaderDelivery, r.delivery},
	} {
		if h.value != "" {
			req.Header.Set(h.name, h.value)
		}
	}
	if r.secret != "" {
		s.sign(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, withoutAddress(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, most))
	return resp.StatusCode, body, err
}

// withoutAddress is an error of net/http for the log: the address it would name
// holds what the client has sent, its token too, and whatever the namespace has
// put there. The host stays.
func withoutAddress(err error) error {
	var outer *url.Error
	if !errors.As(err, &outer) {
		return err
	}
	if u, parseErr := url.Parse(outer.URL); parseErr == nil && u.Host != "" {
		return fmt.Errorf("%s %s: %w", outer.Op, u.Host, outer.Err)
	}
	return fmt.Errorf("%s: %w", outer.Op, outer.Err)
}
