package namespace

import (
	"fmt"
)

// Sealer encrypts secrets on their way to the store; internal/secret has one.
type Sealer interface {
	// Seal encrypts a text for the place it is kept in.
	Seal(text, place string) string
	// Open decrypts it; a text that was never sealed comes back as it is.
	Open(sealed, place string) (string, error)
}

// Sealed returns a copy of n for the store, its secrets encrypted.
func (n *Namespace) Sealed(s Sealer) *Namespace {
	c := n.Clone()
	c.eachSecret(func(place string, text *string) { *text = s.Seal(*text, place) })
	return c
}

// Unseal decrypts the secrets of n, which comes from the store and is nobody
// else's yet. A secret that cannot be opened stays as it is, so that saving
// the namespace does not lose it, and is reported; it fails wherever it is
// used.
func (n *Namespace) Unseal(s Sealer) (problems []error) {
	n.eachSecret(func(place string, text *string) {
		plain, err := s.Open(*text, place)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", place, err))
			return
		}
		*text = plain
	})
	return problems
}

// eachSecret visits every secret of n with the name of its place, which the
// encryption is bound to: places must never be renamed.
func (n *Namespace) eachSecret(visit func(place string, text *string)) {
	visitCopy := func(place string, field **string) {
		if *field != nil {
			text := **field // others may share what the pointer names
			visit(n.Key+" "+place, &text)
			*field = &text
		}
	}
	visitCopy("callback_auth", &n.CallbackAuth)
	visitCopy("callback_secret", &n.CallbackSecret)
	visit(n.Key+" auth_key", &n.Auth.Key)
	visit(n.Key+" auth_key_old", &n.Auth.OldKey)
	for i := range n.APNs {
		profile := &n.APNs[i]
		for _, field := range []string{"apns_dev_cert", "apns_dev_key", "apns_production_cert", "apns_production_key", "token_key"} {
			visit(n.Key+" apns_list "+profile.Name+" "+field, profile.field(field))
		}
	}
}
