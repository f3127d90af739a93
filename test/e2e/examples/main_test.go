//go:build e2e

package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const examples = "../../../sdk-examples"

// binary is the lightpush under test, fixed after TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lightpush-examples-")
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

// build compiles cmd/lightpush once for all tests; the races are looked for in the tests of the parent package.
func build(dir string) (string, error) {
	if given := os.Getenv("E2E_BINARY"); given != "" {
		return filepath.Abs(given)
	}
	out := filepath.Join(dir, "lightpush")
	cmd := exec.Command("go", "build", "-o", out, "../../../cmd/lightpush")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return out, cmd.Run()
}
