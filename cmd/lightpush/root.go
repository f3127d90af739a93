package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lightpush/lightpush/internal/config"
)

// role is what a process does.
type role string

const (
	roleAll       role = "lightpush" // both roles
	roleConnector role = "connector"
	roleLogic     role = "logic"
)

// usageError marks errors of the command line.
type usageError struct{ error }

func failure(err error, stderr io.Writer) int {
	var exit exitError
	if errors.As(err, &exit) {
		if exit.error != nil {
			fmt.Fprintln(stderr, "lightpush:", exit.error)
		}
		return exit.code
	}
	fmt.Fprintln(stderr, "lightpush:", err)
	var usage usageError
	if errors.As(err, &usage) || errors.Is(err, config.ErrInvalid) {
		return 2
	}
	return 1
}

// command carries what all subcommands share.
type command struct {
	environ        []string
	stdout, stderr io.Writer
	file           string // --config
}

func newRootCommand(environ []string, stdout, stderr io.Writer) *cobra.Command {
	c := &command{environ: environ, stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:   "lightpush",
		Short: "Socket.IO-compatible push service with offline delivery",
		Long: `lightpush without a subcommand runs both roles in one process on an embedded
store. The subcommands connector and logic run one role each against Redis.

Every key of the configuration file can also be set by the environment,
LIGHTPUSH_<KEY>; a flag beats the environment, which beats the file.`,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          c.serve(roleAll),
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringVar(&c.file, "config", "", "configuration file (see lightpush config init)")
	addServeFlags(root, "127.0.0.1:21314")
	root.Flags().String("data-dir", "", `where the embedded store keeps its file (default "./lightpush-data")`)

	connector := &cobra.Command{
		Use: "connector", Short: "Terminate Socket.IO clients, against Redis",
		Args: noArgs, RunE: c.serve(roleConnector),
	}
	addServeFlags(connector, ":21314")
	logic := &cobra.Command{
		Use: "logic", Short: "Serve the REST API, against Redis",
		Args: noArgs, RunE: c.serve(roleLogic),
	}
	addServeFlags(logic, ":56789")
	root.AddCommand(connector, logic, c.configCommand(), c.healthCommand(), c.secretKeyCommand(), c.versionCommand(),
		c.simulateCommand(), c.benchCommand(), c.doctorCommand())
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
	}
	return nil
}

func addServeFlags(cmd *cobra.Command, listen string) {
	cmd.Flags().String("listen", "", fmt.Sprintf("address to listen on, host:port (default %q)", listen))
	cmd.Flags().String("redis", "", "Redis server, host:port; several, separated by commas, are a Cluster")
}

// flagKeys are the flags that set a key of the configuration.
var flagKeys = map[string]string{"listen": "listen", "redis": "redis_address", "data-dir": "data_dir"}

// load reads the configuration from flags, environment and file.
func (c *command) load(cmd *cobra.Command) (config.Config, config.Sources, error) {
	flags := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if key, ok := flagKeys[f.Name]; ok {
			flags[key] = f.Value.String()
		}
	})
	return config.Load(config.LoadOptions{File: c.file, Environ: c.environ, Flags: flags})
}

// serve is the RunE of the commands that serve.
func (c *command) serve(r role) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		cfg, _, err := c.load(cmd)
		if err != nil {
			return err
		}
		if r != roleAll && cfg.RedisAddress.IsZero() && len(cfg.Sentinels) == 0 {
			return usageError{fmt.Errorf("%s needs Redis: give --redis host:port, or redis_address or sentinels in the configuration", r)}
		}
		again := func() (config.Config, error) {
			cfg, _, err := c.load(cmd)
			return cfg, err
		}
		return serve(cmd.Context(), r, cfg, again, c.stdout, c.stderr)
	}
}
