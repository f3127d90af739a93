package main

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

func TestVersionJSON(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"version", "--json"}, nil, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	var got build
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", out.String(), err)
	}
	if got.Version != release || got.Go != runtime.Version() || got.OS != runtime.GOOS || got.Arch != runtime.GOARCH {
		t.Errorf("version --json printed %+v", got)
	}
}

// Completions are printed for every shell, and name the commands.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		t.Run(shell, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := run(t.Context(), []string{"completion", shell}, nil, &out, &errs); code != 0 || !strings.Contains(out.String(), "lightpush") {
				t.Errorf("exit code %d, %d bytes: %s", code, out.Len(), errs.String())
			}
		})
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"__complete", "conn"}, nil, &out, &errs); code != 0 || !strings.Contains(out.String(), "connector") {
		t.Errorf("completing conn: exit code %d, %q", code, out.String())
	}
}
