// Command load is the load client: it reads commands of package load from
// stdin, one JSON object per line, answers each on stdout, and ends with stdin.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/lightpush/lightpush/test/bench/load"
)

func main() {
	debug.SetGCPercent(400) // little is allocated after the connects
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) (err error) {
	client, err := load.New()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- client.Run(ctx) }() // ends with ctx
	defer func() {
		cancel()
		err = errors.Join(err, <-ended)
	}()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var command load.Command
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		reply, err := client.Do(ctx, command)
		if err != nil && reply.Error == "" {
			reply.Error = err.Error()
		}
		if err := encoder.Encode(reply); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	return lines.Err()
}
