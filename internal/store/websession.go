package store

import (
	"context"
	"fmt"
	"time"
)

// webSession is a login of the console, under the digest of its token.
func (k keys) webSession(id string) string { return k.prefix + "ws:{" + id + "}" }

// webSessions are the logins of an account: digest → when it was made, ms.
func (k keys) webSessions(account string) string { return k.prefix + "wa:{" + escape(account) + "}" }

// webSessionsKept is longer than any session lives.
const webSessionsKept = 24 * time.Hour

// PutSession implements console.SessionStore.
func (s *Store) PutSession(ctx context.Context, id, account string, data []byte, ttl time.Duration, most int) error {
	list := s.keys.webSessions(account)
	now := s.nowMillis()
	put := do("SET", s.keys.webSession(id), data, "PX", ttl.Milliseconds())
	old := do("ZRANGE", list, 0, -1-most)
	err := s.run(ctx, put,
		do("ZADD", list, now, id),
		do("ZREMRANGEBYSCORE", list, "-inf", now-webSessionsKept.Milliseconds()),
		do("PEXPIRE", list, webSessionsKept.Milliseconds()),
		old)
	if err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	drop := make([]*op, 0, 1)
	for _, other := range old.texts() {
		drop = append(drop, do("UNLINK", s.keys.webSession(other)), do("ZREM", list, other))
	}
	if err := s.runChunks(ctx, drop); err != nil {
		return fmt.Errorf("end old sessions: %w", err)
	}
	return nil
}

// WebSession implements console.SessionStore.
func (s *Store) WebSession(ctx context.Context, id string) (data []byte, left time.Duration, err error) {
	key := s.keys.webSession(id)
	get, ttl := do("GET", key), do("PTTL", key)
	if err := s.run(ctx, get, ttl); err != nil {
		return nil, 0, fmt.Errorf("read session: %w", err)
	}
	if get.absent() {
		return nil, 0, nil
	}
	return []byte(get.text()), time.Duration(ttl.integer()) * time.Millisecond, nil
}

// ExtendSession implements console.SessionStore.
func (s *Store) ExtendSession(ctx context.Context, id string, ttl time.Duration) error {
	if err := s.run(ctx, do("PEXPIRE", s.keys.webSession(id), ttl.Milliseconds())); err != nil {
		return fmt.Errorf("extend session: %w", err)
	}
	return nil
}

// DropSession implements console.SessionStore.
func (s *Store) DropSession(ctx context.Context, id string) error {
	if err := s.run(ctx, do("UNLINK", s.keys.webSession(id))); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}
