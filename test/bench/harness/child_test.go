package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

const childRole = "LOAD_BENCH_TEST_CHILD"

// TestMain also plays the child of the tests below. It fails the run when a
// goroutine is left.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		playChild(role)
		return
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	for deadline := time.Now().Add(10 * time.Second); code == 0 && runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			code = 1
		}
	}
	os.Exit(code)
}

func playChild(role string) {
	switch role {
	case "echo":
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Fprintln(os.Stderr, "gc 4 @0.060s 3%: 0.5+1.2+0.25 ms clock, 0.024+0.1/1.1/2.1+0.008 ms cpu, 4->4->2 MB")
			fmt.Println(lines.Text())
		}
	case "garbage":
		fmt.Println("garbage")
		bufio.NewScanner(os.Stdin).Scan()
	case "dies":
		fmt.Fprintln(os.Stderr, "the reason")
	case "flood":
		for range 10_000 {
			fmt.Println("line")
		}
	case "silent":
		bufio.NewScanner(os.Stdin).Scan()
	}
}

func play(t *testing.T, role string) *child {
	t.Helper()
	c, err := startChild(role, []string{childRole + "=" + role}, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	return c
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestChild(t *testing.T) {
	c := play(t, "echo")
	for i := range 3 {
		var reply map[string]int
		if err := c.ask(within(t, 30*time.Second), map[string]int{"n": i}, &reply); err != nil || reply["n"] != i {
			t.Fatal(reply, err)
		}
	}
	var pauses []float64
	err := until(within(t, 30*time.Second), "pauses", func() error {
		if pauses = append(pauses, c.takePauses()...); len(pauses) < 6 {
			return errors.New("too few")
		}
		return nil
	})
	if err != nil || len(pauses) != 6 || pauses[0] != 0.5 || pauses[1] != 0.25 {
		t.Error(pauses, err)
	}
	c.stop()
	if err := c.ask(within(t, 30*time.Second), 1, new(int)); !errors.Is(err, errEnded) {
		t.Errorf("a command after the end: %v", err)
	}
}

func TestChildTrouble(t *testing.T) {
	if _, err := startChild("nothing", nil, "./there-is-no-such-program"); err == nil {
		t.Error("a program that does not exist starts")
	}
	if err := play(t, "garbage").ask(within(t, 30*time.Second), 1, new(int)); err == nil || !strings.Contains(err.Error(), "garbage") {
		t.Error(err)
	}
	if _, err := play(t, "dies").line(within(t, 30*time.Second)); !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "the reason") {
		t.Error(err)
	}
	if _, err := play(t, "silent").line(within(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	flood := play(t, "flood")
	select {
	case <-flood.done: // nobody reads, and it ends nevertheless
	case <-within(t, 30*time.Second).Done():
		t.Error("output that nobody reads blocks")
	}
}

func TestForeignEnviron(t *testing.T) {
	t.Setenv("LIGHTPUSH_LISTEN", "x")
	t.Setenv("GOGC", "50")
	for _, entry := range foreignEnviron() {
		if strings.HasPrefix(entry, "LIGHTPUSH_") || strings.HasPrefix(entry, "GOGC=") {
			t.Error(entry)
		}
	}
}
