package engineio

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// portable makes newSite use the goroutine poller.
var portable bool

// TestMain runs the tests twice, on the poller of this system and on the portable one, which may be the same. It fails
// when goroutines are left after all tests. The fuzzing engine keeps some of its own.
func TestMain(m *testing.M) {
	if address := os.Getenv(crowdAddress); address != "" {
		runCrowd(address)
		return
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	if code == 0 && !flagSet("test.fuzz") && !flagSet("test.bench") && !flagSet("test.list") {
		portable = true
		code = m.Run()
	}
	if code == 0 && !flagSet("test.fuzz") && !goroutinesEnd(before) {
		stacks := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "goroutines leaked:\n%s\n", stacks[:runtime.Stack(stacks, true)])
		code = 1
	}
	os.Exit(code)
}

func flagSet(name string) bool { return flag.Lookup(name).Value.String() != "" }

func goroutinesEnd(before int) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if runtime.NumGoroutine() <= before {
			return true
		}
	}
	return false
}
