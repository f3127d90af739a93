package main

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/lightpush/lightpush/connector/session"
	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

// revocationRefresh is how long a missed notice of a revocation may go unseen.
const revocationRefresh = 5 * time.Minute

// access is what both roles know about who may connect.
type access struct {
	fetcher     *callback.Fetcher
	verifier    *auth.Verifier
	revocations *auth.Revocations
}

// newAccess needs the store; start it once the control stream is read.
func newAccess(b *backend) *access {
	a := &access{fetcher: callback.NewFetcher(callbackOptions(b))}
	a.verifier = auth.NewVerifier(auth.Options{
		Fetch: a.fetcher.Fetch,
		OnError: func(address string, err error) {
			if u, parseErr := url.Parse(address); parseErr == nil {
				address = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String() // a query may be a secret
			}
			b.log.Warn().Err(err).Str("url", address).Msg("fetch keys of tokens")
		},
	})
	a.revocations = auth.NewRevocations(b.store, revocationRefresh, func(err error) {
		b.log.Error().Err(err).Msg("revocations")
	})
	return a
}

func (a *access) start(ctx context.Context) error { return a.revocations.Start(ctx) }

func (a *access) close() {
	a.revocations.Close()
	a.fetcher.Close()
}

// Revoked implements bus.RevocationListener.
func (i invalidator) Revoked(r auth.Revocation) { i.revocations.Apply(r) }

// sessionAccess is what the hub asks.
func sessionAccess(b *backend) session.Access {
	return session.Access{
		Verifier: b.access.verifier, Signatures: b.store, Revocations: b.access.revocations,
	}
}

// Labels of refusals whose texts are of somebody else's making, or hold a number.
const (
	reasonOther    = "other"
	reasonCallback = "handshake fail statusCode" // what the callback has answered is told behind it
)

// reasonLabel bounds the values of a metric's label.
func reasonLabel(reason string) string {
	switch {
	case knownReasons[reason]:
		return reason
	case strings.HasPrefix(reason, reasonCallback):
		return reasonCallback
	}
	return reasonOther
}

var knownReasons = func() map[string]bool {
	known := map[string]bool{callback.ErrUnavailable.Error(): true}
	for _, err := range append(session.Refusals[:len(session.Refusals):len(session.Refusals)],
		namespace.ErrUnknown, namespace.ErrOffline, namespace.ErrUnavailable,
		client.ErrUUIDInvalid, client.ErrUserIDInvalid, client.ErrPlatformInvalid, push.ErrTooLarge,
		auth.ErrTokenMissing, auth.ErrTokenInvalid, auth.ErrTokenExpired, auth.ErrTokenEarly, auth.ErrTokenUser,
		auth.ErrSignMissing, auth.ErrSignInvalid, auth.ErrSignExpired, auth.ErrRevoked, auth.ErrKeys) {
		known[err.Error()] = true
	}
	return known
}()
