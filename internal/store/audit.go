package store

import (
	"context"
	"fmt"
)

// audit is the list of administrative acts, the newest first.
func (k keys) audit() string { return k.prefix + "audit" }

// AddAct implements console.AuditStore.
func (s *Store) AddAct(ctx context.Context, act []byte, most int) error {
	add := do("LPUSH", s.keys.audit(), act)
	add.once = true
	if err := s.run(ctx, add, do("LTRIM", s.keys.audit(), 0, most-1)); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// Acts implements console.AuditStore.
func (s *Store) Acts(ctx context.Context, offset, count int) (acts [][]byte, total int64, err error) {
	list, length := do("LRANGE", s.keys.audit(), offset, offset+count-1), do("LLEN", s.keys.audit())
	if err := s.run(ctx, list, length); err != nil {
		return nil, 0, fmt.Errorf("read audit log: %w", err)
	}
	for _, text := range list.texts() {
		acts = append(acts, []byte(text))
	}
	return acts, length.integer(), nil
}
