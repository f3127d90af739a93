//go:build e2e

package examples

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// tools installs the grammars and the browser driver when they are missing, and returns their directory.
func tools(t testing.TB) string {
	t.Helper()
	tool(t, "node")
	if found, _ := filepath.Glob("tools/node_modules/.package-lock.json"); len(found) == 0 {
		cmd := exec.Command(tool(t, "npm"), "ci", "--no-audit", "--no-fund")
		cmd.Dir = "tools"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	return "tools"
}

// sources lists the files below an example that end in ext, as absolute paths.
func sources(t testing.TB, example, ext string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(filepath.Join(examples, example), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && filepath.Ext(path) == ext {
			path, err = filepath.Abs(path)
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestParse parses the examples for which there is no compiler here.
func TestParse(t *testing.T) {
	dir := tools(t)
	for _, language := range []struct {
		grammar, example, ext string
		files                 int // at least
	}{
		{"kotlin", "android", ".kt", 5}, {"kotlin", "android", ".kts", 3}, {"swift", "ios", ".swift", 4}, {"dart", "flutter", ".dart", 3},
	} {
		t.Run(language.example+language.ext, func(t *testing.T) {
			files := sources(t, language.example, language.ext)
			if len(files) < language.files {
				t.Fatalf("only %d files", len(files))
			}
			cmd := exec.Command("node", append([]string{"parse.js", language.grammar}, files...)...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// events are all an app can get besides what its library makes.
var events = []string{
	"ok", "push", "offlineMessage", "inboxDropped", "joinRoom", "leaveRoom", "peopleJoin", "peopleLeave", "tokenExpiring", "closing",
}

// TestEveryEvent looks for a handler of every event in every receiver.
func TestEveryEvent(t *testing.T) {
	for example, file := range map[string]string{
		"node": "receive.js", "web": "receive.js", "python": "receive.py", "go": "main.go",
		"android": "app/src/main/java/org/example/push/PushClient.kt", "ios": "Push/PushClient.swift", "flutter": "lib/push_client.dart",
	} {
		text, err := os.ReadFile(filepath.Join(examples, example, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range events {
			handler := regexp.MustCompile(`(\.on\(|case |Name == )["']` + event + `["']`)
			if !handler.Match(text) {
				t.Errorf("%s/%s does not handle %s", example, file, event)
			}
		}
	}
}
