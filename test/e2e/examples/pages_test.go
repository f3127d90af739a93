//go:build e2e

package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../.."

// fences returns the contents of the fences of a page that have this language.
func fences(t testing.TB, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	parts := strings.Split("\n"+string(text), "\n```")
	for i := 1; i < len(parts); i += 2 {
		if name, body, ok := strings.Cut(parts[i], "\n"); ok && name == language {
			found = append(found, body+"\n")
		}
	}
	return found
}

// runnable are the pages with snippets that are marked to be run.
var runnable = []string{"README.md", "README.zh-CN.md", "doc/getting-started.md", "doc/zh/getting-started.md"}

// TestPageCommands runs the commands of a page from top to bottom, as somebody who pastes them would: every one must
// succeed, and an HTTP error is a failure.
func TestPageCommands(t *testing.T) {
	bash, _ := tool(t, "bash"), tool(t, "curl")
	ran := 0
	for _, page := range runnable {
		commands := fences(t, page, "sh run")
		if len(commands) == 0 {
			continue
		}
		ran++
		t.Run(page, func(t *testing.T) {
			s := startServer(t, "LIGHTPUSH_ADMIN_PASSWD=for-the-test")
			script := "set -eu\ncurl() { command curl --fail-with-body --silent --show-error --max-time 10 \"$@\"; echo; }\n" + strings.Join(commands, "\n")
			cmd := exec.Command(bash, "-c", script)
			cmd.Env = append(cleanEnviron(), "PUSH="+s.url, "PASSWORD="+s.password, "ADMIN=for-the-test")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, script, out)
			}
			if !strings.Contains(string(out), `{"id":1}`) || !strings.Contains(string(out), `"state"`) && !strings.Contains(string(out), `"receipts":[]`) {
				t.Errorf("the commands answered\n%s", out)
			}
		})
	}
	if ran < 2 {
		t.Errorf("only %d pages with commands", ran)
	}
}

// TestPageClients runs the clients a page shows: each must get ready, join and receive, and be in the receipt.
func TestPageClients(t *testing.T) {
	for _, page := range runnable {
		for _, language := range []string{"js", "python"} {
			snippets := fences(t, page, language+" run")
			if language == "js" && len(snippets) == 0 {
				t.Errorf("%s shows no client", page)
			}
			for i, snippet := range snippets {
				t.Run(fmt.Sprintf("%s/%s%d", page, language, i), func(t *testing.T) {
					s := startServer(t)
					runClient(t, s, language, strings.ReplaceAll(snippet, "http://127.0.0.1:21314", s.url))
				})
			}
		}
	}
}

func runClient(t *testing.T, s *server, language, text string) {
	t.Helper()
	var device *program
	switch language {
	case "js":
		dir := nodeExample(t)
		write(t, filepath.Join(dir, "client.mjs"), text)
		device = start(t, dir, nil, "node", "client.mjs")
	case "python":
		if err := exec.Command("/usr/bin/python3", "-c", "import socketio").Run(); err != nil {
			t.Skip("python3-socketio is not at hand")
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "client.py"), text)
		device = start(t, dir, []string{"PYTHONUNBUFFERED=1"}, "/usr/bin/python3", "client.py")
	}
	device.mixed = true // joined and ready come in any order
	device.wait(`joined ok|status.*200`)
	id := s.push("news", "hello", nil)
	device.wait(fmt.Sprintf(`push.*%d|id: %d`, id, id))
	s.waitAcks(id, "1")
	device.kill()
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPageSnippetsParse parses the snippets of languages without a compiler here.
func TestPageSnippetsParse(t *testing.T) {
	dir := tools(t)
	for _, page := range runnable[:2] {
		for _, grammar := range []string{"kotlin", "swift", "dart"} {
			snippets := fences(t, page, grammar)
			if len(snippets) == 0 {
				t.Errorf("%s has no snippet in %s", page, grammar)
			}
			for i, snippet := range snippets {
				file := filepath.Join(t.TempDir(), fmt.Sprintf("snippet%d", i))
				write(t, file, snippet)
				cmd := exec.Command("node", "parse.js", grammar, file)
				cmd.Dir = dir
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s, %s: %v\n%s", page, grammar, err, out)
				}
			}
		}
	}
}

// TestPageGoSnippet compiles the Go client of the README inside the example it belongs to.
func TestPageGoSnippet(t *testing.T) {
	for _, page := range runnable[:2] {
		snippets := fences(t, page, "go")
		if len(snippets) != 1 {
			t.Fatalf("%s has %d snippets in Go", page, len(snippets))
		}
		dir := copied(t, "go")
		write(t, filepath.Join(dir, "snippet.go"), "package main\n\nimport (\n\"context\"\n\"fmt\"\n\"net/url\"\n)\n\nvar _ = snippet\n\nfunc snippet(ctx context.Context) error {\n"+snippets[0]+"}\n")
		cmd := exec.Command("go", "vet", ".")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", page, err, out)
		}
	}
}
