package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	secretA = "0123456789abcdef0123456789abcdef"
	secretB = "fedcba9876543210fedcba9876543210"
)

var (
	rsaKey = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKeyA = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	at     = time.Unix(1_800_000_000, 0)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func public(key crypto.PublicKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))}))
}

func sign(method jwt.SigningMethod, key any, kid string, claims jwt.MapClaims) string {
	t := jwt.NewWithClaims(method, claims)
	if kid != "" {
		t.Header["kid"] = kid
	}
	return must(t.SignedString(key))
}

func claims(more ...any) jwt.MapClaims {
	c := jwt.MapClaims{"sub": "joe", "exp": at.Add(time.Hour).Unix()}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return c
}

func raw(header, payload string, signature []byte) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(payload)) + "." + enc.EncodeToString(signature)
}

func TestToken(t *testing.T) {
	rsaPEM, ecPEM := public(&rsaKey.PublicKey), public(&ecKeyA.PublicKey)
	shared := Policy{Keys: []string{secretA}}
	both := Policy{Keys: []string{secretA, secretB}}
	rs, es := Policy{Keys: []string{rsaPEM}}, Policy{Keys: []string{ecPEM}}
	hs := func(secret string, more ...any) string {
		return sign(jwt.SigningMethodHS256, []byte(secret), "", claims(more...))
	}
	payload := fmt.Sprintf(`{"sub":"joe","exp":%d}`, at.Add(time.Hour).Unix())
	good := hs(secretA)
	for _, tc := range []struct {
		what   string
		policy Policy
		token  string
		err    error
	}{
		{"HS256", shared, good, nil},
		{"old key of a rotation", both, hs(secretB), nil},
		{"RS256", rs, sign(jwt.SigningMethodRS256, rsaKey, "", claims()), nil},
		{"ES256", es, sign(jwt.SigningMethodES256, ecKeyA, "", claims()), nil},
		{"audience", Policy{Keys: shared.Keys, Audience: "push"}, hs(secretA, "aud", []string{"x", "push"}), nil},
		{"nbf within the leeway", shared, hs(secretA, "nbf", at.Add(3*time.Second).Unix()), nil},
		{"nothing", shared, "", ErrTokenMissing},
		{"no key", Policy{}, good, ErrTokenInvalid},
		{"another secret", shared, hs(secretB), ErrTokenInvalid},
		{"expired", shared, hs(secretA, "exp", at.Add(-time.Hour).Unix()), ErrTokenExpired},
		{"just expired", shared, hs(secretA, "exp", at.Unix()), ErrTokenExpired},
		{"expired and forged", shared, hs(secretB, "exp", at.Add(-time.Hour).Unix()), ErrTokenInvalid},
		{"early", shared, hs(secretA, "nbf", at.Add(time.Hour).Unix()), ErrTokenEarly},
		{"no exp", shared, sign(jwt.SigningMethodHS256, []byte(secretA), "", jwt.MapClaims{"sub": "joe"}), ErrTokenInvalid},
		{"no sub", shared, hs(secretA, "sub", ""), ErrTokenInvalid},
		{"sub of another type", shared, hs(secretA, "sub", 7), ErrTokenInvalid},
		{"wrong audience", Policy{Keys: shared.Keys, Audience: "push"}, hs(secretA, "aud", "x"), ErrTokenInvalid},
		{"no audience", Policy{Keys: shared.Keys, Audience: "push"}, good, ErrTokenInvalid},
		{"alg none", shared, raw(`{"alg":"none"}`, payload, nil), ErrTokenInvalid},
		{"alg None", rs, raw(`{"alg":"None","typ":"JWT"}`, payload, nil), ErrTokenInvalid},
		{"HS512", shared, sign(jwt.SigningMethodHS512, []byte(secretA), "", claims()), ErrTokenInvalid},
		{"RS512", rs, sign(jwt.SigningMethodRS512, rsaKey, "", claims()), ErrTokenInvalid},
		{"PS256", rs, sign(jwt.SigningMethodPS256, rsaKey, "", claims()), ErrTokenInvalid},
		{"public key as secret", rs, hs(rsaPEM), ErrTokenInvalid},
		{"public key as secret, EC", es, hs(ecPEM), ErrTokenInvalid},
		{"RSA token for an EC key", es, sign(jwt.SigningMethodRS256, rsaKey, "", claims()), ErrTokenInvalid},
		{"key in the header", es, raw(`{"alg":"ES256","jwk":{"kty":"EC"}}`, payload, make([]byte, 64)), ErrTokenInvalid},
		{"zero signature", es, raw(`{"alg":"ES256"}`, payload, make([]byte, 64)), ErrTokenInvalid},
		{"signature cut off", shared, good[:strings.LastIndexByte(good, '.')+1], ErrTokenInvalid},
		{"two parts", shared, "a.b", ErrTokenInvalid},
		{"four parts", shared, good + ".x", ErrTokenInvalid},
		{"line breaks", shared, good + "\r\nX: y", ErrTokenInvalid},
		{"oversized", shared, hs(secretA, "x", strings.Repeat("x", TokenMax)), ErrTokenInvalid},
		{"info too large", shared, hs(secretA, "info", strings.Repeat("x", InfoMax)), ErrTokenInvalid},
		{"too many rooms", shared, hs(secretA, "rooms", make([]string, RoomsMax+1)), ErrTokenInvalid},
		{"rooms of another type", shared, hs(secretA, "rooms", "news"), ErrTokenInvalid},
		{"long token id", shared, hs(secretA, "jti", strings.Repeat("x", ValueMax+1)), ErrTokenInvalid},
		{"not published", Policy{KeysURL: "https://x"}, sign(jwt.SigningMethodRS256, rsaKey, "", claims()), ErrKeys},
		{"not published, but a fixed key", Policy{Keys: []string{rsaPEM}, KeysURL: "https://x"}, sign(jwt.SigningMethodRS256, rsaKey, "", claims()), nil},
	} {
		v := NewVerifier(Options{Now: func() time.Time { return at }})
		c, err := v.Token(context.Background(), tc.policy, tc.token)
		if err != tc.err {
			t.Errorf("%s: %v, want %v", tc.what, err, tc.err)
		}
		if err == nil && (c.UserID != "joe" || !c.Expires.Equal(at.Add(time.Hour))) {
			t.Errorf("%s: %+v", tc.what, c)
		}
	}
}

