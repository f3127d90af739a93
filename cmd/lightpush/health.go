package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lightpush/lightpush/internal/config"
)

// healthTimeout is how long a process may take to answer; a container's
// health check must allow for more.
const healthTimeout = 3 * time.Second

func (c *command) healthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health [connector|logic]",
		Short: "Ask the process on this machine whether it can serve",
		Long: `Asks GET /health of the process that was started on this machine with the same
configuration, and ends with 0 when it can serve, else with 1. Name the role
unless both run in one process. Made for the health checks of containers.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 1 && args[0] != string(roleConnector) && args[0] != string(roleLogic)) {
				return usageError{fmt.Errorf("health takes connector, logic or nothing, not %q", strings.Join(args, " "))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := c.load(cmd)
			if err != nil {
				return err
			}
			r := roleAll
			if len(args) == 1 {
				r = role(args[0])
			}
			return askHealth(cmd.Context(), healthURL(r, cfg), c.stdout)
		},
	}
	cmd.Flags().String("listen", "", "address the process listens on, host:port")
	return cmd
}

// healthURL is where a process with that configuration answers.
func healthURL(r role, cfg config.Config) string {
	host, port, err := net.SplitHostPort(listenAddress(r, cfg))
	if err != nil {
		host, port = "127.0.0.1", ""
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return scheme(cfg) + "://" + net.JoinHostPort(host, port) + "/health"
}

func askHealth(ctx context.Context, url string, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// No proxy of the environment stands between a process and itself.
	transport := &http.Transport{DisableKeepAlives: true}
	// A certificate is for the names clients use, not for an address of this machine.
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // nothing secret is sent
	res, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", url, err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // only to be shown
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d %s", url, res.StatusCode, strings.TrimSpace(string(body)))
	}
	_, err = fmt.Fprintln(stdout, "healthy")
	return err
}
