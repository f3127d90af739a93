// Package leaktest ends the tests of a package with a look for goroutines that
// they have left behind:
//
//	func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }
//
// It imports the standard library alone and owns no goroutine. Only tests
// import it.
package leaktest

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// patience is how long goroutines may take to end.
const patience = 10 * time.Second

// Run runs the tests of m, then stop, in order, which end what the tests
// share, and waits until no goroutine is left that was not there before. Some
// that stay fail the run, and are printed. The result is for os.Exit.
//
// A fuzzing run is not judged: the engine keeps goroutines of its own.
func Run(m interface{ Run() int }, stop ...func()) (code int) {
	return RunOf(m, "", stop...)
}

// RunOf is Run for goroutines alone whose stack contains text.
func RunOf(m interface{ Run() int }, text string, stop ...func()) (code int) {
	known := ids(stacks())
	code = m.Run()
	for _, f := range stop {
		f()
	}
	if fuzzing := flag.Lookup("test.fuzz"); code != 0 || fuzzing != nil && fuzzing.Value.String() != "" {
		return code
	}
	if left := wait(known, text, patience); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", strings.Join(left, "\n\n"))
		return 1
	}
	return 0
}

// wait returns what is left after a time, at once when nothing is.
func wait(known map[string]bool, text string, patience time.Duration) (left []string) {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		left = nil
		for _, g := range stacks()[1:] { // the first is this one
			if !known[id(g)] && strings.Contains(g, text) && !strings.Contains(g, "os/signal.") {
				left = append(left, g)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// stacks are those of all goroutines, this one first.
func stacks() []string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return strings.Split(string(buf[:n]), "\n\n")
		}
	}
}

// id is the beginning of a stack, "goroutine 7".
func id(stack string) string {
	name, _, _ := strings.Cut(stack, " [")
	return name
}

func ids(stacks []string) map[string]bool {
	all := make(map[string]bool, len(stacks))
	for _, g := range stacks {
		all[id(g)] = true
	}
	return all
}