func TestClaims(t *testing.T) {
	v := NewVerifier(Options{Now: func() time.Time { return at }})
	token := sign(jwt.SigningMethodHS256, []byte(secretA), "", claims("jti", "t1", "rooms", []string{"a", "b"}, "info", map[string]any{"n": 1}))
	c, err := v.Token(context.Background(), Policy{Keys: []string{secretA}}, token)
	if err != nil || c.TokenID != "t1" || fmt.Sprint(c.Rooms) != "[a b]" || string(c.Info) != `{"n":1}` {
		t.Errorf("%+v, %v", c, err)
	}
	token = sign(jwt.SigningMethodHS256, []byte(secretA), "", claims("info", nil))
	if c, err = v.Token(context.Background(), Policy{Keys: []string{secretA}}, token); err != nil || c.Info != nil {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestParseKey(t *testing.T) {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(ecKeyA))}))
	for _, tc := range []struct {
		text      string
		algorithm string
		err       error
	}{
		{secretA, HS256, nil},
		{public(&rsaKey.PublicKey), RS256, nil},
		{public(&ecKeyA.PublicKey) + "\n", ES256, nil},
		{string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)})), RS256, nil},
		{"", "", errSecretShort},
		{"short", "", errSecretShort},
		{strings.Repeat("x", KeyTextMax+1), "", errSecretShort},
		{private, "", errKeyPrivate},
		{public(&p384.PublicKey), "", errKeyCurve},
		{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "", errKeyPEM},
		{"-----BEGIN PUBLIC KEY-----", "", errKeyPEM},
		{public(&ecKeyA.PublicKey) + public(&ecKeyA.PublicKey), "", errKeyPEM},
	} {
		key, err := ParseKey(tc.text)
		if err != tc.err || key.Algorithm != tc.algorithm {
			t.Errorf("%.40q: %s, %v", tc.text, key.Algorithm, err)
		}
	}
}

