package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds of a token.
const (
	TokenMax = 8 << 10 // bytes of its text
	InfoMax  = 4 << 10 // bytes of the claim info
	RoomsMax = 1_000   // names of the claim rooms
	// leeway is how far clocks may be apart.
	leeway = 5 * time.Second
	// candidatesMax bounds the keys a token without a key id is tried with.
	candidatesMax = 4
)

// Policy is what a namespace asks of tokens. Keys are texts for ParseKey, at
// most two: the current one, and the other one of a rotation. With KeysURL
// the keys of a JWK set count too.
type Policy struct {
	Keys     []string
	KeysURL  string
	Audience string // "" for any
}

// Claims are what a valid token says.
type Claims struct {
	UserID  string          // sub; never empty
	TokenID string          // jti; may be empty
	Expires time.Time       // exp; never zero
	Rooms   []string        // unchecked names
	Info    json.RawMessage // about the user; nil for none
}

// Options of a Verifier.
type Options struct {
	Fetch   Fetcher                     // nil: key sets are unavailable
	Now     func() time.Time            // time.Now
	OnError func(url string, err error) // hears of failed fetches; may be nil
}

// Verifier checks tokens and signatures.
type Verifier struct {
	now  func() time.Time
	sets keySets

	mu     sync.Mutex
	parsed map[[sha256.Size]byte]Key // by the text's digest
}

const parsedMax = 10_000

// NewVerifier returns a Verifier with an empty cache.
func NewVerifier(o Options) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnError == nil {
		o.OnError = func(string, error) {}
	}
	if o.Fetch == nil {
		o.Fetch = func(context.Context, string, int64) ([]byte, error) { return nil, errors.New("not configured") }
	}
	return &Verifier{
		now:    o.Now,
		sets:   keySets{fetch: o.Fetch, now: o.Now, onError: o.OnError, sets: map[string]*keySet{}},
		parsed: map[[sha256.Size]byte]Key{},
	}
}

// tokenClaims is the payload of a token.
type tokenClaims struct {
	jwt.RegisteredClaims
	Rooms []string        `json:"rooms"`
	Info  json.RawMessage `json:"info"`
}

// errKeysDown travels through the parser, which hides other errors' kinds.
type errKeysDown struct{ error }

// Token verifies a token against a policy. ctx bounds a fetch of keys. Errors:
// ErrTokenMissing, ErrTokenInvalid, ErrTokenExpired, ErrTokenEarly, ErrKeys.
func (v *Verifier) Token(ctx context.Context, p Policy, token string) (Claims, error) {
	switch {
	case token == "":
		return Claims{}, ErrTokenMissing
	case len(token) > TokenMax:
		return Claims{}, ErrTokenInvalid
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{HS256, RS256, ES256}), jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(v.now),
	}
	if p.Audience != "" {
		options = append(options, jwt.WithAudience(p.Audience))
	}
	var c tokenClaims
	_, err := jwt.NewParser(options...).ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		return v.candidates(ctx, p, t)
	})
	var down errKeysDown
	switch {
	case errors.As(err, &down):
		return Claims{}, ErrKeys
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Claims{}, ErrTokenExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Claims{}, ErrTokenEarly
	case err != nil, c.Subject == "", len(c.Rooms) > RoomsMax, len(c.Info) > InfoMax, len(c.ID) > ValueMax:
		return Claims{}, ErrTokenInvalid
	}
	if !v.now().Before(c.ExpiresAt.Time) { // the leeway is for nbf only: what has expired is closed at once
		return Claims{}, ErrTokenExpired
	}
	if string(c.Info) == "null" {
		c.Info = nil
	}
	return Claims{UserID: c.Subject, TokenID: c.ID, Expires: c.ExpiresAt.Time, Rooms: c.Rooms, Info: c.Info}, nil
}

var errNoKey = errors.New("no key for this token")

// candidates are the keys that may have signed t, all of its algorithm.
func (v *Verifier) candidates(ctx context.Context, p Policy, t *jwt.Token) (any, error) {
	algorithm := t.Method.Alg()
	var set jwt.VerificationKeySet
	for _, text := range p.Keys {
		if key, err := v.key(text); err == nil && key.Algorithm == algorithm {
			set.Keys = append(set.Keys, key.material)
		}
	}
	if p.KeysURL != "" && algorithm != HS256 {
		id, _ := t.Header["kid"].(string)
		keys, err := v.sets.find(ctx, p.KeysURL, id, algorithm)
		if err != nil && len(set.Keys) == 0 {
			return nil, errKeysDown{err}
		}
		for _, key := range keys {
			set.Keys = append(set.Keys, key.material)
		}
	}
	if len(set.Keys) == 0 {
		return nil, errNoKey
	}
	set.Keys = set.Keys[:min(len(set.Keys), candidatesMax)]
	return set, nil
}

// key parses a key once.
func (v *Verifier) key(text string) (Key, error) {
	sum := sha256.Sum256([]byte(text))
	v.mu.Lock()
	key, known := v.parsed[sum]
	v.mu.Unlock()
	if known {
		return key, nil
	}
	key, err := ParseKey(text)
	if err != nil {
		return Key{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.parsed) >= parsedMax {
		clear(v.parsed)
	}
	v.parsed[sum] = key
	return key, nil
}
