package push

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/leaktest"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

func ptr[T any](v T) *T { return &v }

// receive waits for a value.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// eventually waits until a condition holds that nobody announces.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
