package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
)

// Signatures binds the signatures of auth.HMAC to devices.
type Signatures interface {
	// ClaimSignature binds a signature to the first device that uses it, for
	// a while; false when it is another device's.
	ClaimSignature(ctx context.Context, ns, sign, uuid string, ttl time.Duration) (bool, error)
}

// Access is how a Hub decides who may connect. The zero value admits nobody to
// namespaces that ask for a token or a signature, and blocks nobody.
type Access struct {
	Verifier    *auth.Verifier
	Signatures  Signatures
	Revocations *auth.Revocations
}

// grant is what a client was granted besides entering.
type grant struct {
	rooms   []string // unchecked names
	info    json.RawMessage
	tokenID string
	expires time.Time // zero: never
}

// authenticate applies the mode of the namespace to a well-formed handshake. A
// token without a userid beside it names the user. Errors are *ConnectError.
func (h *Hub) authenticate(ctx context.Context, ns *namespace.Namespace, hs *client.Handshake, values url.Values, engine *engineio.Request) (g grant, err error) {
	switch ns.AuthMode() {
	case auth.JWT:
		g, err = h.byToken(ctx, ns, hs, values, engine)
	case auth.HMAC:
		err = h.bySignature(ctx, ns, hs, values)
	case auth.Callback:
		if !isSet(ns.ConnectCallback) { // an older record
			err = refuse(auth.ErrTokenInvalid)
		}
	}
	if err != nil {
		return grant{}, err
	}
	if h.blocks(ns.Key, hs.UserID, hs.UUID, g.tokenID) {
		return grant{}, refuse(auth.ErrRevoked)
	}
	return g, nil
}

func (h *Hub) byToken(ctx context.Context, ns *namespace.Namespace, hs *client.Handshake, values url.Values, engine *engineio.Request) (grant, error) {
	token, ok := tokenOf(values, engine)
	if !ok {
		return grant{}, refuse(auth.ErrTokenInvalid)
	}
	claims, err := h.claims(ctx, ns, token)
	if err != nil {
		return grant{}, err
	}
	if values.Get("userid") != "" && hs.UserID != claims.UserID {
		return grant{}, refuse(auth.ErrTokenUser)
	}
	hs.UserID = claims.UserID
	return grant{rooms: claims.Rooms, info: claims.Info, tokenID: claims.TokenID, expires: claims.Expires}, nil
}

// claims verifies a token of a namespace. Errors are *ConnectError.
func (h *Hub) claims(ctx context.Context, ns *namespace.Namespace, token string) (auth.Claims, error) {
	if h.opts.Access.Verifier == nil {
		return auth.Claims{}, tryLater(auth.ErrKeys)
	}
	claims, err := h.opts.Access.Verifier.Token(ctx, ns.TokenPolicy(), token)
	switch {
	case errors.Is(err, auth.ErrKeys):
		return auth.Claims{}, tryLater(auth.ErrKeys)
	case err != nil:
		return auth.Claims{}, refuse(err)
	case !h.opts.Names.UserID(claims.UserID):
		return auth.Claims{}, refuse(client.ErrUserIDInvalid)
	}
	return claims, nil
}

func (h *Hub) bySignature(ctx context.Context, ns *namespace.Namespace, hs *client.Handshake, values url.Values) error {
	sign, one := only1(values, "sign")
	seconds, ok := only1(values, "ts")
	if !one || !ok {
		return refuse(auth.ErrSignInvalid)
	}
	a := &h.opts.Access
	if a.Verifier == nil || a.Signatures == nil {
		return tryLater(errStore)
	}
	if err := a.Verifier.Signature(ns.AuthKeys(), values.Get("userid"), seconds, sign); err != nil {
		return refuse(err)
	}
	claim, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	mine, err := a.Signatures.ClaimSignature(claim, ns.Key, strings.ToLower(sign), hs.UUID, 2*auth.SignWindow)
	switch {
	case err != nil:
		h.opts.Logger.Error().Err(err).Str("client", hs.ID()).Msg("claim signature")
		return tryLater(errStore)
	case !mine:
		return refuse(auth.ErrSignInvalid)
	}
	return nil
}

// tokenOf finds the token of a handshake: the parameter, else the header; ok is
// false for a repeated one.
func tokenOf(values url.Values, engine *engineio.Request) (token string, ok bool) {
	if token, ok = only1(values, "token"); !ok || token != "" {
		return token, ok
	}
	const scheme = "Bearer "
	header := engine.Header.Get("Authorization")
	if len(header) > len(scheme) && strings.EqualFold(header[:len(scheme)], scheme) {
		return strings.TrimSpace(header[len(scheme):]), true
	}
	return "", true
}

