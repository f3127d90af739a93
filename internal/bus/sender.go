package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/client"
)

// Sender appends to the streams of nodes. Safe for concurrent use.
type Sender struct {
	rdb    redis.UniversalClient
	prefix string
	max    int64
}

// NewSender returns a Sender on rdb, which stays the caller's; max is about
// how many entries a stream keeps.
func NewSender(rdb redis.UniversalClient, prefix string, max int64) *Sender {
	return &Sender{rdb: rdb, prefix: prefix, max: max}
}

// Kick tells node to end the connections k names. A node that is gone has
// none left, so that is no error.
func (s *Sender) Kick(ctx context.Context, node string, k client.Kick) error {
	err := s.rdb.Do(ctx, KickCommand(StreamKey(s.prefix, node), s.max, EncodeKick(k))...).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("kick on node %s: %w", node, err)
	}
	return nil
}
