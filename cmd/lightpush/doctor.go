package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lightpush/lightpush/internal/doctor"
)

type doctorFlags struct {
	url, path, api, origin, namespace string
	clients                           int
	quick, json                       bool
	patience                          time.Duration
}

func (c *command) doctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check machine, Redis and the way through a proxy: found, needed, the line that mends it",
		Long: `Checks the limits of this machine; the Redis of the configuration, if there is
one: version, permissions, eviction, persistence, latency, clock; and with --url
the way clients take through whatever stands before a server: long-polling, the
WebSocket upgrade, time-outs, the clock; with --origin what browsers are allowed.

Ends with 0 when nothing has failed, 1 when something has, 2 when the command
line or the configuration cannot be used.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "base URL clients use, such as https://push.example.org")
	flags.StringVar(&f.path, "push-option-path", "/socket.io/", "path of Socket.IO; behind nginx /push/socket.io/")
	flags.StringVar(&f.api, "api-url", "", "base URL of REST with its prefix, such as https://push.example.org/push-logic")
	flags.StringVar(&f.origin, "origin", "", "origin of the web pages that connect, such as https://app.example.org")
	flags.StringVar(&f.namespace, "namespace", "", "namespace to join, so that heartbeats and time-outs can be watched")
	flags.IntVar(&f.clients, "clients", 10_000, "clients this machine is to hold")
	flags.BoolVar(&f.quick, "quick", false, "do not wait for heartbeats")
	flags.DurationVar(&f.patience, "patience", time.Minute, "how long to wait for heartbeats at most")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.String("redis", "", "Redis server, host:port; several, separated by commas, are a Cluster")
	return cmd
}

func (c *command) doctor(cmd *cobra.Command, f doctorFlags) error {
	cfg, _, err := c.load(cmd)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return usageError{err}
	}
	lines := doctor.System(os.DirFS("/proc"), doctor.OpenFiles(), f.clients)
	if cfg.RedisAddress.IsZero() && len(cfg.Sentinels) == 0 {
		lines = append(lines, doctor.Line{Check: "Redis", Level: doctor.Skip, Found: "none configured: the embedded store (give --redis host:port to check one)"})
	} else {
		lines = append(lines, doctor.Redis(cmd.Context(), storeOptions(cfg))...)
	}
	if f.url != "" {
		site := doctor.Site{URL: f.url, Path: f.path, API: f.api, Origin: f.origin, Namespace: f.namespace, Patience: f.patience}
		if f.quick {
			site.Patience = 0
		}
		lines = append(lines, doctor.Web(cmd.Context(), site)...)
	}
	if f.json {
		text, err := json.MarshalIndent(struct {
			Healthy bool          `json:"healthy"`
			Checks  []doctor.Line `json:"checks"`
		}{doctor.Healthy(lines), lines}, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(c.stdout, string(text))
	} else {
		doctor.Print(c.stdout, lines)
	}
	if !doctor.Healthy(lines) {
		return exitError{code: exitMissed}
	}
	return nil
}

func (f *doctorFlags) check() error {
	var errs []error
	for name, value := range map[string]string{"url": f.url, "api-url": f.api, "origin": f.origin} {
		if value == "" {
			continue
		}
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || name == "origin" && u.Path != "" {
			errs = append(errs, fmt.Errorf("--%s %q; want such as https://push.example.org", name, value))
		}
	}
	if !strings.HasPrefix(f.path, "/") || f.clients < 1 || f.clients > 10_000_000 || f.patience < 0 {
		errs = append(errs, errors.New("want --push-option-path with a slash before it, --clients 1 to 10000000, and --patience not below 0"))
	}
	if f.namespace != "" && (!strings.HasPrefix(f.namespace, "/") || strings.ContainsAny(f.namespace, ",? \r\n")) {
		errs = append(errs, fmt.Errorf("--namespace %q; want a name with a leading slash", f.namespace))
	}
	if f.url == "" && (f.origin != "" || f.api != "") {
		errs = append(errs, errors.New("--origin and --api-url need --url"))
	}
	return errors.Join(errs...)
}
