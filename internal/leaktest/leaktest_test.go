package leaktest

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

// tests is a package whose tests do this.
type tests func() int

func (f tests) Run() int { return f() }

func TestRun(t *testing.T) {
	order := ""
	stop := func(name string) func() { return func() { order += name } }
	if code := Run(tests(func() int { return 0 }), stop("a"), stop("b")); code != 0 || order != "ab" {
		t.Errorf("exit code %d, stopped %q", code, order)
	}
	if code := Run(tests(func() int { return 3 }), stop("c")); code != 3 || order != "abc" {
		t.Errorf("exit code %d, stopped %q", code, order)
	}
	// What ends soon, or when it is stopped, is no leak.
	end := make(chan struct{})
	code := Run(tests(func() int {
		go func() { <-end }()
		return 0
	}), func() { close(end) })
	if code != 0 {
		t.Error("a goroutine that ends counts as left")
	}
}

func lingering(end chan struct{}) { <-end }

func TestWait(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	known := ids(stacks())
	go lingering(end)
	const short = 20 * time.Millisecond
	if left := wait(known, "", short); len(left) != 1 || !strings.Contains(left[0], "leaktest.lingering") {
		t.Errorf("%q", left)
	}
	if left := wait(known, "leaktest.lingering", short); len(left) != 1 {
		t.Errorf("%q", left)
	}
	if left := wait(known, "leaktest.others", patience); len(left) != 0 {
		t.Errorf("%q", left)
	}
	if left := wait(ids(stacks()), "", patience); len(left) != 0 {
		t.Errorf("%q was there before", left)
	}
}
