package namespace

import (
	"context"
	"slices"
	"time"

	"github.com/lightpush/lightpush/internal/apikey"
)

// AddAPIKey lets a key call for a namespace. Errors: ErrNotFound, ErrBusy,
// apikey.ErrFull, else the store's.
func (r *Registry) AddAPIKey(ctx context.Context, key string, k apikey.Key, now time.Time) error {
	return r.changeAPIKeys(ctx, key, now, func(keys []apikey.Key) ([]apikey.Key, error) {
		if len(keys) >= apikey.Max {
			return nil, apikey.ErrFull
		}
		return append(keys, k), nil
	})
}

// RemoveAPIKey takes a key away. Errors: as of AddAPIKey, and
// apikey.ErrUnknown.
func (r *Registry) RemoveAPIKey(ctx context.Context, key, id string, now time.Time) error {
	return r.changeAPIKeys(ctx, key, now, func(keys []apikey.Key) ([]apikey.Key, error) {
		left := slices.DeleteFunc(keys, func(k apikey.Key) bool { return k.ID == id })
		if len(left) == len(keys) {
			return nil, apikey.ErrUnknown
		}
		return left, nil
	})
}

func (r *Registry) changeAPIKeys(ctx context.Context, key string, now time.Time, change func([]apikey.Key) ([]apikey.Key, error)) error {
	saved, err := r.store.UpdateNamespace(ctx, key, func(old *Namespace) (*Namespace, error) {
		if old == nil || old.Doomed() {
			return nil, ErrNotFound
		}
		n := old.Clone()
		var err error
		if n.APIKeys, err = change(n.APIKeys); err != nil {
			return nil, err
		}
		n.UpdateDate = max(now.UnixMilli(), n.UpdateDate+1)
		return n, nil
	})
	if err != nil {
		return err
	}
	r.showSaved(saved)
	r.Invalidate()
	return nil
}
