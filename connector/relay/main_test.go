package relay

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

func leaked() string {
	var text string
	for range 200 {
		buf := make([]byte, 1<<20)
		text = string(buf[:runtime.Stack(buf, true)])
		others := slices.DeleteFunc(strings.Split(text, "\n\n")[1:], func(g string) bool { return strings.Contains(g, "os/signal.") })
		if len(others) == 0 {
			return ""
		}
		time.Sleep(10 * time.Millisecond) // until a deadline
	}
	return text
}