// only1 is the one value of key, "" without one; false when it is repeated.
func only1(values url.Values, key string) (string, bool) {
	if len(values[key]) > 1 {
		return "", false
	}
	return values.Get(key), true
}

// tellable are the parameters callbacks are told. A token or signature that was
// verified here is nobody else's business; the callback mode needs the token.
func tellable(ns *namespace.Namespace, values url.Values, engine *engineio.Request) url.Values {
	query := make(url.Values, len(values)+2)
	for k, v := range values {
		query[k] = v
	}
	switch ns.AuthMode() {
	case auth.JWT, auth.HMAC:
		query.Del("token")
		query.Del("sign")
	case auth.Callback:
		if token, ok := tokenOf(values, engine); ok && token != "" {
			query.Set("token", token)
		}
	}
	return query
}

// adopt takes what the connect callback has granted. In the other modes its
// word on users counts as ever, but not against a token or signature.
func (d *device) adopt(ns *namespace.Namespace, g *grant, reply callback.Answer) error {
	switch ns.AuthMode() {
	case auth.JWT, auth.HMAC:
		if reply.UserID != "" && reply.UserID != d.member.UserID {
			return refuse(auth.ErrTokenUser)
		}
	case auth.Callback:
		g.info, g.expires = reply.Info, reply.Expires
		if !g.expires.IsZero() && !time.Now().Before(g.expires) {
			return refuse(auth.ErrTokenExpired)
		}
	}
	return nil
}

// blocks reports whether a revocation holds for any of these.
func (h *Hub) blocks(ns, userID, uuid, tokenID string) bool {
	r := h.opts.Access.Revocations
	return r != nil && (r.Blocked(ns, auth.User, userID) || r.Blocked(ns, auth.Device, uuid) || r.Blocked(ns, auth.Token, tokenID))
}

// blocked reports whether the device was blocked meanwhile, by its user in the
// client id or by the one a callback has named.
func (d *device) blocked() bool {
	if d.hub.opts.Access.Revocations == nil {
		return false
	}
	m := &d.member
	named := m.ClientID[len(m.Namespace)+1 : len(m.ClientID)-len(m.Platform)-len(d.uuid)-2]
	return d.hub.blocks(m.Namespace, m.UserID, d.uuid, d.access.id()) || d.hub.blocks(m.Namespace, named, "", "")
}

// Revoked ends the connections a revocation is about. It returns at once;
// revocations that come together are carried out together.
func (h *Hub) Revoked(r auth.Revocation) {
	if _, ok := h.existingTenant(r.Namespace); !ok || h.closing.Err() != nil || !h.revoked.begin(r.Namespace) {
		return
	}
	h.background.Go(func() {
		for again := true; again && h.closing.Err() == nil; again = !h.revoked.end(r.Namespace) {
			h.mu.Lock()
			var all []*device
			for key, d := range h.devices {
				if key.namespace == r.Namespace {
					all = append(all, d)
				}
			}
			h.mu.Unlock()
			for _, d := range all {
				if d.blocked() {
					d.dismiss(auth.ErrRevoked.Error())
				}
			}
		}
	})
}

// dismiss sends a client away for good and tells it why: a disconnect itself
// carries no reason. It does not block.
func (d *device) dismiss(reason string) {
	_ = d.socket.Emit("closing", struct {
		Reason string `json:"reason"`
	}{reason})
	d.socket.Disconnect(false)
	d.hub.refusals.Info().Str("client", d.member.ClientID).Str("reason", reason).Msg("client sent away")
}

// keepInfo puts what token or callback say about the user into the record.
func (d *device) keepInfo(ctx context.Context, info json.RawMessage) {
	if len(info) == 0 {
		return
	}
	write, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	err := d.hub.opts.Clients.UpdateClient(write, d.member.Namespace, d.member.ClientID, "",
		client.Update{Fields: map[string]string{"info": string(info)}})
	if err != nil {
		d.hub.opts.Logger.Warn().Err(err).Str("client", d.member.ClientID).Msg("keep info of token")
	}
}

// noteRefusal counts a refusal and logs some of them: a flood of bad clients
// must not become a flood of lines.
func (h *Hub) noteRefusal(ns string, err error) {
	h.opts.Observer.Refused(err.Error())
	h.refusals.Info().Str("namespace", ns).Str("reason", err.Error()).Msg("client refused")
}

// sampled lets a few lines per second through.
func sampled(l zerolog.Logger) zerolog.Logger {
	return l.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second})
}
