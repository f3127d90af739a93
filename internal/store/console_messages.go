package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lightpush/lightpush/internal/console"
)

// MessageHeads implements console.MessageStore: what can be read of messages
// whatever the size of their data. nil for those that are gone.
func (s *Store) MessageHeads(ctx context.Context, ids []int64) ([]*console.MessageHead, error) {
	const each = 2
	ops := make([]*op, 0, each*len(ids))
	for _, id := range ids {
		key := s.keys.message(strconv.FormatInt(id, 10))
		ops = append(ops, do("HMGET", key, "namespace", "room", "sendDate", "leaveMessage", "apnsName"), do("HSTRLEN", key, "pushData"))
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	heads := make([]*console.MessageHead, len(ids))
	for i, id := range ids {
		v := ops[each*i].list()
		if len(v) != 5 || v[0] == nil {
			continue
		}
		heads[i] = &console.MessageHead{
			ID: id, Namespace: toText(v[0]), Room: toText(v[1]), SendDate: toInt(v[2]), Offline: toText(v[3]) == "true",
			APNsName: toText(v[4]), Bytes: ops[each*i+1].integer(),
		}
	}
	return heads, nil
}
