// Package callback calls the business system when a device connects and when
// it has gone (light-push-wire.md section 3).
//
// The connect callback is made by the connector, while the client waits. The
// disconnect callback is a job of the queue queue.Callback, written with the
// release of the connection; a Sender, behind a queue.Worker, makes the call,
// in any process.
//
// It imports only internal/namespace and internal/queue, and owns no
// goroutines.
package callback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// ErrUnavailable means that the business system gave no answer: refused,
// timed out, or too many calls are under way. The device may try again.
var ErrUnavailable = errors.New("handshake fail")

// StatusError is an answer other than 200, which refuses the device for good.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("handshake fail statusCode: %d", e.Status) }

// Kinds of callbacks, and results of one call, for metrics.
const (
	KindConnect    = "connect"
	KindDisconnect = "disconnect"

	ResultAccepted  = "accepted"  // connect: 200
	ResultRefused   = "refused"   // connect: any other status
	ResultNoAnswer  = "no_answer" // timed out, unreachable
	ResultSkipped   = "skipped"   // connect: not asked, because nobody has answered lately
	ResultDelivered = "delivered" // disconnect: answered
	ResultRepeat    = "repeat"    // disconnect: a status that asks for another call
	ResultDelayed   = "delayed"   // disconnect: the namespace has too many calls under way
)

// Options of a Caller or a Sender; zero values take the defaults named.
type Options struct {
	Timeout     time.Duration // of one call; 5 s
	Concurrency int           // calls at once; 64
	// BreakerAfter is how many connect callbacks of a namespace in a row must
	// get no answer before only probes are sent for a while; 10, negative for
	// never.
	BreakerAfter int
	// Allow and Deny are networks: only addresses in Allow (all when it is
	// empty) that are not in Deny are called.
	Allow, Deny []netip.Prefix
	// OnError hears of failures with their details, which no client sees.
	OnError func(kind, namespace string, err error)
	// Observe hears of the result of every call.
	Observe func(kind, result string)
	Now     func() time.Time // time.Now
}

func (o *Options) setDefaults() {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 64
	}
	if o.BreakerAfter == 0 {
		o.BreakerAfter = 10
	}
	if o.OnError == nil {
		o.OnError = func(string, string, error) {}
	}
	if o.Observe == nil {
		o.Observe = func(string, string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Caller makes connect callbacks. Safe for concurrent use.
type Caller struct {
	opts     Options
	client   *client
	slots    chan struct{}
	breakers *breakers
}

// NewCaller returns a Caller; Close it.
func NewCaller(o Options) *Caller {
	o.setDefaults()
	return &Caller{
		opts: o, client: newClient(o), slots: make(chan struct{}, o.Concurrency),
		breakers: newBreakers(o.BreakerAfter, o.Now),
	}
}

// Close drops idle connections; no call may be under way.
func (c *Caller) Close() { c.client.close() }

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
	// Info is about the user, nil for nothing; Expires ends the access, zero
	// for never. Both count with auth.Callback only.
	Info    json.RawMessage
	Expires time.Time
}

// errSkipped is the detail of a call that was not made.
var errSkipped = errors.New("no answer lately; not asked")

// Connect asks whether a device may connect. Only status 200 accepts. Errors:
// *StatusError, ErrUnavailable; the details of the latter go to OnError only.
func (c *Caller) Connect(ctx context.Context, ns *namespace.Namespace, r Request) (Answer, error) {
	settle, ok := c.breakers.allow(ns.Key)
	if !ok {
		c.opts.OnError(KindConnect, ns.Key, errSkipped)
		c.opts.Observe(KindConnect, ResultSkipped)
		return Answer{}, ErrUnavailable
	}
	timer := time.NewTimer(c.opts.Timeout)
	defer timer.Stop()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		settle(unknown)
		return Answer{}, ErrUnavailable
	case <-timer.C:
		settle(unknown)
		c.opts.OnError(KindConnect, ns.Key, errors.New("too many callbacks are under way"))
		c.opts.Observe(KindConnect, ResultNoAnswer)
		return Answer{}, ErrUnavailable
	}
	body, err := c.get(ctx, ns, r)
	var status *StatusError
	switch {
	case errors.As(err, &status):
		settle(verdictOf(status.Status))
		c.opts.Observe(KindConnect, ResultRefused)
		return Answer{}, status
	case err != nil && ctx.Err() != nil: // the client has gone, which says nothing about the business system
		settle(unknown)
		return Answer{}, ErrUnavailable
	case err != nil:
		settle(bad)
		c.opts.OnError(KindConnect, ns.Key, err)
		c.opts.Observe(KindConnect, ResultNoAnswer)
		return Answer{}, ErrUnavailable
	}
	settle(good)
	c.opts.Observe(KindConnect, ResultAccepted)
	return parseAnswer(body), nil
}

// verdictOf tells the answers of a gateway whose service is down from others.
func verdictOf(status int) verdict {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return bad
	}
	return good
}

func (c *Caller) get(ctx context.Context, ns *namespace.Namespace, r Request) ([]byte, error) {
	call := call{
		method: http.MethodGet, url: withQuery(*ns.ConnectCallback, r.Query), namespace: ns.Key,
		cookie: r.Cookie, clientIP: r.ClientIP, credentials: credentialsOf(ns),
	}
	status, body, err := c.client.do(ctx, &call)
	if err == nil && status != http.StatusOK {
		err = &StatusError{Status: status}
	}
	return body, err
}

// infoMax bounds what an answer may say about the user, in bytes.
const infoMax = 4 << 10

// parseAnswer reads userid, rooms, info and expire_at (seconds since 1970); anything else, or no JSON at all, is a
// plain yes.
func parseAnswer(body []byte) (a Answer) {
	var raw struct {
		UserID json.RawMessage `json:"userid"`
		Rooms  json.RawMessage `json:"rooms"`
		Info   json.RawMessage `json:"info"`
		Expire json.RawMessage `json:"expire_at"`
	}
	if json.Unmarshal(body, &raw) != nil {
		return Answer{}
	}
	a.UserID = scalar(raw.UserID)
	if len(raw.Info) <= infoMax && string(raw.Info) != "null" {
		a.Info = raw.Info
	}
	a.Expires = expiry(raw.Expire)
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

// expiry reads seconds since 1970; absent, null and 0 are never. What cannot be
// read is long ago: a mistake must not grant access for ever.
func expiry(raw json.RawMessage) time.Time {
	switch string(raw) {
	case "", "null", "0":
		return time.Time{}
	}
	const most = 1 << 40 // far away, and no overflow
	seconds, err := strconv.ParseFloat(scalar(raw), 64)
	if err != nil || seconds != seconds {
		return time.Unix(1, 0)
	}
	return time.Unix(int64(min(max(seconds, 1), most)), 0)
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
