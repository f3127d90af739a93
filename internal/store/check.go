package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Health is what Check found on a server that can be used.
type Health struct {
	Version  string   // "" when the server does not tell
	Warnings []string // what an operator should change
}

// Errors of Check.
var (
	ErrTooOld     = errors.New("Redis is older than 6.2")
	ErrPermission = errors.New("Redis user lacks a permission")
)

// Check looks once at every server: its version, whether it throws keys away
// when memory is short, and whether this user may run the commands that the
// store needs. What a server does not tell, as managed and embedded ones may
// not, is not held against it.
func (s *Store) Check(ctx context.Context) (Health, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.timeout)
	defer cancel()
	var h Health
	if err := s.checkServers(ctx, &h); err != nil {
		return h, err
	}
	return h, s.checkPermissions(ctx)
}

func (s *Store) checkServers(ctx context.Context, h *Health) error {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		name := strings.Join(s.opt.Addresses, ",")
		if s.opt.SentinelMaster != "" {
			name = s.opt.SentinelMaster
		}
		return checkServer(ctx, s.rdb, name, h)
	}
	var mu sync.Mutex // ForEachMaster calls from one goroutine per server
	return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		return checkServer(ctx, c, c.Options().Addr, h)
	})
}

func checkServer(ctx context.Context, c redis.Cmdable, at string, h *Health) error {
	if info, err := infoSection(ctx, c, "server"); err != nil {
		return err
	} else if v := info["redis_version"]; v != "" {
		h.Version = v
		if !atLeast(v, 6, 2) {
			return fmt.Errorf("%w: %s has version %s", ErrTooOld, at, v)
		}
	}
	info, err := infoSection(ctx, c, "memory")
	if err != nil {
		return err
	}
	if policy := info["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		h.Warnings = append(h.Warnings, fmt.Sprintf(
			"Redis %s has maxmemory-policy %s and may throw away messages and presence when memory is short; set it to noeviction", at, policy))
	}
	if info, err = infoSection(ctx, c, "persistence"); err != nil {
		return err
	}
	if info["aof_enabled"] == "0" {
		h.Warnings = append(h.Warnings, fmt.Sprintf(
			"Redis %s has no append-only file: accepted messages are lost when it restarts; set appendonly yes", at))
	}
	return nil
}

// infoSection is INFO as a map; empty when the server refuses or does not
// know the section. Only a server that cannot be reached is an error.
func infoSection(ctx context.Context, c redis.Cmdable, section string) (map[string]string, error) {
	text, err := c.Info(ctx, section).Result()
	var refusal redis.Error
	switch {
	case errors.As(err, &refusal):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("ask Redis for its %s: %w", section, err)
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info, nil
}

func atLeast(version string, major, minor int) bool {
	parts := strings.Split(version, ".")
	a, err := strconv.Atoi(parts[0])
	if err != nil {
		return true // a fork's own scheme
	}
	b := 0
	if len(parts) > 1 {
		b, _ = strconv.Atoi(parts[1])
	}
	return a > major || (a == major && b >= minor)
}

// checkPermissions runs one command of each kind on keys of its own.
func (s *Store) checkPermissions(ctx context.Context) error {
	key := func(kind string) string { return s.opt.Prefix + "check:{check}:" + kind }
	probes := []*op{
		do("SET", key("lock"), "1"), do("GET", key("lock")), do("INCRBY", key("id"), 1),
		do("EXISTS", key("id")), do("PEXPIRE", key("id"), 60_000), do("PEXPIREAT", key("id"), s.nowMillis()+60_000),
		do("HSET", key("h"), "f", "v"), do("HSETNX", key("h"), "f", "v"), do("HGET", key("h"), "f"),
		do("HMGET", key("h"), "f"), do("HGETALL", key("h")), do("HVALS", key("h")), do("HKEYS", key("h")),
		do("HLEN", key("h")), do("HSCAN", key("h"), 0), do("HINCRBY", key("h"), "n", 1), do("HDEL", key("h"), "f"),
		do("SADD", key("s"), "m"), do("SCARD", key("s")), do("SMEMBERS", key("s")), do("SMISMEMBER", key("s"), "m"),
		do("SSCAN", key("s"), 0), do("SISMEMBER", key("s"), "m"), do("HEXISTS", key("h"), "f"),
		do("GEOADD", key("g"), 13, 52, "m"), do("GEORADIUS_RO", key("g"), 13, 52, 1, "km"),
		do("SREM", key("s"), "m"),
		do("ZADD", key("z"), 1, "m"), do("ZCARD", key("z")), do("ZRANGE", key("z"), 0, -1),
		do("ZRANGEBYSCORE", key("z"), 0, 1), do("ZREVRANGE", key("z"), 0, 1), do("ZREVRANGEBYSCORE", key("z"), 1, 0), do("ZSCAN", key("z"), 0),
		do("ZREMRANGEBYSCORE", key("z"), 5, 6), do("LLEN", key("l")), do("PTTL", key("id")), do("HSTRLEN", key("h"), "f"),
		do("ZREM", key("z"), "m"),
		do("LPUSH", key("l"), "m"), do("LTRIM", key("l"), 0, 0), do("LRANGE", key("l"), 0, 0),
		do("XADD", key("x"), "MAXLEN", "~", 10, "*", "f", "v"), do("XLEN", key("x")),
		do("XRANGE", key("x"), "-", "+", "COUNT", 1), do("XREVRANGE", key("x"), "+", "-", "COUNT", 1),
		do("XTRIM", key("x"), "MINID", "0-1"), do("TIME"), do("ZSCORE", key("z"), "m"), do("XREAD", "COUNT", 1, "STREAMS", key("x"), "0-0"),
		takeLock.call([]string{key("lock")}, "1", s.nowMillis()+1000),
	}
	for _, kind := range []string{"lock", "id", "h", "s", "z", "l", "x", "g"} {
		probes = append(probes, do("UNLINK", key(kind)))
	}
	s.exec(ctx, probes)
	for _, o := range probes {
		err := o.err()
		switch {
		case err == nil:
		case redis.IsPermissionError(err):
			return fmt.Errorf("%w: %s: %w", ErrPermission, o.args[0], err)
		default:
			return fmt.Errorf("check Redis command %s: %w", o.args[0], err)
		}
	}
	return nil
}
