package store

import (
	"context"
	"fmt"
)

// AdminHash implements admin.Store.
func (s *Store) AdminHash(ctx context.Context) (string, error) {
	get := do("GET", s.keys.admin())
	if err := s.run(ctx, get); err != nil {
		return "", fmt.Errorf("read administrator: %w", err)
	}
	return get.text(), nil
}

// InitAdminHash implements admin.Store.
func (s *Store) InitAdminHash(ctx context.Context, hash string) (string, error) {
	if err := s.run(ctx, do("SET", s.keys.admin(), hash, "NX")); err != nil {
		return "", fmt.Errorf("store administrator: %w", err)
	}
	return s.AdminHash(ctx)
}
