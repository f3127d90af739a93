package store

import (
	"context"
	"fmt"
	"slices"
)

// scanCount is about how many entries one step of a walk takes, so that no
// single command occupies Redis for long.
const scanCount = 500

// fields lists a hash of any size in bounded steps.
func (s *Store) fields(ctx context.Context, key string) ([]string, error) {
	var list []string
	err := s.scanHash(ctx, key, func(pairs []string) error {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, pairs[i])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	return slices.Compact(list), nil // a scan may return a field twice
}

// scanHash calls visit with fields and values in turn, page by page; visit
// may keep the slice.
func (s *Store) scanHash(ctx context.Context, key string, visit func(pairs []string) error) error {
	cursor := uint64(0)
	for {
		scan := do("HSCAN", key, cursor, "COUNT", scanCount)
		if err := s.run(ctx, scan); err != nil {
			return fmt.Errorf("list %s: %w", key, err)
		}
		page, next := scan.page()
		if len(page)%2 != 0 {
			return fmt.Errorf("list %s: odd reply", key)
		}
		if err := visit(page); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// scanFields lists many hashes at once, each page by page. A field may come
// twice.
func (s *Store) scanFields(ctx context.Context, keys []string) ([][]string, error) {
	found := make([][]string, len(keys))
	cursors := make([]uint64, len(keys))
	open := make([]int, len(keys))
	for i := range open {
		open[i] = i
	}
	for len(open) > 0 {
		ops := make([]*op, len(open))
		for j, i := range open {
			ops[j] = do("HSCAN", keys[i], cursors[i], "COUNT", scanCount)
		}
		if err := s.runChunks(ctx, ops); err != nil {
			return nil, err
		}
		still := open[:0]
		for j, i := range open {
			page, next := ops[j].page()
			for at := 0; at+1 < len(page); at += 2 {
				found[i] = append(found[i], page[at])
			}
			if cursors[i] = next; next != 0 {
				still = append(still, i)
			}
		}
		open = still
	}
	return found, nil
}