func TestSignature(t *testing.T) {
	v := NewVerifier(Options{Now: func() time.Time { return at }})
	seconds := func(d time.Duration) string { return fmt.Sprint(at.Add(d).Unix()) }
	good := Sign(secretA, "joe", seconds(0))
	secrets := []string{secretA, secretB, ""}
	for _, tc := range []struct {
		what, user, ts, sign string
		err                  error
	}{
		{"good", "joe", seconds(0), good, nil},
		{"capitals", "joe", seconds(0), strings.ToUpper(good), nil},
		{"old secret", "joe", seconds(0), Sign(secretB, "joe", seconds(0)), nil},
		{"end of the window", "joe", seconds(-SignWindow), Sign(secretA, "joe", seconds(-SignWindow)), nil},
		{"clock ahead", "joe", seconds(signSkew), Sign(secretA, "joe", seconds(signSkew)), nil},
		{"replayed", "joe", seconds(-SignWindow - time.Second), Sign(secretA, "joe", seconds(-SignWindow-time.Second)), ErrSignExpired},
		{"from the future", "joe", seconds(signSkew + time.Second), Sign(secretA, "joe", seconds(signSkew+time.Second)), ErrSignInvalid},
		{"replayed with a new time", "joe", seconds(time.Second), good, ErrSignInvalid},
		{"replayed as another user", "ann", seconds(0), good, ErrSignInvalid},
		{"moved digit", "joe1", seconds(0)[1:], good, ErrSignInvalid},
		{"empty secret", "joe", seconds(0), Sign("", "joe", seconds(0)), ErrSignInvalid},
		{"no user", "", seconds(0), good, ErrSignMissing},
		{"no sign", "joe", seconds(0), "", ErrSignMissing},
		{"no time", "joe", "", good, ErrSignMissing},
		{"no digits", "joe", seconds(0), strings.Repeat("g", 64), ErrSignInvalid},
		{"short", "joe", seconds(0), good[:62], ErrSignInvalid},
		{"signed time", "joe", "+" + seconds(0), Sign(secretA, "joe", "+"+seconds(0)), ErrSignInvalid},
		{"endless time", "joe", "99999999999999", Sign(secretA, "joe", "99999999999999"), ErrSignInvalid},
		{"line break", "joe", seconds(0), good + "\r\n", ErrSignInvalid},
	} {
		if err := v.Signature(secrets, tc.user, tc.ts, tc.sign); err != tc.err {
			t.Errorf("%s: %v, want %v", tc.what, err, tc.err)
		}
	}
}

// publisher is a JWK set that can be changed.
type publisher struct {
	text  atomic.Value
	calls atomic.Int64
}

func (p *publisher) fetch(context.Context, string, int64) ([]byte, error) {
	p.calls.Add(1)
	if text, _ := p.text.Load().(string); text != "" {
		return []byte(text), nil
	}
	return nil, errors.New("down")
}

func jwkSet(keys ...map[string]string) string {
	return string(must(json.Marshal(map[string]any{"keys": keys})))
}

func ecJWK(kid string, key *ecdsa.PublicKey) map[string]string {
	point := must(key.Bytes())
	enc := base64.RawURLEncoding
	return map[string]string{"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig",
		"x": enc.EncodeToString(point[1:33]), "y": enc.EncodeToString(point[33:])}
}

