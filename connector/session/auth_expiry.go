package session

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/limits"
)

// warnBefore is how long before its access ends a client hears of it; half of
// its time, when that is less.
const warnBefore = time.Minute

// access is what a connection holds that can end while it lives. A device
// without a token has none.
type access struct {
	mu      sync.Mutex
	tokenID string
	expires time.Time // zero: never
	warn    time.Duration
	warned  bool
	timer   *engineio.Timer // on the engine's wheel; nil: not armed
	ended   bool

	asked limits.Budget // of refresh; used by the handlers of the client only
}

// newAccess is nil when there is nothing to hold.
func newAccess(g grant) *access {
	if g.tokenID == "" && g.expires.IsZero() {
		return nil
	}
	return &access{tokenID: g.tokenID, expires: g.expires}
}

// id is the id of the token; it may be called on nil.
func (a *access) id() string {
	if a == nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tokenID
}

// watch begins to enforce the access of a device that is connected now. What
// was revoked while it was being admitted is seen here at the latest.
func (d *device) watch() {
	if d.blocked() {
		d.dismiss(auth.ErrRevoked.Error())
		return
	}
	if d.access != nil {
		d.access.mu.Lock()
		defer d.access.mu.Unlock()
		d.armLocked(true)
	}
}

// unwatch stops the timer of a connection that has ended.
func (d *device) unwatch() {
	if d.access == nil {
		return
	}
	d.access.mu.Lock()
	defer d.access.mu.Unlock()
	d.access.ended = true
	if d.access.timer != nil {
		d.access.timer.Stop()
		d.access.timer = nil
	}
}

// armLocked sets the timer for what is due next. With fresh the time counts
// from now.
func (d *device) armLocked(fresh bool) {
	a := d.access
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	if a.ended || a.expires.IsZero() {
		return
	}
	left := time.Until(a.expires)
	if fresh {
		a.warn, a.warned = min(warnBefore, left/2), false
	}
	if !a.warned {
		left -= a.warn
	}
	a.timer = d.hub.server.Engine().AfterFunc(max(left, 0), d.expire)
}

// expire is called by the wheel; it may be early for times beyond what a wheel
// can count, or once too often.
func (d *device) expire() {
	a := d.access
	a.mu.Lock()
	left := time.Until(a.expires)
	over := !a.ended && !a.expires.IsZero() && left <= 0
	tell := !over && !a.ended && !a.warned && left <= a.warn
	a.warned = a.warned || tell
	if over {
		a.ended = true
	}
	d.armLocked(false)
	a.mu.Unlock()
	switch {
	case over:
		d.dismiss(auth.ErrTokenExpired.Error())
	case tell:
		_ = d.socket.Emit("tokenExpiring", struct {
			In int64 `json:"in"`
		}{int64(math.Ceil(left.Seconds()))})
	}
}

// Attempts to refresh that a connection may make: each may cost a call of the
// business system.
const (
	refreshRate  = 1 // per second
	refreshBurst = 10
)

// refreshed is the answer to refresh.
type refreshed struct {
	answer
	Expires int64 `json:"expires"` // seconds since 1970; 0: never
}

// refresh takes a new token for a connection that lives: of the same user,
// under the rules of a handshake. A refused one changes nothing.
func (d *device) refresh(e *socketio.Event) {
	fields, bad := d.data(e)
	if bad != nil {
		_ = e.Ack(*bad)
		return
	}
	if d.access != nil {
		if ok, _ := d.access.asked.Take(time.Since(d.hub.started), refreshRate, refreshBurst); !ok {
			_ = e.Ack(answer{Status: 429, Msg: "limited access"})
			return
		}
	}
	token, _, err := fields.Text("token", auth.TokenMax)
	if err != nil {
		_ = e.Ack(answer{Status: 400, Msg: auth.ErrTokenInvalid.Error()})
		return
	}
	g, err := d.renewal(token)
	switch {
	case errors.Is(err, errNothing):
		_ = e.Ack(answer{Status: 400, Msg: err.Error()})
		return
	case errors.Is(err, callback.ErrUnavailable), err != nil && err.Error() == auth.ErrKeys.Error():
		_ = e.Ack(answer{Status: 503, Msg: err.Error()})
		return
	case err == nil && d.hub.blocks(d.member.Namespace, d.member.UserID, d.uuid, g.tokenID):
		err = auth.ErrRevoked
	}
	if err != nil {
		_ = e.Ack(answer{Status: 401, Msg: err.Error()})
		return
	}
	d.access.mu.Lock()
	if d.access.ended { // too late: it is being sent away
		d.access.mu.Unlock()
		_ = e.Ack(answer{Status: 401, Msg: auth.ErrTokenExpired.Error()})
		return
	}
	d.access.tokenID, d.access.expires = g.tokenID, g.expires
	d.armLocked(true)
	d.access.mu.Unlock()
	reply := refreshed{answer: answerOK}
	if !g.expires.IsZero() {
		reply.Expires = g.expires.Unix()
	}
	_ = e.Ack(reply)
}

// errNothing answers a refresh of what does not expire.
var errNothing = errors.New("nothing to refresh")

// renewal asks whoever has granted the access.
func (d *device) renewal(token string) (grant, error) {
	ns, ok := d.hub.opts.Namespaces.Get(d.member.Namespace)
	if !ok || d.access == nil {
		return grant{}, errNothing
	}
	ctx, cancel := context.WithTimeout(d.hub.closing, 2*storeTimeout)
	defer cancel()
	switch ns.AuthMode() {
	case auth.JWT:
		claims, err := d.hub.claims(ctx, ns, token)
		if err != nil {
			return grant{}, err
		}
		if claims.UserID != d.member.UserID {
			return grant{}, auth.ErrTokenUser
		}
		return grant{tokenID: claims.TokenID, expires: claims.Expires}, nil
	case auth.Callback:
		return d.askAgain(ctx, token)
	}
	return grant{}, errNothing
}

// askAgain makes the connect callback for a connection that lives.
func (d *device) askAgain(ctx context.Context, token string) (grant, error) {
	ns, ok := d.hub.opts.Namespaces.Get(d.member.Namespace)
	if !ok || !isSet(ns.ConnectCallback) {
		return grant{}, errNothing
	}
	engine := d.socket.Session().Request()
	query := engine.Query()
	for name, value := range map[string]string{
		"uuid": d.uuid, "userid": d.member.UserID, "platform": d.member.Platform, "token": token,
	} {
		query.Set(name, value)
	}
	reply, err := d.hub.opts.Callbacks.Connect(ctx, ns, d.callbackRequest(engine, query))
	if err != nil {
		return grant{}, err
	}
	if reply.UserID != "" && reply.UserID != d.member.UserID {
		return grant{}, auth.ErrTokenUser
	}
	if !reply.Expires.IsZero() && !time.Now().Before(reply.Expires) {
		return grant{}, auth.ErrTokenExpired
	}
	return grant{expires: reply.Expires}, nil
}

// callbackRequest is what the business system is told of a device.
func (d *device) callbackRequest(engine *engineio.Request, query map[string][]string) callback.Request {
	request := callback.Request{Query: query, Cookie: engine.Header.Get("Cookie")}
	if d.hub.opts.ClientIP != nil {
		if ip := d.hub.opts.ClientIP(engine.RemoteAddr, engine.Header.Values("X-Forwarded-For")); ip.IsValid() {
			request.ClientIP = ip.String()
		}
	}
	return request
}
