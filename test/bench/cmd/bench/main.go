// Command bench runs the benchmark; see package bench, and -h.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
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
	page := flag.String("page", "", "write the page to this file")
	from := flag.String("from", "", "measure nothing, take the result from this JSON file")
	timeout := flag.Duration("timeout", 20*time.Minute, "give up after this time")
	profile := flag.String("profile", "", "write CPU profiles of our servers to this directory, and nothing else")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}

	var result *harness.Result
	var failed error
	if *from != "" {
		text, err := os.ReadFile(*from)
		if err != nil {
			return err
		}
		result = &harness.Result{}
		if err := json.Unmarshal(text, result); err != nil {
			return fmt.Errorf("%s: %w", *from, err)
		}
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		sizes := harness.Full
		if *quick {
			sizes = harness.Quick
		}
		result, failed = harness.Run(ctx, harness.Options{
			Targets: list(*targets), Scenarios: list(*scenarios), Sizes: sizes, ProfileDir: *profile, Log: os.Stderr,
		})
	}
	if result == nil {
		return failed
	}
	fmt.Println()
	harness.WriteText(os.Stdout, result.Table())
	fmt.Printf("\nload before %.2f %.2f %.2f, other programs used %.1f %% of the machine, %.0f s\n",
		result.LoadBefore[0], result.LoadBefore[1], result.LoadBefore[2], 100*result.Foreign, result.Seconds)
	return errors.Join(failed, write(*file, func() ([]byte, error) { return json.MarshalIndent(result, "", "  ") }),
		write(*page, result.Page))
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// write makes a file, when one is asked for.
func write(path string, content func() ([]byte, error)) error {
	if path == "" {
		return nil
	}
	text, err := content()
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // a page for everybody to read
}
