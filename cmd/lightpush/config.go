package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/lightpush/lightpush/internal/config"
)

func (c *command) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Write or check a configuration file",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var force bool
	initialize := &cobra.Command{
		Use:   "init [file]",
		Short: "Write a commented configuration file with all keys and their defaults",
		Long: `Writes a commented configuration file with all keys and their defaults to the
given file, or to standard output. An existing file is left alone unless
--force is given.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{errors.New("config init takes at most one file")}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return c.configInit(args, force) },
	}
	initialize.Flags().BoolVar(&force, "force", false, "overwrite an existing file")
	check := &cobra.Command{
		Use:   "check [file]",
		Short: "Check a configuration file and the environment, without starting anything",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{errors.New("config check takes at most one file")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				c.file = args[0]
			}
			return c.configCheck(cmd)
		},
	}
	cmd.AddCommand(initialize, check)
	return cmd
}

func (c *command) configInit(args []string, force bool) error {
	if len(args) == 0 || args[0] == "-" {
		_, err := c.stdout.Write(config.Example())
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if !force {
		flags |= os.O_EXCL
	}
	f, err := os.OpenFile(args[0], flags, 0o600) // it may come to hold passwords
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; --force overwrites it", args[0])
	}
	if err != nil {
		return err
	}
	_, err = f.Write(config.Example())
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "wrote %s\n", args[0])
	return err
}

// configCheck prints where every changed key comes from; secrets stay hidden.
func (c *command) configCheck(cmd *cobra.Command) error {
	_, sources, err := c.load(cmd)
	if err != nil {
		return err
	}
	for _, key := range config.Keys() {
		if source, ok := sources[key.Name]; ok && source.String() != "default" {
			fmt.Fprintf(c.stdout, "%-40s %s\n", key.Name, source)
		}
	}
	_, err = fmt.Fprintln(c.stdout, "configuration is valid")
	return err
}
