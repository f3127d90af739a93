package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/canary"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
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
	return s.send(ctx, "kick on", node, KickCommand(StreamKey(s.prefix, node), s.max, EncodeKick(k)))
}

// Direct sends one message to one device on node. A node that is gone has no
// device, so that is no error.
func (s *Sender) Direct(ctx context.Context, node string, d push.Direct) error {
	return s.send(ctx, "message to", node, DirectCommand(StreamKey(s.prefix, node), s.max, EncodeDirect(&d)))
}

// Transfer tells node to change memberships.
func (s *Sender) Transfer(ctx context.Context, node string, t room.Transfer) error {
	return s.send(ctx, "transfer on", node, TransferCommand(StreamKey(s.prefix, node), s.max, EncodeTransfer(&t)))
}

// Event sends an event to the members of a room on node.
func (s *Sender) Event(ctx context.Context, node string, e room.Event) error {
	return s.send(ctx, "event to", node, EventCommand(StreamKey(s.prefix, node), s.max, EncodeEvent(&e)))
}

// Canary implements canary.Sender.
func (s *Sender) Canary(ctx context.Context, node string, n canary.Note) (written bool, err error) {
	err = s.rdb.Do(ctx, CanaryCommand(StreamKey(s.prefix, node), s.max, EncodeCanary(&n))...).Err()
	switch {
	case errors.Is(err, redis.Nil):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("canary to node %s: %w", node, err)
	}
	return true, nil
}

func (s *Sender) send(ctx context.Context, what, node string, command []any) error {
	err := s.rdb.Do(ctx, command...).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("%s node %s: %w", what, node, err)
	}
	return nil
}