func rsaJWK(kid string, key *rsa.PublicKey) map[string]string {
	return map[string]string{"kty": "RSA", "kid": kid, "alg": RS256,
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB"}
}

func TestKeySet(t *testing.T) {
	now := at
	p := &publisher{}
	var failures int
	v := NewVerifier(Options{Now: func() time.Time { return now }, Fetch: p.fetch, OnError: func(string, error) { failures++ }})
	policy := Policy{KeysURL: "https://keys.example/jwks"}
	check := func(what, token string, want error, calls int64) {
		t.Helper()
		c := claims("exp", now.Add(time.Hour).Unix())
		var signed string
		switch token {
		case "a":
			signed = sign(jwt.SigningMethodES256, ecKeyA, "a", c)
		case "r", "":
			signed = sign(jwt.SigningMethodRS256, rsaKey, token, c)
		default:
			signed = sign(jwt.SigningMethodES256, ecKeyA, token, c)
		}
		if _, err := v.Token(context.Background(), policy, signed); err != want {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if n := p.calls.Swap(0); n != calls {
			t.Errorf("%s: %d fetches, want %d", what, n, calls)
		}
	}
	check("publisher down", "a", ErrKeys, 1)
	check("not asked again at once", "a", ErrKeys, 0)
	now = now.Add(setRetry)
	p.text.Store(jwkSet(ecJWK("a", &ecKeyA.PublicKey), map[string]string{"kty": "oct", "kid": "s", "k": "AAAA"}))
	check("up again", "a", nil, 1)
	check("cached", "a", nil, 0)
	check("unknown key, just asked", "r", ErrTokenInvalid, 0)
	now = now.Add(setRefetch)
	p.text.Store(jwkSet(ecJWK("a", &ecKeyA.PublicKey), rsaJWK("r", &rsaKey.PublicKey)))
	check("rotated", "r", nil, 1)
	check("no key id", "", nil, 0)
	for range 5 {
		check("forged key ids", "x", ErrTokenInvalid, 0)
	}
	p.text.Store("")
	now = now.Add(setFresh)
	check("old keys serve while the publisher is down", "a", nil, 1)
	now = now.Add(setStale)
	check("but not for ever", "a", ErrKeys, 1)
	if failures != 3 {
		t.Errorf("%d failures were reported", failures)
	}
	if _, err := v.Token(context.Background(), policy, sign(jwt.SigningMethodHS256, []byte("AAAA"), "s", claims())); err != ErrTokenInvalid {
		t.Errorf("published secret: %v", err)
	}
}

func TestParseSet(t *testing.T) {
	good := ecJWK("a", &ecKeyA.PublicKey)
	change := func(field, value string) map[string]string {
		c := map[string]string{}
		for k, v := range good {
			c[k] = v
		}
		c[field] = value
		return c
	}
	many := make([]map[string]string, setKeysMax+1)
	for i := range many {
		many[i] = good
	}
	weak := rsaJWK("w", &rsaKey.PublicKey)
	weak["n"] = "AQAB"
	for _, tc := range []struct {
		what, text string
		keys       int
		bad        bool
	}{
		{"good", jwkSet(good), 1, false},
		{"none", `{"keys":[]}`, 0, false},
		{"for encryption", jwkSet(change("use", "enc")), 0, false},
		{"another curve", jwkSet(change("crv", "P-384")), 0, false},
		{"not on the curve", jwkSet(change("x", strings.Repeat("A", 43))), 0, false},
		{"another algorithm", jwkSet(change("alg", "HS256")), 0, false},
		{"weak RSA", jwkSet(weak), 0, false},
		{"no JSON", "<html>", 0, true},
		{"no set", `{"x":1}`, 0, true},
		{"too many", jwkSet(many...), 0, true},
		{"too large", strings.Repeat(" ", SetSizeMax) + jwkSet(good), 0, true},
	} {
		keys, err := parseSet([]byte(tc.text))
		if len(keys) != tc.keys || (err != nil) != tc.bad {
			t.Errorf("%s: %d keys, %v", tc.what, len(keys), err)
		}
	}
}

func FuzzToken(f *testing.F) {
	policy := Policy{Keys: []string{secretA, public(&rsaKey.PublicKey)}}
	v := NewVerifier(Options{Now: func() time.Time { return at }})
	f.Add(sign(jwt.SigningMethodHS256, []byte(secretB), "", claims()))
	f.Add(sign(jwt.SigningMethodRS512, rsaKey, "", claims()))
	f.Add(raw(`{"alg":"none"}`, `{"sub":"joe"}`, nil))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := v.Token(context.Background(), policy, token); err == nil {
			t.Errorf("accepted %q: %+v", token, c)
		}
	})
}

func FuzzParseSet(f *testing.F) {
	f.Add(jwkSet(ecJWK("a", &ecKeyA.PublicKey), rsaJWK("r", &rsaKey.PublicKey)))
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`)
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseSet([]byte(text)) })
}
