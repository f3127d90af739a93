package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/test/bench/procfs"
)

// turn is what one route did in one turn.
type turn struct {
	pushes   float64
	seconds  float64
	p50, p99 float64 // ms
	server   float64 // µs of CPU per push, of the process with the route
	redis    float64 // µs of CPU per push
	commands float64 // Redis commands per push, those inside scripts included
}

func (t turn) perSecond() float64 { return t.pushes / t.seconds }

func (t turn) String() string {
	return fmt.Sprintf("%7.0f pushes/s  p50 %6.2f  p99 %6.2f ms  server %6.1f  Redis %5.1f µs/push  %4.1f commands",
		t.perSecond(), t.p50, t.p99, t.server, t.redis, t.commands)
}

var errAnswers = errors.New("the route refused pushes")

// measure starts a route with a fresh Redis, warms it up and has wrk push.
func measure(ctx context.Context, s starter, dir, here string, duration time.Duration, connections int) (turn, error) {
	store, err := startRedis(ctx, dir)
	if err != nil {
		return turn{}, err
	}
	defer store.stop()
	r, err := s.start(ctx, dir, here, store.address)
	if err != nil {
		return turn{}, err
	}
	defer r.process.stop()
	load := func(d time.Duration) (string, error) {
		seconds := strconv.FormatFloat(d.Seconds(), 'f', 0, 64) + "s"
		cmd := exec.CommandContext(ctx, "wrk", "-t", "1", "-c", strconv.Itoa(connections), "-d", seconds, "--latency",
			"-s", filepath.Join(here, "push.lua"), "http://"+r.address)
		cmd.Env = append(os.Environ(), "CREDENTIALS="+r.credentials, "ROUTE="+r.route)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("wrk: %w: %s", err, out)
		}
		return string(out), nil
	}
	if _, err := load(2 * time.Second); err != nil {
		return turn{}, err
	}
	client := redis.NewClient(&redis.Options{Addr: store.address})
	defer client.Close()
	before, err := usageOf(ctx, client, r, store)
	if err != nil {
		return turn{}, err
	}
	out, err := load(duration)
	if err != nil {
		return turn{}, err
	}
	after, err := usageOf(ctx, client, r, store)
	if err != nil {
		return turn{}, err
	}
	t, err := parse(out)
	if err != nil {
		return turn{}, err
	}
	t.server = float64((after.server - before.server).Microseconds()) / t.pushes
	t.redis = float64((after.redis - before.redis).Microseconds()) / t.pushes
	t.commands = float64(after.commands-before.commands) / t.pushes
	return t, nil
}

// usage is what has been used up to a moment.
type usage struct {
	server, redis time.Duration
	commands      int64
}

func usageOf(ctx context.Context, client *redis.Client, r *route, store *server) (usage, error) {
	stat, err := procfs.ReadStat(r.process.pid())
	if err != nil {
		return usage{}, err
	}
	redisStat, err := procfs.ReadStat(store.process.pid())
	if err != nil {
		return usage{}, err
	}
	info, err := client.Info(ctx, "commandstats").Result()
	if err != nil {
		return usage{}, fmt.Errorf("INFO: %w", err)
	}
	u := usage{server: stat.CPU(), redis: redisStat.CPU()}
	for line := range strings.Lines(info) {
		_, values, ok := strings.Cut(line, ":calls=")
		if !ok {
			continue
		}
		calls, _, _ := strings.Cut(values, ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("INFO: %q", line)
		}
		u.commands += n
	}
	return u, nil
}

// parse reads the line that push.lua prints.
func parse(out string) (turn, error) {
	for line := range strings.Lines(out) {
		rest, ok := strings.CutPrefix(line, "RESULT ")
		if !ok {
			continue
		}
		var requests, refused, broken, micros, p50, p99 float64
		if _, err := fmt.Sscan(rest, &requests, &refused, &broken, &micros, &p50, &p99); err != nil {
			return turn{}, fmt.Errorf("wrk printed %q: %w", line, err)
		}
		if refused > 0 || broken > 0 || requests == 0 {
			return turn{}, fmt.Errorf("%w: %.0f of %.0f answers not 2xx, %.0f connections failed", errAnswers, refused, requests, broken)
		}
		return turn{pushes: requests, seconds: micros / 1e6, p50: p50 / 1e3, p99: p99 / 1e3}, nil
	}
	return turn{}, fmt.Errorf("no result of wrk: %s", out)
}
