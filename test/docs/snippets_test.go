package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// check judges one snippet; nil means that it is a program of its language.
type check func(t *testing.T, text string) error

// checks by the first word of a fence's language. A second word "run" means that test/e2e/examples runs it as well. A
// snippet that leaves something out says so with … and is not judged.
var checks = map[string]check{
	"json":   checkJSON,
	"yaml":   checkYAML,
	"go":     checkGo,
	"sh":     checkWith("bash", "-n"),
	"js":     checkFile("node", ".mjs", "--check"),
	"python": checkFile("python3", ".py", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())"),
	"php":    checkFile("php", ".php", "-l"),
}

func checkJSON(_ *testing.T, text string) error {
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var value any
		if err := d.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func checkYAML(_ *testing.T, text string) error {
	var value any
	return yaml.Unmarshal([]byte(text), &value)
}

func checkGo(_ *testing.T, text string) error {
	fset := token.NewFileSet()
	if _, err := parser.ParseFile(fset, "snippet.go", text, 0); err == nil {
		return nil
	}
	if _, err := parser.ParseFile(fset, "snippet.go", "package p\n"+text, 0); err == nil {
		return nil
	}
	_, err := parser.ParseFile(fset, "snippet.go", "package p\nfunc _() {\n"+text+"}\n", 0)
	return err
}

// checkWith pipes the snippet into a program.
func checkWith(program string, args ...string) check {
	return func(t *testing.T, text string) error {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Skipf("%s is not at hand", program)
		}
		cmd := exec.Command(path, args...)
		cmd.Stdin = strings.NewReader(text)
		return verdict(cmd)
	}
}

// checkFile gives the snippet to a program as a file.
func checkFile(program, ext string, args ...string) check {
	return func(t *testing.T, text string) error {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Skipf("%s is not at hand", program)
		}
		file := filepath.Join(t.TempDir(), "snippet"+ext)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		return verdict(exec.Command(path, append(args, file)...))
	}
}

func verdict(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// TestSnippets parses what the pages show.
func TestSnippets(t *testing.T) {
	for _, p := range pages(t) {
		_, blocks := p.split()
		for _, b := range blocks {
			language, _, _ := strings.Cut(b.language, " ")
			judge, ok := checks[language]
			if !ok || strings.Contains(b.text, "…") {
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", p.path, b.line), func(t *testing.T) {
				if err := judge(t, b.text); err != nil {
					t.Errorf("%s: %v", b.language, err)
				}
			})
		}
	}
}

func TestChecksFindFaults(t *testing.T) {
	for language, text := range map[string]string{
		"json": `{"a":1} {`, "yaml": "a: [", "go": "func {", "sh": "if true; then", "js": "const = 1", "python": "def f(:", "php": "<?php if (",
	} {
		t.Run(language, func(t *testing.T) {
			if checks[language](t, text) == nil {
				t.Errorf("%q passed", text)
			}
		})
	}
}
