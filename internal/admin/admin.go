// Package admin is the administrator's credential: configured, or generated
// once and kept as a hash in the store.
//
// It imports only internal/namespace for the hashing.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/lightpush/lightpush/internal/namespace"
)

// Store keeps the hash of a generated password for all processes.
type Store interface {
	// AdminHash returns the stored hash, "" when there is none.
	AdminHash(ctx context.Context) (string, error)
	// InitAdminHash stores hash unless one is stored already, and returns
	// the one that is stored afterwards.
	InitAdminHash(ctx context.Context, hash string) (string, error)
}

// Auth verifies the administrator. Immutable, safe for concurrent use.
type Auth struct {
	name     [sha256.Size]byte
	password [sha256.Size]byte // digest of a configured password
	hash     string            // of a generated one; "" when configured
	verifier *namespace.Verifier
}

// Configured returns an Auth for a password from the configuration.
func Configured(name, password string) *Auth {
	return &Auth{name: sha256.Sum256([]byte(name)), password: sha256.Sum256([]byte(password))}
}

// Generated returns an Auth for the password in the store, generating one
// when the store has none. generated is the new password, to be shown once;
// it is "" when there was one before or another process was faster.
func Generated(ctx context.Context, store Store, name string, verifier *namespace.Verifier) (a *Auth, generated string, err error) {
	hash, err := store.AdminHash(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("read administrator: %w", err)
	}
	if hash == "" {
		generated = namespace.NewSecret()
		own, err := namespace.HashPassword(generated)
		if err != nil {
			return nil, "", err
		}
		if hash, err = store.InitAdminHash(ctx, own); err != nil {
			return nil, "", fmt.Errorf("store administrator: %w", err)
		}
		if hash != own {
			generated = ""
		}
	}
	return &Auth{name: sha256.Sum256([]byte(name)), hash: hash, verifier: verifier}, generated, nil
}

// Named reports that it is the administrator's name.
func (a *Auth) Named(name string) bool {
	given := sha256.Sum256([]byte(name))
	return subtle.ConstantTimeCompare(given[:], a.name[:]) == 1
}

// Mark stands for the credential that is valid now and changes with it. It is
// as secret as a password.
func (a *Auth) Mark() string { return string(a.name[:]) + string(a.password[:]) + a.hash }

// Verify reports whether the credential is the administrator's. It takes the
// same time for a wrong name as for a wrong password.
func (a *Auth) Verify(name, password string) bool {
	given := sha256.Sum256([]byte(name))
	nameFits := subtle.ConstantTimeCompare(given[:], a.name[:]) == 1
	var passwordFits bool
	if a.hash != "" {
		passwordFits = a.verifier.Verify(a.hash, password)
	} else {
		sum := sha256.Sum256([]byte(password))
		passwordFits = password != "" && subtle.ConstantTimeCompare(sum[:], a.password[:]) == 1
	}
	return nameFits && passwordFits
}
