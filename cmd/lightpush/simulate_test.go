package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/simtest"
)

// TestSimulateExitCodes: 0 kept, 1 missed, 2 cannot run; a broken server is named by its first lost message.
func TestSimulateExitCodes(t *testing.T) {
	start := func(f simtest.Faults) string {
		s, err := simtest.Start(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s.URL
	}
	with := func(args []string, more ...string) []string { return slices.Concat(args, more) }
	good, lossy, lossyBench := start(simtest.Faults{}), start(simtest.Faults{LoseEvery: 20}), start(simtest.Faults{LoseEvery: 20})
	base := []string{"--push-password", simtest.Password, "--slo", "loss=0,dup=0,order=0,connect=100%"}
	run3 := append([]string{"simulate", "--client-namespace", simtest.Namespace, "--client-total", "4", "--connect-rate", "1000", "--push-rate", "100", "--duration", "500ms", "--drain", "1s", "--join-room-rule", ""}, base...)
	bench := append([]string{"bench", "push", "--namespace", simtest.Namespace, "-n", "50", "-c", "4", "--subscribers", "2"}, base...)
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"kept":           {with(run3, "--server", good), 0, "verdict: ok"},
		"missed":         {with(run3, "--server", lossy), 1, "the first: message 20, room w-room, device wid"},
		"no server":      {with(run3, "--server", "http://127.0.0.1:1"), 2, "nobody listens"},
		"bad value":      {with(run3, "--ack-ratio", "7"), 2, `--ack-ratio: "7"; want a share`},
		"bad flag":       {[]string{"simulate", "--client-totl", "5"}, 2, "unknown flag"},
		"bad file":       {[]string{"simulate", "-f", "/nonexistent"}, 2, "/nonexistent"},
		"both roles":     {[]string{"simulate", "--join", "127.0.0.1:1", "--coordinator", "127.0.0.1:1"}, 2, "either --coordinator or --join"},
		"report nowhere": {with(run3, "--server", good, "--report", "/nonexistent/x"), 2, "report:"},
		"bench":          {with(bench, "--server", good), 0, "delivered  100 of 100 to own subscribers"},
		"bench, missed":  {with(bench, "--server", lossyBench, "--drain", "500ms"), 1, "delivered  96 of 100 to own subscribers"},
		"bench, bad":     {with(bench, "--rate", "-1"), 2, "--rate"},
		"bench, size":    {with(bench, "--size", "x"), 2, "push_size"},
		"doctor, bad":    {[]string{"doctor", "--url", "ftp://x", "--namespace", "x", "--clients", "0"}, 2, "--url"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var stdout, stderr bytes.Buffer
			code := run(ctx, tt.args, nil, &stdout, &stderr)
			if all := stdout.String() + stderr.String(); code != tt.code || !strings.Contains(all, tt.want) {
				t.Errorf("exit code %d, want %d and %q in\n%s", code, tt.code, tt.want, all)
			}
		})
	}
}
