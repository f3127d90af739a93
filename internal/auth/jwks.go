package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// Times and bounds of fetched key sets.
const (
	setFresh   = 10 * time.Minute // after that a set is fetched again, the old one serving if that fails
	setStale   = 24 * time.Hour   // after that it serves no more
	setRefetch = 30 * time.Second // between two fetches for key ids nobody knows
	setRetry   = 5 * time.Second  // after a fetch that failed
	setTimeout = 5 * time.Second
	setKeysMax = 100
	setsMax    = 1_000 // URLs remembered
	// SetSizeMax bounds the text of a key set, in bytes.
	SetSizeMax = 256 << 10
)

// Fetcher gets the text at a URL: at most limit bytes of an answer 200, from
// no address that must not be called. It must end with ctx.
type Fetcher func(ctx context.Context, url string, limit int64) ([]byte, error)

// keySet is what a URL has given.
type keySet struct {
	url string

	mu      sync.Mutex // held while fetching: one fetch serves all who wait
	fetched time.Time  // last success; zero: never
	tried   time.Time  // last fetch
	failed  bool       // the last fetch failed
	keys    map[string][]Key
}

// keySets caches key sets by URL.
type keySets struct {
	fetch   Fetcher
	now     func() time.Time
	onError func(url string, err error)

	mu   sync.Mutex
	sets map[string]*keySet
}

func (s *keySets) set(url string) *keySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := s.sets[url]
	if set == nil {
		if len(s.sets) >= setsMax {
			clear(s.sets) // only namespaces that change their URL all the time come here
		}
		set = &keySet{url: url}
		s.sets[url] = set
	}
	return set
}

// find returns the keys of an algorithm with that id; id "" gives any. A set
// that is old, or does not know the id, is fetched again, which is limited:
// forged tokens must not make this process hammer the publisher. Error:
// ErrKeys when there is no set to look into.
func (s *keySets) find(ctx context.Context, url, id, algorithm string) ([]Key, error) {
	set := s.set(url)
	set.mu.Lock()
	defer set.mu.Unlock()
	now := s.now()
	keys := set.match(id, algorithm)
	due := set.fetched.IsZero() || now.Sub(set.fetched) >= setFresh
	switch pause := now.Sub(set.tried); {
	case set.failed && pause < setRetry: // it has just failed
	case due, len(keys) == 0 && pause >= setRefetch:
		s.load(ctx, set, now)
		keys = set.match(id, algorithm)
	}
	if set.fetched.IsZero() || now.Sub(set.fetched) >= setStale {
		return nil, ErrKeys
	}
	return keys, nil
}

func (s *keySets) load(ctx context.Context, set *keySet, now time.Time) {
	// Not the client's context: others wait for the same answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), setTimeout)
	defer cancel()
	set.tried = now
	text, err := s.fetch(ctx, set.url, SetSizeMax)
	if err == nil {
		var keys map[string][]Key
		if keys, err = parseSet(text); err == nil {
			set.keys, set.fetched, set.failed = keys, now, false
			return
		}
	}
	set.failed = true
	s.onError(set.url, err)
}

func (set *keySet) match(id, algorithm string) (found []Key) {
	ofAlgorithm := func(keys []Key) {
		for _, k := range keys {
			if k.Algorithm == algorithm {
				found = append(found, k)
			}
		}
	}
	if id != "" {
		ofAlgorithm(set.keys[id])
		return found
	}
	for _, keys := range set.keys {
		ofAlgorithm(keys)
	}
	return found
}

var errSet = errors.New("no JWK set (RFC 7517)")

// parseSet reads a JWK set by key id. Keys that are not for signatures, of
// other kinds or broken are skipped; symmetric ones above all: a secret that
// is published is none.
func parseSet(text []byte) (map[string][]Key, error) {
	var raw struct {
		Keys []jsonKey `json:"keys"`
	}
	if len(text) > SetSizeMax || json.Unmarshal(text, &raw) != nil || raw.Keys == nil {
		return nil, errSet
	}
	if len(raw.Keys) > setKeysMax {
		return nil, fmt.Errorf("%w: more than %d keys", errSet, setKeysMax)
	}
	keys := map[string][]Key{}
	for _, k := range raw.Keys {
		if key, err := k.key(); err == nil {
			keys[k.ID] = append(keys[k.ID], key)
		}
	}
	return keys, nil
}

type jsonKey struct {
	Kind      string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	ID        string `json:"kid"`
	Curve     string `json:"crv"`
	N         string `json:"n"`
	E         string `json:"e"`
	X         string `json:"x"`
	Y         string `json:"y"`
}

func (k jsonKey) key() (key Key, err error) {
	if k.Use != "" && k.Use != "sig" {
		return Key{}, errKeyKind
	}
	switch k.Kind {
	case "RSA":
		n, e := number(k.N), number(k.E)
		if n == nil || e == nil || e.BitLen() > 31 {
			return Key{}, errKeyRSA
		}
		key, err = publicKey(&rsa.PublicKey{N: n, E: int(e.Int64())})
	case "EC":
		if k.Curve != "P-256" {
			return Key{}, errKeyCurve
		}
		key, err = ecKey(k.X, k.Y)
	default:
		return Key{}, errKeyKind
	}
	if err == nil && k.Algorithm != "" && k.Algorithm != key.Algorithm {
		err = errKeyKind
	}
	return key, err
}

// ecKey reads a point of P-256; one that is not on the curve is refused.
func ecKey(x, y string) (Key, error) {
	const size = 32
	point := make([]byte, 1+2*size)
	point[0] = 4 // uncompressed
	for i, text := range []string{x, y} {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(raw) != size {
			return Key{}, errKeyCurve
		}
		copy(point[1+i*size:], raw)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return Key{}, errKeyCurve
	}
	return Key{ES256, key}, nil
}

func number(text string) *big.Int {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 || len(raw) > rsaMax/8 {
		return nil
	}
	return new(big.Int).SetBytes(raw)
}
