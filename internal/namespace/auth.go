package namespace

import (
	"net/url"
	"strings"

	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/input"
)

// Auth says who may connect (doc/authentication.md). The zero value admits
// everybody.
type Auth struct {
	Mode auth.Mode `json:",omitempty"` // "" is auth.Open
	// Key and OldKey are a shared secret or the PEM text of a public key; two,
	// so that they can be changed without refusing anybody.
	Key      string `json:",omitempty"`
	OldKey   string `json:",omitempty"`
	KeysURL  string `json:",omitempty"` // of a JWK set
	Audience string `json:",omitempty"`
}

// AuthMode is how clients are admitted, auth.Open when nothing is set.
func (n *Namespace) AuthMode() auth.Mode {
	if n.Auth.Mode == "" {
		return auth.Open
	}
	return n.Auth.Mode
}

// TokenPolicy is what tokens are held against with auth.JWT.
func (n *Namespace) TokenPolicy() auth.Policy {
	return auth.Policy{Keys: n.AuthKeys(), KeysURL: n.Auth.KeysURL, Audience: n.Auth.Audience}
}

// AuthKeys are the keys that are set.
func (n *Namespace) AuthKeys() []string {
	keys := make([]string, 0, 2)
	for _, key := range []string{n.Auth.Key, n.Auth.OldKey} {
		if key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// PublicAuth are the fields of Auth as the API answers them.
type PublicAuth struct {
	Auth         auth.Mode `json:"auth"`
	AuthKey      *string   `json:"auth_key"`
	AuthKeyOld   *string   `json:"auth_key_old"`
	AuthJWKS     string    `json:"auth_jwks"`
	AuthAudience string    `json:"auth_audience"`
}

func (n *Namespace) publicAuth() PublicAuth {
	return PublicAuth{
		Auth: n.AuthMode(), AuthKey: maskSet(n.Auth.Key != ""), AuthKeyOld: maskSet(n.Auth.OldKey != ""),
		AuthJWKS: n.Auth.KeysURL, AuthAudience: n.Auth.Audience,
	}
}

// AuthPatch changes Auth; nil fields stay as they are.
type AuthPatch struct {
	Mode                           *auth.Mode
	Key, OldKey, KeysURL, Audience *string
}

// parseAuth reads auth, auth_key, auth_key_old, auth_jwks and auth_audience.
func (p *Patch) parseAuth(f input.Fields) (err error) {
	mode, err := optionalText(f, "auth", 16)
	if err != nil {
		return err
	}
	if mode != nil && *mode == "" {
		*mode = string(auth.Open)
	}
	if mode != nil {
		m := auth.Mode(*mode)
		if !auth.ValidMode(m) {
			return &input.FieldError{Field: "auth", Problem: "must be open, callback, jwt or hmac"}
		}
		p.Auth.Mode = &m
	}
	for _, field := range []struct {
		name  string
		limit int
		into  **string
	}{
		{"auth_key", auth.KeyTextMax, &p.Auth.Key},
		{"auth_key_old", auth.KeyTextMax, &p.Auth.OldKey},
		{"auth_jwks", urlMax, &p.Auth.KeysURL},
		{"auth_audience", nameMax, &p.Auth.Audience},
	} {
		if *field.into, err = optionalText(f, field.name, field.limit); err != nil {
			return err
		}
	}
	for name, key := range map[string]**string{"auth_key": &p.Auth.Key, "auth_key_old": &p.Auth.OldKey} {
		if *key == nil || **key == "" {
			continue
		}
		if **key == SecretMark {
			*key = nil
			continue
		}
		if _, err := auth.ParseKey(**key); err != nil {
			return &input.FieldError{Field: name, Problem: err.Error()}
		}
	}
	if u := p.Auth.KeysURL; u != nil && *u != "" && !validKeysURL(*u) {
		return &input.FieldError{Field: "auth_jwks", Problem: "must be an absolute https URL (http only to this machine)"}
	}
	return nil
}

// validKeysURL wants https: who can change the set on its way can sign
// tokens.
func validKeysURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || !validCallback(s) {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// applyAuth changes n and judges the whole, but only when a part of it has
// changed: what is stored may be older than a rule.
func (p *Patch) applyAuth(n *Namespace) error {
	before := n.Auth
	if p.Auth.Mode != nil {
		n.Auth.Mode = *p.Auth.Mode
		if n.Auth.Mode == auth.Open {
			n.Auth.Mode = ""
		}
	}
	for _, change := range []struct{ from, to *string }{
		{p.Auth.Key, &n.Auth.Key}, {p.Auth.OldKey, &n.Auth.OldKey},
		{p.Auth.KeysURL, &n.Auth.KeysURL}, {p.Auth.Audience, &n.Auth.Audience},
	} {
		if change.from != nil {
			*change.to = *change.from
		}
	}
	if n.Auth == before && p.ConnectCallback == nil {
		return nil
	}
	bad := func(field, problem string) error { return &input.FieldError{Field: field, Problem: problem} }
	switch n.AuthMode() {
	case auth.Callback:
		if n.ConnectCallback == nil || *n.ConnectCallback == "" {
			return bad("auth", "callback needs connect_callback")
		}
	case auth.JWT:
		if n.Auth.Key == "" && n.Auth.KeysURL == "" {
			return bad("auth", "jwt needs auth_key or auth_jwks")
		}
	case auth.HMAC:
		for name, key := range map[string]string{"auth_key": n.Auth.Key, "auth_key_old": n.Auth.OldKey} {
			if strings.Contains(key, "-----BEGIN") {
				return bad(name, "must be a shared secret with auth hmac")
			}
		}
		if n.Auth.Key == "" {
			return bad("auth", "hmac needs auth_key")
		}
	}
	return nil
}
