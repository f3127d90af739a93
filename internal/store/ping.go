package store

import (
	"context"
	"fmt"
)

// Ping asks Redis for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.run(ctx, do("PING")); err != nil {
		return fmt.Errorf("ping Redis: %w", err)
	}
	return nil
}
