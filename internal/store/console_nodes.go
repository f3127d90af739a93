package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/console"
)

// heartbeats are what the processes say of themselves: id → record.
func (k keys) heartbeats() string { return k.prefix + "hb" }

// PutHeartbeat implements console.HeartbeatStore.
func (s *Store) PutHeartbeat(ctx context.Context, id string, record []byte) error {
	if err := s.run(ctx, do("HSET", s.keys.heartbeats(), id, record)); err != nil {
		return fmt.Errorf("publish heartbeat: %w", err)
	}
	return nil
}

// Heartbeats implements console.HeartbeatStore.
func (s *Store) Heartbeats(ctx context.Context) (map[string][]byte, error) {
	all := do("HGETALL", s.keys.heartbeats())
	if err := s.run(ctx, all); err != nil {
		return nil, fmt.Errorf("read heartbeats: %w", err)
	}
	records := map[string][]byte{}
	for id, text := range pairs(all.list()) {
		records[id] = []byte(text)
	}
	return records, nil
}

// DropHeartbeats implements console.HeartbeatStore.
func (s *Store) DropHeartbeats(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	drop := do("HDEL", s.keys.heartbeats())
	for _, id := range ids {
		drop.args = append(drop.args, id)
	}
	if err := s.run(ctx, drop); err != nil {
		return fmt.Errorf("drop heartbeats: %w", err)
	}
	return nil
}

// RedisHealth implements console.RedisStore. A server that does not answer is
// part of the result, not an error.
func (s *Store) RedisHealth(ctx context.Context) console.RedisHealth {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	h := console.RedisHealth{Mode: s.mode(), Warnings: []string{}}
	started := time.Now()
	if err := s.rdb.Ping(ctx).Err(); err != nil {
		h.Warnings = append(h.Warnings, "the store does not answer")
		return h
	}
	h.Latency = float64(time.Since(started).Microseconds()) / 1000
	h.OK = true
	var found Health
	var err error
	if cluster, ok := s.rdb.(*redis.ClusterClient); ok {
		var mu sync.Mutex
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			return addServer(ctx, c, c.Options().Addr, &h, &found)
		})
	} else {
		err = addServer(ctx, s.rdb, strings.Join(s.opt.Addresses, ","), &h, &found)
	}
	if err != nil {
		h.OK = false
		h.Warnings = append(h.Warnings, "a server does not answer, or is older than 6.2")
	}
	h.Version = found.Version
	h.Warnings = append(h.Warnings, found.Warnings...)
	return h
}

func (s *Store) mode() string {
	switch {
	case s.opt.Dialer != nil:
		return "embedded"
	case s.opt.Cluster:
		return "cluster"
	case s.opt.SentinelMaster != "":
		return "sentinel"
	}
	return "single"
}

// addServer adds the figures of one server.
func addServer(ctx context.Context, c redis.Cmdable, at string, h *console.RedisHealth, found *Health) error {
	if err := checkServer(ctx, c, at, found); err != nil {
		return err
	}
	for _, section := range []string{"memory", "stats", "clients", "persistence"} {
		info, err := infoSection(ctx, c, section)
		if err != nil {
			return err
		}
		h.UsedMemory += toInt(info["used_memory"])
		h.MaxMemory += toInt(info["maxmemory"])
		h.OpsPerSecond += toInt(info["instantaneous_ops_per_sec"])
		h.ConnectedClients += toInt(info["connected_clients"])
		if v := info["maxmemory_policy"]; v != "" {
			h.Policy = v
		}
		if aof, ok := info["aof_enabled"]; ok {
			h.Persistence = "snapshots"
			if aof == "1" {
				h.Persistence = "append-only file"
			}
			if info["aof_last_write_status"] == "err" || info["rdb_last_bgsave_status"] == "err" {
				found.Warnings = append(found.Warnings, "Redis "+at+" could not write to its disk the last time")
			}
		}
	}
	if h.Persistence == "" && h.Mode == "embedded" {
		h.Persistence = "append-only file"
	}
	if h.MaxMemory > 0 && h.UsedMemory*10 > h.MaxMemory*9 {
		found.Warnings = append(found.Warnings, "Redis "+at+" uses more than nine tenths of its memory")
	}
	return nil
}
