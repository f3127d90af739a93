package callback

import (
	"fmt"
	"net/http"
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
	http.DefaultClient.CloseIdleConnections()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

func leaked() (text string) {
	for range 200 {
		buf := make([]byte, 1<<20)
		text = string(buf[:runtime.Stack(buf, true)])
		others := strings.Split(text, "\n\n")[1:] // the first is this one
		// A fuzzing run listens for signals to the end.
		others = slices.DeleteFunc(others, func(g string) bool { return strings.Contains(g, "os/signal.") })
		if len(others) == 0 {
			return ""
		}
		time.Sleep(10 * time.Millisecond) // until a deadline
	}
	return text
}
