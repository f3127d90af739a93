// Command budget runs the micro-benchmarks that budgets.yaml names and holds
// what they allocate against it: allocations and bytes per operation exactly,
// time only as a ratio to a reference loop of the same run, and only as a
// warning, because other programs may use the machine.
//
//	go run ./test/budget            # compare; fails above a budget
//	UPDATE=1 go run ./test/budget   # write what was measured into the file
//	go run ./test/budget -only wsframe
//
// It is run from the root of the repository, imports nothing of it, and
// changes nothing but the file.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

func main() {
	path := flag.String("file", "test/budget/budgets.yaml", "the `file` with the budgets")
	only := flag.String("only", "", "run only packages whose path contains this `text`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *path, *only, os.Getenv("UPDATE") != ""); err != nil {
		fmt.Fprintln(os.Stderr, "budget:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, path, only string, update bool) error {
	f, err := load(path)
	if err != nil {
		return err
	}
	start := time.Now()
	packages := f.chosen(only)
	if len(packages) == 0 {
		return fmt.Errorf("no package of %s contains %q", path, only)
	}
	results, err := measure(ctx, packages)
	if err != nil {
		return err
	}
	rows := compare(packages, results)
	if err := writeTable(out, rows); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d benchmarks in %.0f s\n", len(rows), time.Since(start).Seconds())
	if update {
		f.Go = minor(runtime.Version())
		lower(rows)
		return f.save(path)
	}
	s := summarize(rows)
	for _, line := range s.lines() {
		fmt.Fprintln(out, line)
	}
	if here := minor(runtime.Version()); here != f.Go || runtime.GOARCH != "amd64" {
		fmt.Fprintf(out, "The budgets are those of %s on amd64 and this is %s on %s: nothing of it counts.\n", f.Go, here, runtime.GOARCH)
		return nil
	}
	if n := s.above + s.missing; n > 0 {
		return fmt.Errorf("%d of %d benchmarks are above their budget or missing", n, len(rows))
	}
	return nil
}

// minor is a Go version without its patch: what is allocated depends on the
// compiler.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}
