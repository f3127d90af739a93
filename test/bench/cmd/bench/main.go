// Command bench runs the benchmark; see package bench, and -h. With the
// argument plot it measures nothing, and writes page and pictures again from
// the result in the repository.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lightpush/lightpush/test/bench/harness"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	quick := flag.Bool("quick", false, "small sizes: shows that everything works, figures mean little")
	targets := flag.String("targets", strings.Join(harness.Targets, ","), "what to measure")
	scenarios := flag.String("scenarios", strings.Join(harness.Scenarios, ","), "what to play")
	file := flag.String("json", "", "write the result to this file")
	everything := flag.Bool("write", false, "write "+harness.ResultFile+" and all that is made from it: doc/performance.md, its pictures, the figures of the READMEs")
	timeout := flag.Duration("timeout", 20*time.Minute, "give up after this time")
	profile := flag.String("profile", "", "write CPU profiles of our servers to this directory, and nothing else")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root, err := harness.Repository(ctx)
	if err != nil {
		return err
	}
	switch {
	case flag.NArg() == 1 && flag.Arg(0) == "plot":
		result, err := harness.ReadResult(filepath.Join(root, harness.ResultFile))
		if err != nil {
			return err
		}
		return result.Write(root)
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; the only one there is is plot", flag.Arg(0))
	}

	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	sizes := harness.Full
	if *quick {
		sizes = harness.Quick
	}
	result, failed := harness.Run(ctx, harness.Options{
		Targets: list(*targets), Scenarios: list(*scenarios), Sizes: sizes, ProfileDir: *profile, Log: os.Stderr,
	})
	if result == nil {
		return failed
	}
	result.Print(os.Stdout)
	if *file != "" {
		failed = errors.Join(failed, save(result, *file))
	}
	if *everything {
		failed = errors.Join(failed, save(result, filepath.Join(root, harness.ResultFile)), result.Write(root))
	}
	return failed
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func save(result *harness.Result, path string) error {
	text, err := result.JSON()
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644) //nolint:gosec // figures for everybody to read
}
