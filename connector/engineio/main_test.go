package engineio

import (
	"flag"
	"os"
	"testing"

	"github.com/lightpush/lightpush/internal/leaktest"
)

// portable makes newSite use the goroutine poller.
var portable bool

// TestMain runs the tests with both pollers. It fails the run when a goroutine is left behind.
func TestMain(m *testing.M) {
	if address := os.Getenv(crowdAddress); address != "" {
		runCrowd(address)
		return
	}
	os.Exit(leaktest.Run(both{m}))
}

// both are the tests with the reactor, and again with goroutines.
type both struct{ *testing.M }

func (b both) Run() int {
	code := b.M.Run()
	if code == 0 && !flagSet("test.fuzz") && !flagSet("test.bench") && !flagSet("test.list") {
		portable = true
		code = b.M.Run()
	}
	return code
}

func flagSet(name string) bool { return flag.Lookup(name).Value.String() != "" }
