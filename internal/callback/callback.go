// Package callback calls the business system when a device connects and when
// it has gone (light-push-wire.md section 3).
//
// It imports only internal/namespace. A Caller owns the goroutines of queued
// disconnect callbacks; Close waits for them.
package callback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// ErrUnavailable means that the business system gave no answer: refused,
// timed out, or too many calls are under way. The device may try again.
var ErrUnavailable = errors.New("handshake fail")

// StatusError is an answer other than 200, which refuses the device for good.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("handshake fail statusCode: %d", e.Status) }

// Options of a Caller; zero values take the defaults named.
type Options struct {
	Timeout     time.Duration // of one call; 5 s
	Concurrency int           // calls at once; 64
	QueueMax    int           // disconnect callbacks that may wait; 10,000
	OnError     func(kind, namespace string, err error)
}

// Caller makes the calls. Safe for concurrent use.
type Caller struct {
	opts   Options
	client *http.Client
	slots  chan struct{}

	mu     sync.Mutex // guards closed against closing queue
	closed bool
	queue  chan disconnect
	wg     sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// NewCaller returns a Caller; Close it.
func NewCaller(o Options) *Caller {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 64
	}
	if o.QueueMax <= 0 {
		o.QueueMax = 10_000
	}
	if o.OnError == nil {
		o.OnError = func(string, string, error) {}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = o.Concurrency
	transport.MaxIdleConnsPerHost = o.Concurrency
	c := &Caller{
		opts: o,
		client: &http.Client{
			Transport:     transport,
			Timeout:       o.Timeout,
			CheckRedirect: sameHost,
		},
		slots: make(chan struct{}, o.Concurrency),
		queue: make(chan disconnect, o.QueueMax),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for range min(8, o.Concurrency) {
		c.wg.Add(1)
		go c.deliver()
	}
	return c
}

// sameHost follows redirects only within the host that was configured (B60).
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 || req.URL.Host != via[0].URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// Request is what the business system is told of a device.
type Request struct {
	Query    url.Values // of the handshake, with userid and platform filled in
	Cookie   string     // of the handshake request, "" for none
	ClientIP string
}

// Answer is what the connect callback may decide.
type Answer struct {
	UserID string   // effective user; "" keeps the one of the query
	Rooms  []string // to join at once; unchecked
}

// Connect asks whether a device may connect. Only status 200 accepts. Errors:
// *StatusError, ErrUnavailable; the details of the latter go to OnError only.
func (c *Caller) Connect(ctx context.Context, ns *namespace.Namespace, r Request) (Answer, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return Answer{}, ErrUnavailable
	case <-time.After(c.opts.Timeout):
		c.opts.OnError("connect", ns.Key, errors.New("too many callbacks are under way"))
		return Answer{}, ErrUnavailable
	}
	body, err := c.get(ctx, ns, r)
	var status *StatusError
	switch {
	case errors.As(err, &status):
		return Answer{}, status
	case err != nil:
		c.opts.OnError("connect", ns.Key, err)
		return Answer{}, ErrUnavailable
	}
	return parseAnswer(body), nil
}

func (c *Caller) get(ctx context.Context, ns *namespace.Namespace, r Request) ([]byte, error) {
	target := *ns.ConnectCallback
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target+separator+r.Query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return c.do(req, ns, r)
}

func (c *Caller) do(req *http.Request, ns *namespace.Namespace, r Request) ([]byte, error) {
	req.Header.Set("Namespace", ns.Key)
	req.Header.Set("Accept", "application/json")
	if ns.CallbackAuth != nil && *ns.CallbackAuth != "" {
		req.Header.Set("Authorization", *ns.CallbackAuth)
	}
	if r.Cookie != "" {
		req.Header.Set("Cookie", r.Cookie)
	}
	if r.ClientIP != "" {
		req.Header.Set("X-Forwarded-For", r.ClientIP)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{Status: resp.StatusCode}
	}
	return body, nil
}

// parseAnswer reads userid and rooms; anything else, or no JSON at all, is a
// plain yes.
func parseAnswer(body []byte) (a Answer) {
	var raw struct {
		UserID json.RawMessage `json:"userid"`
		Rooms  json.RawMessage `json:"rooms"`
	}
	if json.Unmarshal(body, &raw) != nil {
		return Answer{}
	}
	a.UserID = scalar(raw.UserID)
	var rooms []json.RawMessage
	if json.Unmarshal(raw.Rooms, &rooms) == nil {
		for _, room := range rooms {
			if text := scalar(room); text != "" {
				a.Rooms = append(a.Rooms, text)
			}
		}
	}
	return a
}

// scalar is a truthy string or number as text, "" otherwise.
func scalar(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		_ = json.Unmarshal(raw, &s)
		return s
	case '{', '[', 't', 'f', 'n':
		return ""
	}
	if s := string(raw); s != "0" {
		return s
	}
	return ""
}

// disconnect is one queued disconnect callback.
type disconnect struct {
	ns  *namespace.Namespace // as it was when the device connected
	req Request
}

// Disconnect tells the business system, soon and with a few retries, that a
// device has gone. It never blocks; when too many wait, the call is dropped
// and reported to OnError.
func (c *Caller) Disconnect(ns *namespace.Namespace, r Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.opts.OnError("disconnect", ns.Key, errors.New("shutting down"))
		return
	}
	select {
	case c.queue <- disconnect{ns, r}:
	default:
		c.opts.OnError("disconnect", ns.Key, errors.New("queue is full"))
	}
}

// Queued is the number of disconnect callbacks that wait.
func (c *Caller) Queued() int { return len(c.queue) }

// Close sends what is queued until ctx ends.
func (c *Caller) Close(ctx context.Context) {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.queue)
	}
	c.mu.Unlock()
	done := make(chan struct{})
	go func() { c.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		c.cancel()
		<-done
	}
	c.cancel()
	c.client.CloseIdleConnections()
}

// retries of a disconnect callback; the pause doubles from one second.
const retries = 3

func (c *Caller) deliver() {
	defer c.wg.Done()
	for d := range c.queue {
		pause := time.Second
		for attempt := 0; ; attempt++ {
			err := c.post(d)
			if err == nil || c.ctx.Err() != nil {
				break
			}
			if attempt == retries {
				c.opts.OnError("disconnect", d.ns.Key, err)
				break
			}
			select {
			case <-time.After(pause):
			case <-c.ctx.Done():
			}
			pause *= 2
		}
	}
}

func (c *Caller) post(d disconnect) error {
	query := make(map[string]string, len(d.req.Query))
	for k := range d.req.Query {
		query[k] = d.req.Query.Get(k)
	}
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, *d.ns.DisconnectCallback, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	_, err = c.do(req, d.ns, d.req)
	var status *StatusError
	if errors.As(err, &status) && status.Status < 500 {
		return nil // the answer is not looked at (3.2)
	}
	return err
}
