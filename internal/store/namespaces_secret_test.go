package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/secret"
)

func sealer(t *testing.T, current *secret.Key, old ...secret.Key) *secret.Box {
	t.Helper()
	b, err := secret.NewBox(current, old...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Secrets are encrypted in the store, whoever reads it; a configuration from
// before there was a key is read and encrypted with its next save.
func TestNamespaceSecretsAtRest(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		ctx := t.Context()
		raw := func(s *Store) string {
			t.Helper()
			return strings.Join(must[[]string](t)(s.rdb.HVals(ctx, s.keys.namespaces()).Result()), "\n")
		}
		load := func(s *Store) *namespace.Namespace {
			t.Helper()
			return must[[]*namespace.Namespace](t)(s.LoadNamespaces(ctx))[0]
		}
		touch := func(s *Store) {
			t.Helper()
			_, err := s.UpdateNamespace(ctx, "/a", func(old *namespace.Namespace) (*namespace.Namespace, error) {
				if old == nil {
					auth := "very secret"
					return &namespace.Namespace{Key: "/a", CallbackAuth: &auth, APNs: []namespace.APNsProfile{{Name: "p", TokenKey: "very secret"}}}, nil
				}
				n := old.Clone()
				n.UpdateDate++
				return n, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		first, second := secret.NewKey(), secret.NewKey()

		plain := b.open(t, nil)
		touch(plain)
		if strings.Count(raw(plain), "very secret") != 2 {
			t.Fatalf("without a key: %s", raw(plain))
		}
		s := b.open(t, func(o *Options) { o.Secrets = sealer(t, &first) })
		if n := load(s); *n.CallbackAuth != "very secret" || n.APNs[0].TokenKey != "very secret" {
			t.Errorf("from before there was a key: %v", n.APNs)
		}
		touch(s)
		if text := raw(s); strings.Contains(text, "very secret") || strings.Count(text, first.ID()) != 2 {
			t.Errorf("with a key: %s", text)
		}
		rotated := b.open(t, func(o *Options) { o.Secrets = sealer(t, &second, first) })
		if n := load(rotated); *n.CallbackAuth != "very secret" {
			t.Errorf("with the next key: %s", *n.CallbackAuth)
		}
		touch(rotated)
		if text := raw(rotated); strings.Contains(text, first.ID()) || strings.Count(text, second.ID()) != 2 {
			t.Errorf("after rotation: %s", text)
		}

		// A process without the key reports it, keeps the rest going and
		// loses nothing with a save.
		var problems []error
		lost := b.open(t, func(o *Options) {
			o.Secrets = sealer(t, &first)
			o.OnError = func(err error) { problems = append(problems, err) }
		})
		if n := load(lost); n.Key != "/a" || len(problems) != 2 || !errors.Is(problems[0], secret.ErrNoKey) {
			t.Errorf("without the right key: %v", problems)
		}
		touch(lost)
		if n := load(rotated); *n.CallbackAuth != "very secret" || n.APNs[0].TokenKey != "very secret" {
			t.Errorf("a save without the key lost %v", n.APNs)
		}
	})
}
