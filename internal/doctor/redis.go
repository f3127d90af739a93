package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/store"
)

// Needs of Redis. Every push waits for one round trip; a node and the store may be two seconds apart.
const (
	pings        = 100
	latencyGood  = 2 * time.Millisecond
	latencyBad   = 20 * time.Millisecond
	clockGood    = 500 * time.Millisecond
	clockBad     = 2 * time.Second
	redisTimeout = 30 * time.Second // of all checks together
)

// Redis checks the server the options name, with the store's own start-up check.
func Redis(ctx context.Context, o store.Options) []Line {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	s, err := store.Open(ctx, o)
	if err != nil {
		return []Line{judged("Redis", Fail, clip(err.Error()), "an answer", openMend(err))}
	}
	defer s.Close()
	lines := checkUp(ctx, s, o.Username)
	if !Healthy(lines) && len(lines) == 1 {
		return lines
	}
	return append(lines, checkLatency(ctx, s), checkRedisClock(ctx, s))
}

func openMend(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "WRONGPASS"), strings.Contains(text, "NOAUTH"), strings.Contains(text, "AUTH"):
		return "LIGHTPUSH_REDIS_PASSWORD=… (and redis_username) as Redis knows them"
	case strings.Contains(text, "refused"):
		return "systemctl start redis-server, or another redis_address"
	case strings.Contains(text, "NOPERM"):
		return "redis-cli ACL SETUSER <user> +@all ~lp:* &*"
	}
	return "redis_address: host:port of a Redis this machine reaches"
}

// checkUp is the store's start-up check, line by line.
func checkUp(ctx context.Context, s *store.Store, user string) []Line {
	health, err := s.Check(ctx)
	version, level := health.Version, OK
	if version == "" {
		version, level = "the server does not tell", Skip
	}
	if errors.Is(err, store.ErrTooOld) {
		return []Line{judged("Redis version", Fail, clip(err.Error()), "6.2 or newer", "apt-get install redis-server, of Debian 12 or newer")}
	}
	lines := []Line{judged("Redis version", level, version, "6.2 or newer", "")}
	if user == "" {
		user = "default"
	}
	switch {
	case errors.Is(err, store.ErrPermission):
		lines = append(lines, judged("Redis permissions", Fail, clip(err.Error()), "all commands the store uses",
			fmt.Sprintf("redis-cli ACL SETUSER %s +@all -@dangerous +info", user)))
	case err != nil:
		lines = append(lines, judged("Redis permissions", Fail, clip(err.Error()), "all commands the store uses", openMend(err)))
	default:
		lines = append(lines, judged("Redis permissions", OK, "every command the store uses", "", ""))
	}
	told := func(word string) string {
		i := slices.IndexFunc(health.Warnings, func(w string) bool { return strings.Contains(w, word) })
		if i < 0 {
			return ""
		}
		return health.Warnings[i]
	}
	if health.Version == "" {
		return append(lines, judged("Redis eviction", Skip, "the server does not tell", "", ""), judged("Redis persistence", Skip, "the server does not tell", "", ""))
	}
	eviction := judged("Redis eviction", OK, "noeviction", "", "")
	if w := told("maxmemory-policy"); w != "" {
		eviction = judged("Redis eviction", Fail, clip(w), "noeviction", "redis-cli CONFIG SET maxmemory-policy noeviction (and the same in redis.conf)")
	}
	persistence := judged("Redis persistence", OK, "append-only file", "", "")
	if w := told("append-only"); w != "" {
		persistence = judged("Redis persistence", Warn, clip(w), "appendonly yes", "redis-cli CONFIG SET appendonly yes (and the same in redis.conf)")
	}
	return append(lines, eviction, persistence)
}

func checkLatency(ctx context.Context, s *store.Store) Line {
	const name = "Redis latency"
	var took []time.Duration
	for range pings {
		start := time.Now()
		if err := s.Ping(ctx); err != nil {
			return judged(name, Fail, clip(err.Error()), "an answer to every PING", openMend(err))
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	median, worst := took[len(took)/2], took[len(took)-1]
	level := OK
	switch {
	case median > latencyBad:
		level = Fail
	case median > latencyGood:
		level = Warn
	}
	return judged(name, level, fmt.Sprintf("median %v, worst %v of %d PINGs", median.Round(time.Microsecond), worst.Round(time.Microsecond), pings),
		fmt.Sprintf("median up to %v", latencyGood), "redis-cli --latency, then SLOWLOG GET; put Redis into the same network as lightpush")
}

func checkRedisClock(ctx context.Context, s *store.Store) Line {
	const name = "clock against Redis"
	c := s.Dedicated()
	defer c.Close()
	before := time.Now()
	at, err := c.Time(ctx).Result()
	after := time.Now()
	if err != nil {
		return judged(name, Skip, clip(err.Error()), "", "")
	}
	return clockLine(name, at.Sub(before.Add(after.Sub(before)/2)), after.Sub(before)/2)
}

// clockLine judges a difference that is known as well as within.
func clockLine(name string, ahead, within time.Duration) Line {
	off := max(ahead.Abs()-within, 0)
	level := OK
	switch {
	case off > clockBad:
		level = Fail
	case off > clockGood:
		level = Warn
	}
	return judged(name, level, fmt.Sprintf("the other is %v ahead, ± %v", ahead.Round(time.Millisecond), within.Round(time.Millisecond)),
		fmt.Sprintf("less than %v apart", clockBad), "timedatectl set-ntp true, on both machines")
}
