package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/redis/go-redis/v9"
)

type reloads int

func (r *reloads) ReloadState(context.Context) { *r++ }

type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

func TestTopologyHook(t *testing.T) {
	for _, c := range []struct {
		err  error
		want reloads
	}{
		{nil, 0}, {redis.Nil, 0}, {context.Canceled, 0}, {refusal("WRONGTYPE no"), 0}, {refusal("NOSCRIPT no"), 0},
		{io.EOF, 1}, {errors.New("dial tcp: connection refused"), 1}, {context.DeadlineExceeded, 1},
		{refusal("CLUSTERDOWN The cluster is down"), 1}, {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), 1},
	} {
		var n reloads
		h := &topologyHook{cluster: &n}
		process := h.ProcessHook(func(context.Context, redis.Cmder) error { return c.err })
		pipeline := h.ProcessPipelineHook(func(context.Context, []redis.Cmder) error { return c.err })
		for range 5 { // once in a while is enough
			if err := process(t.Context(), nil); err != c.err {
				t.Errorf("got %v, want %v", err, c.err)
			}
			if err := pipeline(t.Context(), nil); err != c.err {
				t.Errorf("got %v, want %v", err, c.err)
			}
		}
		if n != c.want {
			t.Errorf("%v: %d looks, want %d", c.err, n, c.want)
		}
	}
}
