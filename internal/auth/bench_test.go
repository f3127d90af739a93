package auth

import (
	"context"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// BenchmarkToken is the check of a token whose key is known already.
func BenchmarkToken(b *testing.B) {
	for _, bm := range []struct {
		name   string
		method jwt.SigningMethod
		sign   any
		key    string
	}{
		{"HS256", jwt.SigningMethodHS256, []byte(secretA), secretA},
		{"ES256", jwt.SigningMethodES256, ecKeyA, public(&ecKeyA.PublicKey)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			v := NewVerifier(Options{Now: func() time.Time { return at }})
			policy := Policy{Keys: []string{bm.key}}
			token := sign(bm.method, bm.sign, "", claims("jti", "t1", "rooms", []string{"a", "b"}))
			check := func() {
				if c, err := v.Token(context.Background(), policy, token); err != nil || c.UserID != "joe" {
					b.Fatal(c, err)
				}
			}
			check()
			b.ReportAllocs()
			for b.Loop() {
				check()
			}
		})
	}
}

// BenchmarkBlocked is the look for a revocation, as every connect makes it.
func BenchmarkBlocked(b *testing.B) {
	for _, bm := range []struct {
		name string
		some bool
	}{{"none", false}, {"some", true}} {
		b.Run(bm.name, func(b *testing.B) {
			r := NewRevocations(nil, time.Hour, nil)
			if bm.some {
				r.Apply(Revocation{Namespace: "/demo", Kind: User, Value: "jim", Until: time.Now().Add(time.Hour).UnixMilli()})
			}
			b.ReportAllocs()
			for b.Loop() {
				if r.Blocked("/demo", User, "joe") {
					b.Fatal("blocked")
				}
			}
		})
	}
}
