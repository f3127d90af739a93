package store

import (
	"errors"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/namespace"
)

func TestNamespaces(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		if list := must[[]*namespace.Namespace](t)(s.LoadNamespaces(ctx)); len(list) != 0 {
			t.Errorf("%d namespaces in an empty store", len(list))
		}
		refused := errors.New("refused")
		_, err := s.UpdateNamespace(ctx, "/a", func(old *namespace.Namespace) (*namespace.Namespace, error) {
			if old != nil {
				t.Errorf("an unknown namespace is %+v", old)
			}
			return nil, refused
		})
		if !errors.Is(err, refused) {
			t.Errorf("refusal came back as %v", err)
		}
		// Every update of many at once is kept.
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for range 5 {
					_, err := s.UpdateNamespace(ctx, "/a", func(old *namespace.Namespace) (*namespace.Namespace, error) {
						n := &namespace.Namespace{Key: "/a"}
						if old != nil {
							n = old.Clone()
						}
						n.UpdateDate++
						return n, nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		saved, err := s.UpdateNamespace(ctx, "/b", func(*namespace.Namespace) (*namespace.Namespace, error) {
			return &namespace.Namespace{Key: "/b", Offline: true}, nil
		})
		if err != nil || !saved.Offline {
			t.Errorf("saved %+v, %v", saved, err)
		}
		byKey := map[string]*namespace.Namespace{}
		for _, n := range must[[]*namespace.Namespace](t)(s.LoadNamespaces(ctx)) {
			byKey[n.Key] = n
		}
		if len(byKey) != 2 || byKey["/a"].UpdateDate != 30 || !byKey["/b"].Offline {
			t.Errorf("loaded %v", byKey)
		}
		notices := must[[]redis.XMessage](t)(s.rdb.XRange(ctx, bus.ControlKey(s.opt.Prefix), "-", "+").Result())
		if len(notices) != 31 || notices[30].Values["n"] != "/b" {
			t.Errorf("%d notices, the last is %v", len(notices), notices[len(notices)-1])
		}
	})
}
