package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lightpush/lightpush/internal/simulator"
)

// exitError ends with a code of its own; a nil error says nothing more.
type exitError struct {
	code int
	error
}

// Exit codes of the judging commands.
const (
	exitMissed    = 1 // an objective was missed, a check has failed
	exitCannotRun = 2
)

// pushPasswordVariable holds the password for those who keep it out of the process list.
const pushPasswordVariable = "PUSH_PASSWORD"

type simulateFlags struct {
	file        string
	remote      bool
	plain       bool
	coordinator string
	processes   int
	join        string
	progress    time.Duration
}

func (c *command) simulateCommand() *cobra.Command {
	var f simulateFlags
	values := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Live the life of many devices against a server, with a verdict",
		Long: `Connects many simulated devices, pushes to them, disturbs them, and reports
connects, deliveries, losses, repeats, order and latency. Settings come from the
file (see test/simulator.yaml and doc/simulator.md); flags override it. Ctrl-C
ends the run and prints the report so far.

Ends with 0 when all objectives of --slo hold, 1 when one is missed, 2 when the
run could not begin. The password for pushes may also come from the environment,
` + pushPasswordVariable + `.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.simulate(cmd, f, values) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "YAML file with the settings")
	flags.BoolVar(&f.remote, "yes-remote", false, "the targets may be other machines; I may load them")
	flags.BoolVar(&f.plain, "plain", false, "one progress line after the other, for logs")
	flags.DurationVar(&f.progress, "progress", 0, "time between two progress lines (default 1s)")
	flags.StringVar(&f.coordinator, "coordinator", "", "lead several processes: listen for them on host:port")
	flags.IntVar(&f.processes, "processes", 2, "processes of the run, the coordinator included")
	flags.StringVar(&f.join, "join", "", "be one of them: host:port of the coordinator, whose settings count")
	for _, k := range simulator.Keys() {
		value := ""
		if d := simulator.Default(); !k.Secret {
			value = k.Get(&d)
		}
		values[k.Name] = flags.String(k.Flag(), value, k.Doc)
	}
	return cmd
}

func (c *command) simulate(cmd *cobra.Command, f simulateFlags, values map[string]*string) error {
	if f.join != "" && f.coordinator != "" {
		return usageError{errors.New("a process has either --coordinator or --join")}
	}
	if f.join != "" {
		return judged(simulator.Join(cmd.Context(), f.join, f.remote, c.stdout))
	}
	if f.processes < 1 || f.processes > 1000 {
		return usageError{fmt.Errorf("--processes %d; want 1 to 1000", f.processes)}
	}
	if f.coordinator == "" {
		f.processes = 1
	}
	cfg := simulator.Default()
	if f.file != "" {
		if err := cfg.LoadFile(f.file); err != nil {
			return usageError{err}
		}
	}
	if password, ok := c.lookup(pushPasswordVariable); ok {
		cfg.PushPassword = password
	}
	for _, k := range simulator.Keys() {
		if cmd.Flags().Changed(k.Flag()) {
			if err := k.Set(&cfg, *values[k.Name]); err != nil {
				return usageError{fmt.Errorf("--%s: %w", k.Flag(), errors.Unwrap(err))}
			}
		}
	}
	return c.runSimulation(cmd.Context(), cfg, simulator.Options{
		Remote: f.remote, Coordinator: f.coordinator, Processes: f.processes,
		Progress: newProgress(c.stderr, f.plain, f.progress),
	}, nil)
}

// runSimulation runs, prints and writes; extra prints more before the verdict counts.
func (c *command) runSimulation(ctx context.Context, cfg simulator.Config, opt simulator.Options, extra func(*simulator.Report)) error {
	if cfg.Report != "" { // find out before the run, not after it
		file, err := os.OpenFile(cfg.Report, os.O_WRONLY|os.O_CREATE, 0o644) //nolint:gosec // figures, not secrets
		if err != nil {
			return usageError{fmt.Errorf("report: %w", err)}
		}
		_ = file.Close()
	}
	report, err := simulator.Run(ctx, cfg, opt)
	if err != nil {
		return judged(err)
	}
	report.Print(c.stdout)
	if extra != nil {
		extra(report)
	}
	if cfg.Report != "" {
		if err := report.WriteFile(cfg.Report); err != nil {
			return judged(fmt.Errorf("report: %w", err))
		}
		fmt.Fprintf(c.stdout, "report: %s\n", cfg.Report)
	}
	if report.Verdict == "missed" {
		return exitError{code: exitMissed}
	}
	return nil
}

// judged makes an error of a run an exit code.
func judged(err error) error {
	if err == nil {
		return nil
	}
	return exitError{exitCannotRun, err}
}

// lookup finds a variable of the environment this command was started with.
func (c *command) lookup(name string) (string, bool) {
	for _, entry := range c.environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// newProgress writes over one line on a terminal.
func newProgress(w io.Writer, plain bool, every time.Duration) *simulator.Progress {
	terminal := false
	if file, ok := w.(*os.File); ok && !plain {
		info, err := file.Stat()
		terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return &simulator.Progress{Out: w, Terminal: terminal, Every: every}
}
