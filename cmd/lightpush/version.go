package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version of this source tree; see CHANGELOG.md. `make release` may stamp another one, and the commit.
var (
	release = "0.1.0"
	commit  = ""
)

// build is what a binary knows about its origin, as version --json prints it.
type build struct {
	Version  string `json:"version"`            // of the release, without the commit
	Commit   string `json:"commit,omitempty"`   // when known
	Time     string `json:"time,omitempty"`     // of the commit, RFC 3339
	Modified bool   `json:"modified,omitempty"` // the tree was not that of the commit
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// buildInfo joins what was stamped with what Go has noted.
func buildInfo() build {
	b := build{Version: release, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			if b.Commit == "" {
				b.Commit = s.Value
			}
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// version adds the commit a binary was built from, when it is known.
func version() string {
	if b := buildInfo(); len(b.Commit) >= 12 {
		return b.Version + "+" + b.Commit[:12]
	}
	return release
}

func (c *command) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return json.NewEncoder(c.stdout).Encode(buildInfo())
			}
			b := buildInfo()
			_, err := fmt.Fprintf(c.stdout, "lightpush %s (%s %s/%s)\n", version(), b.Go, b.OS, b.Arch)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print version, commit, Go version and platform as JSON")
	return cmd
}
