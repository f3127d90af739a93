//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// binary is the lightpush under test, fixed after TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lightpush-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if binary, err = build(dir); err != nil {
		fmt.Fprintln(os.Stderr, "building lightpush:", err)
		return 1
	}
	return m.Run()
}

// build compiles cmd/lightpush with the race detector, once for all tests.
func build(dir string) (string, error) {
	if given := os.Getenv("E2E_BINARY"); given != "" {
		return filepath.Abs(given)
	}
	out := filepath.Join(dir, "lightpush")
	start := time.Now()
	cmd := exec.Command("go", "build", "-race", "-o", out, "../../cmd/lightpush")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", err
	}
	fmt.Printf("built lightpush with -race in %.0f s\n", time.Since(start).Seconds())
	return out, nil
}
