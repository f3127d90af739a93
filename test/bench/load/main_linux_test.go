package load

import (
	"os"
	"testing"

	"github.com/lightpush/lightpush/internal/leaktest"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }
