//go:build chaos && linux

package chaos

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/chaos/cluster"
	"github.com/lightpush/lightpush/test/chaos/ledger"
	"github.com/lightpush/lightpush/test/chaos/plan"
	"github.com/lightpush/lightpush/test/chaos/ring"
)

var (
	seed       = flag.Uint64("seed", 1, "of everything that is decided by chance")
	duration   = flag.Duration("duration", 100*time.Second, "time of pushes and faults; building, start and drain come on top")
	faults     = flag.String("faults", "all", "kinds of faults: all, none, or a list with commas")
	every      = flag.Duration("every", 5*time.Second, "mean time between two faults")
	clients    = flag.Int("clients", 240, "devices")
	rate       = flag.Float64("rate", 30, "pushes per second")
	leave      = flag.Float64("leave", 0.6, "part of the pushes with leaveMessage")
	inbox      = flag.String("inbox", "android,web", "offline_platforms: platforms with an inbox, of android and web")
	senders    = flag.Int("senders", 6, "business systems that push one after the other")
	connectors = flag.Int("connectors", 3, "connector processes")
	logics     = flag.Int("logics", 2, "logic processes")
	fsync      = flag.String("appendfsync", "always", "of Redis: always or everysec")
	out        = flag.String("out", "", "directory for result.json, timeline.svg and the logs; empty: they are kept only on failure")
)

// Times of the processes, shorter than by default so that a run sees many of them pass.
const (
	pingInterval   = 5 * time.Second
	pingTimeout    = 3 * time.Second
	nodeLease      = 5 * time.Second
	recoveryWindow = time.Minute
	offlineAfter   = 2 * time.Second
	redisAway      = 30 * time.Second
	settle         = time.Minute
)

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// TestChaos is the run.
func TestChaos(t *testing.T) {
	kinds, err := plan.ParseKinds(*faults)
	if err != nil {
		t.Fatal(err)
	}
	dir := artifacts(t)
	service, err := cluster.Start(cluster.Options{
		Program: build(t, dir), Dir: dir, Seed: *seed, Connectors: *connectors, Logics: *logics, AppendFsync: *fsync,
		Settings: map[string]string{
			"PINGINTERVAL": millis(pingInterval), "PINGTIMEOUT": millis(pingTimeout), "NODE_LEASE": millis(nodeLease),
			"RECOVERY_WINDOW": millis(recoveryWindow), "WORKER_MESSAGE_TIMEOUT": millis(offlineAfter),
			"OFFLINE_PLATFORMS": *inbox, "ANDROID_UNREAD_MESSAGE_LIST_MAX_LIMIT": "100000", "PUSH_MESSAGE_LIST_MAX_LIMIT": "100000",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := service.Close(); err != nil {
			t.Error(err)
		}
	}()
	platforms := map[string]bool{}
	for p := range strings.SplitSeq(*inbox, ",") {
		platforms[p] = true
	}
	options := ring.Options{
		Seed: *seed, Duration: *duration, Clients: *clients, Rate: *rate, Leave: *leave, Senders: *senders, Lease: nodeLease,
		Plan: plan.New(plan.Options{
			Seed: *seed, Duration: *duration, Kinds: kinds, Every: *every, Connectors: *connectors, Logics: *logics, Clients: *clients,
			Lease: nodeLease, FreezeMax: nodeLease + pingInterval + pingTimeout - 2*time.Second,
			LogicFreeze: 12 * time.Second, RedisFreeze: redisAway,
		}),
		Rules: ledger.Rules{Inbox: platforms, Settle: settle, Grace: 30 * time.Second},
		Quiet: 25 * time.Second, Drain: 45 * time.Second, Log: os.Stdout,
	}
	fmt.Printf("repeat this run with: make chaos-long ARGS='-seed %d -duration %s -faults %s -every %s -clients %d -rate %g -leave %g -inbox %s -senders %d -connectors %d -logics %d -appendfsync %s'\n",
		*seed, *duration, *faults, *every, *clients, *rate, *leave, *inbox, *senders, *connectors, *logics, *fsync)
	for _, f := range options.Plan {
		fmt.Println("  ", f)
	}
	result, err := ring.Run(context.Background(), options, service)
	if err != nil {
		t.Error(err)
	}
	if result != nil {
		report(t, service, result, dir)
	}
}

// report prints and writes what a run showed, and fails the test on findings.
func report(t *testing.T, service *cluster.Cluster, r *ring.Result, dir string) {
	r.WriteTable(os.Stdout)
	data, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "result.json"), data, 0o644)
	}
	if err == nil {
		err = r.WriteSVG(filepath.Join(dir, "timeline.svg"))
	}
	if err == nil && len(r.Verdict.Findings) > 0 {
		err = r.WriteHistories(filepath.Join(dir, "findings.txt"))
	}
	if err != nil {
		t.Error(err)
	}
	for _, kind := range []string{ledger.Lost, ledger.Unwanted, ledger.Disorder, ledger.Twin} {
		found := r.Verdict.Of(kind)
		if len(found) == 0 {
			continue
		}
		t.Errorf("%d %s. The first:\n%s  receipt: %s", len(found), kind, r.First[kind], service.Receipt(r.Namespace(found[0]), found[0].ID))
		for _, f := range found[:min(len(found), 20)] {
			t.Log(f)
		}
	}
	if err := service.Buried(); err != nil {
		t.Error(err)
	}
	if promised, _ := r.Pairs(); promised == 0 {
		t.Error("nothing was promised: the run proves nothing")
	}
}

// artifacts is the directory of the run's files. Without -out it is removed unless the run fails.
func artifacts(t *testing.T) string {
	t.Helper()
	if *out != "" {
		if err := os.MkdirAll(*out, 0o755); err != nil {
			t.Fatal(err)
		}
		dir, err := filepath.Abs(*out)
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir, err := os.MkdirTemp("", "lightpush-chaos-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs, data and result are in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

// build compiles lightpush with the race detector. CHAOS_BINARY names one that is there.
func build(t *testing.T, dir string) string {
	t.Helper()
	if given := os.Getenv("CHAOS_BINARY"); given != "" {
		return given
	}
	program := filepath.Join(dir, "lightpush")
	cmd := exec.Command("go", "build", "-race", "-o", program, "../../cmd/lightpush")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("building lightpush: %v", err)
	}
	return program
}
