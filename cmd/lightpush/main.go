// Command lightpush is the push service: both roles in one process on an
// embedded store, or one role each against Redis.
//
// This package alone constructs and connects things; every other package
// declares what it needs. run returns the exit code, so that start-up
// failures can be tested.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal does not wait for the end of a drain
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line. It returns 0 after a clean end, 1 for a
// failure, 2 for a command line or configuration that cannot be used.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	root := newRootCommand(environ, stdout, stderr)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		return failure(err, stderr)
	}
	return 0
}
