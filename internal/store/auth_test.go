package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/secret"
)

func TestRevocations(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.Now()
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		make := func(ns, value string, until time.Duration) auth.Revocation {
			return auth.Revocation{Namespace: ns, Kind: auth.User, Value: value, Since: now.UnixMilli(), Until: now.Add(until).UnixMilli()}
		}
		list := func() (names []string) {
			t.Helper()
			for _, r := range must[[]auth.Revocation](t)(s.Revocations(ctx)) {
				names = append(names, r.Namespace+" "+r.Value)
			}
			slices.Sort(names)
			return names
		}
		if got := list(); len(got) != 0 {
			t.Errorf("at first: %v", got)
		}
		for _, r := range []auth.Revocation{make("/a", "x|user|y", time.Hour), make("/a", "joe", time.Minute), make("/b", "joe", time.Hour)} {
			check(t, s.SaveRevocation(ctx, r))
		}
		if got := list(); !slices.Equal(got, []string{"/a joe", "/a x|user|y", "/b joe"}) {
			t.Errorf("%v", got)
		}
		lift := make("/a", "x|user|y", time.Hour)
		lift.Lifted = true
		check(t, s.SaveRevocation(ctx, lift))
		now = now.Add(2 * time.Minute)
		if got := list(); !slices.Equal(got, []string{"/b joe"}) {
			t.Errorf("%v", got)
		}
		if n := must[int64](t)(s.rdb.HLen(ctx, s.keys.revocations()).Result()); n != 1 {
			t.Errorf("%d are kept: the one that ended is not removed", n)
		}
		for i := range 2500 { // several pages
			check(t, s.run(ctx, do("HSET", s.keys.revocations(), i, lift.Encode())))
		}
		if got := list(); len(got) != 2501 {
			t.Errorf("%d of many", len(got))
		}
	})
}

func TestClaimSignature(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		for _, c := range []struct {
			ns, sign, uuid string
			want           bool
		}{
			{"/a", "s", "u1", true}, {"/a", "s", "u1", true}, {"/a", "s", "u2", false}, {"/b", "s", "u2", true}, {"/a", "t", "u2", true},
		} {
			if got := must[bool](t)(s.ClaimSignature(t.Context(), c.ns, c.sign, c.uuid, time.Minute)); got != c.want {
				t.Errorf("%+v: %v", c, got)
			}
		}
		key := s.keys.signature("/a", "s")
		if ttl := must[time.Duration](t)(s.rdb.PTTL(t.Context(), key).Result()); ttl <= 0 || ttl > time.Minute {
			t.Errorf("kept for %s", ttl)
		}
	})
}

func TestAPIKeyUse(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		check(t, s.TouchAPIKey(ctx, "a", time.UnixMilli(7)))
		if got := must[[]int64](t)(s.APIKeyUse(ctx, []string{"x", "a"})); !slices.Equal(got, []int64{0, 7}) {
			t.Errorf("%v", got)
		}
		if got := must[[]int64](t)(s.APIKeyUse(ctx, nil)); len(got) != 0 {
			t.Errorf("%v", got)
		}
		check(t, s.ForgetAPIKey(ctx, "a"))
		if got := must[[]int64](t)(s.APIKeyUse(ctx, []string{"a"})); got[0] != 0 {
			t.Errorf("%v", got)
		}
	})
}

// The secrets that sign tokens are encrypted like those of callbacks.
func TestAuthKeysAtRest(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		key := secret.NewKey()
		s := b.open(t, func(o *Options) { o.Secrets = sealer(t, &key) })
		ctx := t.Context()
		want := namespace.Auth{Mode: auth.JWT, Key: "very secret key", OldKey: "very secret old key"}
		_, err := s.UpdateNamespace(ctx, "/a", func(*namespace.Namespace) (*namespace.Namespace, error) {
			return &namespace.Namespace{Key: "/a", Auth: want}, nil
		})
		check(t, err)
		if raw := must[string](t)(s.rdb.HGet(ctx, s.keys.namespaces(), "/a").Result()); strings.Contains(raw, "very secret") {
			t.Errorf("stored as %s", raw)
		}
		if got := must[[]*namespace.Namespace](t)(s.LoadNamespaces(ctx))[0].Auth; got != want {
			t.Errorf("%+v", got)
		}
	})
}
