package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/bus"
)

// hashDrop removes what has ended without harming what has taken its place.
var hashDrop = newScript("hash_drop")

// revocations is a hash: namespace|kind|value → the revocation.
func (k keys) revocations() string { return k.prefix + "revoked" }

// keyUse is a hash: id of an API key → ms when it was last used, about.
func (k keys) keyUse() string { return k.prefix + "apikeys" }

// signature remembers which device has used a signature first.
func (k keys) signature(ns, sign string) string {
	sum := sha256.Sum256([]byte(ns + "\x00" + sign))
	return k.prefix + "sig:{" + hex.EncodeToString(sum[:16]) + "}"
}

func revocationField(r *auth.Revocation) string {
	return escape(r.Namespace) + "|" + string(r.Kind) + "|" + escape(r.Value)
}

// Bounds of one look at the revocations.
const (
	revocationsPage = 1000
	revocationsMax  = 2_000_000 // far above what namespaces may have; stops a scan that does not end
)

// Revocations implements auth.RevocationStore.
func (s *Store) Revocations(ctx context.Context) ([]auth.Revocation, error) {
	var list []auth.Revocation
	now := s.nowMillis()
	for cursor, seen := uint64(0), 0; seen < revocationsMax; {
		scan := do("HSCAN", s.keys.revocations(), cursor, "COUNT", revocationsPage)
		if err := s.run(ctx, scan); err != nil {
			return nil, fmt.Errorf("read revocations: %w", err)
		}
		items, next := scan.page()
		seen += len(items) + 1
		var ended []*op
		for i := 0; i+1 < len(items); i += 2 {
			r, err := auth.DecodeRevocation(items[i+1])
			if err != nil {
				return nil, fmt.Errorf("read revocations: %w", err)
			}
			if r.Until <= now {
				ended = append(ended, hashDrop.call([]string{s.keys.revocations()}, items[i], items[i+1]))
				continue
			}
			list = append(list, r)
		}
		if err := s.run(ctx, ended...); err != nil {
			return nil, fmt.Errorf("remove ended revocations: %w", err)
		}
		if cursor = next; cursor == 0 {
			return list, nil
		}
	}
	return list, nil
}

// SaveRevocation implements auth.RevocationStore.
func (s *Store) SaveRevocation(ctx context.Context, r auth.Revocation) error {
	change := do("HSET", s.keys.revocations(), revocationField(&r), r.Encode())
	if r.Lifted {
		change = do("HDEL", s.keys.revocations(), revocationField(&r))
	}
	if err := s.run(ctx, change); err != nil {
		return fmt.Errorf("store revocation: %w", err)
	}
	// Without the notice others learn of it when they next load; the error
	// tells the caller to repeat.
	if err := s.run(ctx, do(bus.RevocationCommand(s.opt.Prefix, r.Encode())...)); err != nil {
		return fmt.Errorf("announce revocation: %w", err)
	}
	return nil
}

// ClaimSignature binds a signature to the first device that uses it, for a
// while; false when it is another device's.
func (s *Store) ClaimSignature(ctx context.Context, ns, sign, uuid string, ttl time.Duration) (bool, error) {
	key := s.keys.signature(ns, sign)
	set := do("SET", key, uuid, "NX", "PX", ttl.Milliseconds())
	get := do("GET", key)
	if err := s.run(ctx, set, get); err != nil {
		return false, fmt.Errorf("claim signature: %w", err)
	}
	return get.text() == uuid, nil
}

// TouchAPIKey notes that a key was used.
func (s *Store) TouchAPIKey(ctx context.Context, id string, at time.Time) error {
	if err := s.run(ctx, do("HSET", s.keys.keyUse(), id, at.UnixMilli())); err != nil {
		return fmt.Errorf("note use of api key: %w", err)
	}
	return nil
}

// APIKeyUse returns when keys were last used, ms, 0 for never.
func (s *Store) APIKeyUse(ctx context.Context, ids []string) ([]int64, error) {
	used := make([]int64, len(ids))
	if len(ids) == 0 {
		return used, nil
	}
	args := []any{"HMGET", s.keys.keyUse()}
	for _, id := range ids {
		args = append(args, id)
	}
	get := do(args...)
	if err := s.run(ctx, get); err != nil {
		return nil, fmt.Errorf("read use of api keys: %w", err)
	}
	for i, text := range get.texts() {
		used[i], _ = strconv.ParseInt(text, 10, 64)
	}
	return used, nil
}

// ForgetAPIKey removes what is remembered of a key that is gone.
func (s *Store) ForgetAPIKey(ctx context.Context, id string) error {
	if err := s.run(ctx, do("HDEL", s.keys.keyUse(), id)); err != nil {
		return fmt.Errorf("forget api key: %w", err)
	}
	return nil
}
