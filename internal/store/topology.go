package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// topologyPause is the least time between two looks at the servers of a
// cluster.
const topologyPause = 250 * time.Millisecond

// topologyHook lets a cluster client ask for the servers anew after a command
// has failed that a server did not refuse. By itself it does so once a minute,
// or when a server names another one for a slot; a dead master names nobody,
// and its slots would stay out of reach for that minute although a replica has
// them since long.
type topologyHook struct {
	cluster interface{ ReloadState(ctx context.Context) }
	last    atomic.Int64 // unix ms of the last look
}

var _ redis.Hook = (*topologyHook)(nil)

// DialHook implements redis.Hook.
func (h *topologyHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (h *topologyHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		h.saw(err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h *topologyHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		h.saw(err)
		return err
	}
}

// saw looks at the cluster when err is of the network, or of a cluster that
// cannot serve.
func (h *topologyHook) saw(err error) {
	if err == nil || errors.Is(err, redis.Nil) || errors.Is(err, context.Canceled) {
		return
	}
	var refusal redis.Error
	if errors.As(err, &refusal) && !redis.HasErrorPrefix(err, "CLUSTERDOWN") && !redis.HasErrorPrefix(err, "READONLY") {
		return
	}
	now, last := time.Now().UnixMilli(), h.last.Load()
	if now-last >= topologyPause.Milliseconds() && h.last.CompareAndSwap(last, now) {
		h.cluster.ReloadState(context.Background()) // in the background
	}
}
