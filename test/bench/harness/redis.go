package harness

import (
	"context"
	"fmt"
	"net"
	"os"
)

// redisServer is a Redis of its own that writes its append-only file.
type redisServer struct {
	*child
	program, addr, dir string
}

func (h *harness) startRedis(ctx context.Context) (*redisServer, error) {
	dir, err := os.MkdirTemp(h.tools.dir, "redis-")
	if err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	r := &redisServer{program: h.tools.redis, addr: freeAddress(), dir: dir}
	if err := r.run(ctx); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// run starts the process, a second time on what the first has written.
func (r *redisServer) run(ctx context.Context) (err error) {
	_, port, _ := net.SplitHostPort(r.addr)
	r.child, err = startChild("redis-server", nil, r.program, "--bind", "127.0.0.1", "--port", port, "--dir", r.dir,
		"--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction")
	if err != nil {
		return err
	}
	return until(ctx, "redis-server", func() error { return reachable(ctx, r.addr) })
}

func (r *redisServer) stop() {
	if r.child != nil {
		r.child.stop()
	}
	_ = os.RemoveAll(r.dir)
}
