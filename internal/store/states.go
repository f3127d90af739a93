package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lightpush/lightpush/internal/client"
)

// onlineChunk is how many devices one question about who is online names.
const onlineChunk = 1_000

// OnlineSince tells since when devices are online, ms, in the order of ids; 0
// for one that is offline. It asks what lists of the namespace go by, one
// command for a thousand devices.
func (s *Store) OnlineSince(ctx context.Context, ns string, ids []string) ([]int64, error) {
	since := make([]int64, 0, len(ids))
	var ops []*op
	for rest := ids; len(rest) > 0; {
		n := min(len(rest), onlineChunk)
		get := do("HMGET", s.keys.namespace(ns).online)
		for _, id := range rest[:n] {
			get.args = append(get.args, id)
		}
		ops, rest = append(ops, get), rest[n:]
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("ask who of %d devices of %s is online: %w", len(ids), ns, err)
	}
	for _, o := range ops {
		for _, v := range o.list() {
			gen, _, _ := strings.Cut(toText(v), "|")
			at, _ := strconv.ParseInt(gen, 10, 64)
			since = append(since, at)
		}
	}
	if len(since) != len(ids) {
		return nil, fmt.Errorf("ask who of %d devices of %s is online: %d replies", len(ids), ns, len(since))
	}
	return since, nil
}

// MarkCounts tells how many devices of each platform have acked a message, and
// of how many a fate is kept.
func (s *Store) MarkCounts(ctx context.Context, id int64) (acked map[string]int64, fates int64, err error) {
	text := strconv.FormatInt(id, 10)
	ops := []*op{do("HLEN", s.keys.fates(text))}
	for _, p := range client.Platforms {
		ops = append(ops, do("SCARD", s.keys.acks(text, p)))
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, 0, fmt.Errorf("count marks of message %d: %w", id, err)
	}
	acked = map[string]int64{}
	for i, p := range client.Platforms {
		acked[p] = ops[1+i].integer()
	}
	return acked, ops[0].integer(), nil
}
