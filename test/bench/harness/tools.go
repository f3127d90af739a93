package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// tools are the programs the benchmark runs.
type tools struct {
	root string // of the repository
	dir  string // temporary; of what was built

	redis, node string // paths; "" when not needed
}

// Versions of what was measured.
type Versions struct {
	Go    string `json:"go"`
	Node  string `json:"node,omitempty"`
	Redis string `json:"redis,omitempty"`

	Packages map[string]string `json:"packages,omitempty"` // of npm, as pinned
}

// ErrMissing is wrapped by errors that name a program this machine lacks.
var ErrMissing = errors.New("is missing")

func missing(program, debian, targets string) error {
	return fmt.Errorf("%s %w: install it (Debian: apt-get install %s), or leave out what needs it with -targets %s", program, ErrMissing, debian, targets)
}

// Repository finds the root of the module.
func Repository(ctx context.Context) (string, error) {
	out, err := output(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	if out == "" || out == os.DevNull {
		return "", errors.New("the benchmark must be started inside the repository")
	}
	return filepath.Dir(out), nil
}

// output runs a short command and returns what it prints.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// find looks for what the targets need and cannot be built.
func (t *tools) find(ctx context.Context, targets, scenarios []string) (v Versions, err error) {
	if v.Go, err = output(ctx, "", "go", "env", "GOVERSION"); err != nil {
		return v, err
	}
	if slices.Contains(targets, Lightpush) || slices.Contains(targets, Node) && slices.Contains(scenarios, "cluster") {
		if t.redis, err = exec.LookPath("redis-server"); err != nil {
			return v, missing("redis-server", "redis-server", "engine,reference,floor")
		}
		text, err := output(ctx, "", t.redis, "--version")
		if err != nil {
			return v, err
		}
		v.Redis = redisVersion(text)
	}
	if slices.Contains(targets, Node) {
		if t.node, err = exec.LookPath("node"); err != nil {
			return v, missing("node", "nodejs npm", "lightpush,engine,reference,floor")
		}
		if v.Node, err = output(ctx, "", t.node, "--version"); err != nil {
			return v, err
		}
		if err := t.installNode(ctx); err != nil {
			return v, err
		}
		if v.Packages, err = pinned(filepath.Join(t.nodeDir(), "package.json")); err != nil {
			return v, err
		}
	}
	return v, nil
}

var redisVersionText = regexp.MustCompile(`\bv=(\S+)`)

func redisVersion(text string) string {
	if m := redisVersionText.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return "unknown"
}

func (t *tools) nodeDir() string { return filepath.Join(t.root, "test", "bench", "node") }

// pinned returns the versions of the packages a package.json asks for.
func pinned(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	var list struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list.Dependencies, nil
}

// installNode runs npm when the packages are not there, or not those of the
// lock file.
func (t *tools) installNode(ctx context.Context) error {
	dir := t.nodeDir()
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	stamp := filepath.Join(dir, "node_modules", ".package-lock.json")
	if installed, err := os.Stat(stamp); err == nil && !installed.ModTime().Before(lock.ModTime()) {
		return nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return missing("npm", "npm", "lightpush,engine,reference,floor")
	}
	if _, err := output(ctx, dir, npm, "ci", "--no-audit", "--no-fund"); err != nil {
		return err
	}
	now := lock.ModTime()
	return os.Chtimes(stamp, now, now)
}

// profileOverlay is added to the product when it is built for profiling. It
// never is part of it.
const profileOverlay = `package main

import (
	"net/http"
	_ "net/http/pprof"
	"os"
)

func init() {
	if address := os.Getenv("BENCH_PROFILE"); address != "" {
		go http.ListenAndServe(address, nil)
	}
}
`

// build compiles what the targets need.
func (t *tools) build(ctx context.Context, targets []string, profile bool) error {
	packages := []string{"./test/bench/cmd/load"}
	for _, target := range targets {
		switch target {
		case Lightpush:
		case Engine, Reference, Floor:
			packages = append(packages, "./test/bench/cmd/"+target)
		}
	}
	if _, err := output(ctx, t.root, "go", append([]string{"build", "-o", t.dir + string(filepath.Separator)}, packages...)...); err != nil {
		return err
	}
	args := []string{"build", "-trimpath", "-o", t.dir + string(filepath.Separator)}
	if profile {
		overlay, err := t.overlay()
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	_, err := output(ctx, t.root, "go", append(args, "./cmd/lightpush")...)
	return err
}

func (t *tools) overlay() (string, error) {
	source, list := filepath.Join(t.dir, "profile.go"), filepath.Join(t.dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(t.root, "cmd", "lightpush", "bench_profile.go"): source,
	}})
	if err != nil {
		return "", fmt.Errorf("overlay: %w", err)
	}
	return list, errors.Join(os.WriteFile(source, []byte(profileOverlay), 0o600), os.WriteFile(list, text, 0o600))
}

func (t *tools) program(name string) string { return filepath.Join(t.dir, name) }
