package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	duration := flag.Duration("duration", 8*time.Second, "of one turn")
	rounds := flag.Int("rounds", 5, "turns of each route")
	connections := flag.Int("connections", 64, "requests at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *duration, *rounds, *connections); err != nil {
		fmt.Fprintln(os.Stderr, "pushroute:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, duration time.Duration, rounds, connections int) error {
	for _, program := range []string{"redis-server", "wrk", "node", "npm", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not installed (Debian: apt-get install redis-server wrk nodejs npm)", program)
		}
	}
	dir, err := os.MkdirTemp("", "lightpush-pushroute-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	here := filepath.Join("test", "bench", "pushroute")
	if _, err := os.Stat(filepath.Join(here, "push.lua")); err != nil {
		return errors.New("run it in the root of the repository")
	}
	for _, command := range [][]string{
		{"go", "build", "-o", filepath.Join(dir, "lightpush"), "./cmd/lightpush"},
		{"go", "build", "-o", filepath.Join(dir, "history"), "./" + here + "/history"},
		{"npm", "ci", "--no-audit", "--no-fund", "--silent", "--prefix", filepath.Join(here, "sequential")},
	} {
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
		}
	}
	starters := []starter{
		{"lightpush", startLightpush}, {"history", startHistory}, {"sequential", startSequential},
	}
	turns := map[string][]turn{}
	for round := range rounds {
		for _, s := range starters {
			t, err := measure(ctx, s, dir, here, duration, connections)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			turns[s.name] = append(turns[s.name], t)
			fmt.Printf("%d  %-10s  %s\n", round+1, s.name, t)
		}
	}
	table(starters, turns)
	return nil
}

// table prints medians, and how many pushes lightpush takes for one of each.
func table(starters []starter, turns map[string][]turn) {
	fmt.Printf("\n%-10s  %10s  %8s  %8s  %14s  %14s  %9s  %s\n",
		"median", "pushes/s", "p50 ms", "p99 ms", "server µs/push", "Redis µs/push", "commands", "lightpush is")
	own := median(turns["lightpush"], func(t turn) float64 { return t.perSecond() })
	for _, s := range starters {
		at := func(f func(turn) float64) float64 { return median(turns[s.name], f) }
		fmt.Printf("%-10s  %10.0f  %8.2f  %8.2f  %14.1f  %14.1f  %9.1f  %.1f x\n", s.name,
			at(func(t turn) float64 { return t.perSecond() }), at(func(t turn) float64 { return t.p50 }), at(func(t turn) float64 { return t.p99 }),
			at(func(t turn) float64 { return t.server }), at(func(t turn) float64 { return t.redis }), at(func(t turn) float64 { return t.commands }),
			own/at(func(t turn) float64 { return t.perSecond() }))
	}
}

func median(turns []turn, f func(turn) float64) float64 {
	var values []float64
	for _, t := range turns {
		values = append(values, f(t))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
